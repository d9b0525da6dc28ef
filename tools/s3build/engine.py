"""go/abi -> the shared library in the Python package.

Owns: the flags of `go build`, and which symbols leave the library. Refuses to know: where Go and the compiler come from
(toolchain.py), what a wheel is (build.py).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import GO, PACKAGE
from .console import quietly

if TYPE_CHECKING:
    from .toolchain import Toolchain

SYMBOLS = GO / "abi" / "exports.map"


def compile_library(tools: Toolchain, version: str, folder: Path = PACKAGE) -> Path:
    """Build the library into `folder` and return its path."""
    library = folder / tools.target.library
    with tempfile.TemporaryDirectory(dir=folder) as scratch:  # beside the target: renaming within a file system is atomic
        new = Path(scratch, library.name)  # go build leaves a header there too, which goes with the folder
        command = [tools.go, "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared"]
        if tools.target.os == "linux":
            # Names are resolved by Go's own code: a getaddrinfo under way in glibc at a fork leaves the loader's lock held in the
            # child, whose dlopen of a fresh engine would then wait for ever. macOS resolves through the system alone.
            command += ["-tags", "netgo,osusergo"]
        command += ["-ldflags", link_flags(tools, version), "-o", str(new), "./abi"]
        quietly(command, cwd=GO, env=go_environment(tools))
        # Never written in place: a process that has the old one mapped would crash, and one that keeps a descriptor on it for
        # its forked children (docs/design/0002-fork.md) would hand them another engine.
        new.replace(library)
    return library


def go_environment(tools: Toolchain) -> dict[str, str]:
    """The toolchain's environment for our own module; an sdist may carry its dependencies, and then needs no network."""
    env = tools.environment()
    if (GO / "vendor").is_dir():
        env["GOFLAGS"] = "-mod=vendor"
    return env


def link_flags(tools: Toolchain, version: str) -> str:
    """-s -w: no symbol table, no debug information. -buildid=: Go's is made from paths and would differ between machines.

    The rest hides everything but s3e_*: after a fork several copies of the library live in one process, and Go's own helper
    symbols must not resolve across them.
    """
    if tools.target.os == "darwin":
        outer = f"-Wl,-install_name,@rpath/{tools.target.library}"
        if not tools.zig:  # whose Mach-O linker has no such flag
            outer += " -Wl,-exported_symbol,_s3e_*"
    else:
        outer = f'"-Wl,--version-script={SYMBOLS}"'  # quoted twice, for go and for its linker: a checkout may lie under a space
    return f"-s -w -buildid= -X main.version={version} '-extldflags={outer}'"
