"""The build, in parts small enough to read: build.py is the front door, this package does the work.

Owns: the places everything else refers to (the checkout, the Python package, the cache folder) and the version.
Refuses to know: Go, cffi, uv, tests. Standard library only, Python >= 3.9: it runs before anything is installed, also inside
pip's isolated build of the sdist.

    toolchain.py    which Go and which C compiler; for which platform
    engine.py       go/abi -> the shared library; s3engine.h -> _abi.py
    notices.py      the licences of what is linked in
    environments.py uv, and the .venv* folders made from requirements/*.txt
    gotools.py      programs built from pinned Go modules: MinIO, the linters
    tasks.py        what `build.py demo|test|lint|bench|lock` do
    console.py      one line a step, with its time; everything it printed when it fails
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "s3torchconnectorclient"
GO = ROOT / "go"


def cache_folder(root: Path = ROOT) -> Path:
    """Where compilers keep what they may reuse. In the checkout only where there is no home: then nothing else is certain."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"])
    return Path(os.environ["HOME"], ".cache") if os.environ.get("HOME") else root / "build" / "cache"


def own_cache() -> Path:
    """The project's own folder in the cache."""
    folder = cache_folder() / "s3torchconnectorclient"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def version() -> str:
    """The distribution's version. pyproject.toml is its only home; tomllib is not in every Python we support."""
    found = re.search(r'^version = "([^"]+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise RuntimeError("pyproject.toml has no version line")
    return found[1]
