"""Programs that come from pinned Go modules: MinIO for the tests, the linters.

Owns: tools/<module>/go.mod -> a binary in the cache folder. Refuses to know: how the programs are used.

Built, not downloaded: the module proxy and go.sum vouch for every byte, and there is a binary for whatever machine this is.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import ROOT, own_cache
from .console import quietly, step
from .environments import exclusive

if TYPE_CHECKING:
    from .toolchain import Toolchain


@dataclass(frozen=True)
class Program:
    """One `package main` of a module that tools/<name>/go.mod requires. A module each: their dependencies do not agree."""

    name: str
    module: str
    command: str = ""  # the package within the module

    @property
    def version(self) -> str:
        """As go.mod pins it."""
        text = (ROOT / "tools" / self.name / "go.mod").read_text(encoding="utf-8")
        found = re.search(rf"^(?:require\s|\s)\s*{re.escape(self.module)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"tools/{self.name}/go.mod does not require {self.module}")
        return found[1]


MINIO = Program("minio", "github.com/minio/minio")
GOLANGCI_LINT = Program("golangci-lint", "github.com/golangci/golangci-lint/v2", "/cmd/golangci-lint")
ACTIONLINT = Program("actionlint", "github.com/rhysd/actionlint", "/cmd/actionlint")


def program(tools: Toolchain, wanted: Program, *, hint: str = "") -> Path:
    """The program's file, built if the cache does not have this version."""
    binary = own_cache() / f"{wanted.name}-{wanted.version}-{tools.target.arch}"
    with exclusive(str(binary)):
        if not binary.exists():
            with step(f"{wanted.name} {wanted.version}: building it into the cache{hint}"):
                _build(tools, wanted, binary)
    return binary


def _build(tools: Toolchain, wanted: Program, binary: Path) -> None:
    env = {**tools.environment(), "CGO_ENABLED": "0"}
    with tempfile.TemporaryDirectory(dir=binary.parent) as scratch:
        new = Path(scratch, binary.name)
        command = [tools.go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(new), wanted.module + wanted.command]
        quietly(command, cwd=ROOT / "tools" / wanted.name, env=env, nice=True)
        new.replace(binary)
