#!/usr/bin/env python3
"""Build, try and check s3torchconnectorclient. Needs Python >= 3.9; fetches everything else, also Go, into .venv* and the cache.

  python3 build.py demo [ARGS]           train on images in S3, in this checkout (examples/train.py; --help after it for more)
  python3 build.py test [--full] [ARGS]  all tests, Go's and Python's; ARGS go to pytest, and naming test files leaves out Go's
  python3 build.py lint                  all linters and type checkers; changes nothing
  python3 build.py build                 compile the engine and emit _abi.py, in place
  python3 build.py bench [ARGS]          benchmarks (benchmarks/run.py)
  python3 build.py lock [NAMES]          resolve requirements/*.in anew

For a wheel or an sdist use `uv build`, `pip wheel .` or `pyproject-build`. Not `python -m build`: in this folder that runs this
very file.

Environment: S3GO_TOOLCHAIN=wheel builds with Go and zig from PyPI even where the machine has its own, S3GO_TARGET=os/arch for
another platform, XDG_CACHE_HOME moves the cache (~/.cache).
"""
# Owns: the command line, and the build hook that hatchling loads from this file. Refuses to know: how anything is built
# (tools/s3build). Standard library only, because it is what installs the rest; hatchling is there when hatchling asks.

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))  # hatchling loads this file by its path alone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
else:
    try:
        from hatchling.builders.hooks.plugin.interface import BuildHookInterface
    except ImportError:  # run as a script
        BuildHookInterface = None

COMMANDS = ("build", "demo", "test", "lint", "bench", "lock")

if BuildHookInterface is not None:

    class CustomBuildHook(BuildHookInterface[Any]):
        """Puts the engine and _abi.py into the wheel, and names the platform it is for."""

        def dependencies(self) -> list[str]:
            """What the build needs beyond pyproject.toml's [build-system]: Go or a C compiler where this machine has none."""
            from s3build import toolchain

            return [] if _prebuilt() else toolchain.missing_wheels()

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Build; `version` is "standard" or "editable"."""
            if version == "editable" and _prebuilt():
                return
            from s3build import abi, engine, toolchain

            tools = toolchain.find()
            library = engine.compile_library(tools, self.metadata.version)
            abi.write()
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{tools.tag}"  # any CPython: the library is not an extension module
            build_data["artifacts"] += [f"/{file.relative_to(ROOT).as_posix()}" for file in (library, abi.MODULE)]


def _prebuilt() -> bool:
    """Does build.py itself make the two files in place, so that an editable install need not?"""
    return os.environ.get("S3E_PREBUILT") == "1"


def main(args: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    if args and args[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    as_module = __spec__ is not None  # python -m build
    if as_module or not args or args[0] not in COMMANDS:
        if as_module or (args and args[0].startswith("-")):
            wrong = "`python -m build` in this folder runs the project's own build.py, not PyPA build"
        else:
            wrong = f"unknown command {args[0]!r}" if args else "no command"
        print(f"build.py: {wrong}.\n\n{__doc__}", file=sys.stderr)
        return 2
    from s3build import console, tasks

    try:
        return int(getattr(tasks, args[0])(args[1:]))
    except console.StepError as failure:
        return failure.status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
