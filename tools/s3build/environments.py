"""The .venv* folders, each exactly what its requirements/<name>.txt says, and uv, which makes them.

Owns: getting uv, when an environment is out of date, that two runs at once do not get in each other's way.
Refuses to know: what the environments are for (tasks.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import ROOT, own_cache
from .console import StepError, quietly, say, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REQUIREMENTS = ROOT / "requirements"
BENCH_REQUIREMENTS = ROOT / "benchmarks" / "requirements"  # a client each
UV_MINIMUM = (0, 8)  # the first that has `venv --clear`
STAMP = "made-from"


def environment(
    name: str, finish: Callable[[Path], None] | None = None, *, also: bytes = b"", requirements: Path = REQUIREMENTS
) -> Path:
    """The Python of .venv (name "test") or .venv-<name>, up to date; `finish` is run on it after the packages are installed.

    `also` is what `finish` depends on: a change of it, of the lock file or of this Python makes the environment anew.
    """
    folder = ROOT / (".venv" if name == "test" else f".venv-{name}")
    lock_file = requirements / f"{name}.txt"
    identity = f"{ROOT}\n{sys.version}\n{sys.base_prefix}\n".encode()
    wanted = hashlib.sha256(identity + lock_file.read_bytes() + also).hexdigest()
    stamp, python = folder / STAMP, folder / "bin" / "python"
    with exclusive(f"{ROOT}/{folder.name}"):
        if _text(stamp) == wanted and python.exists():
            return python
        uv = find_uv()
        with step(f"{folder.name}: installing requirements/{name}.txt"):
            stamp.unlink(missing_ok=True)
            if _text(folder / "python") != sys.version or not python.exists():
                quietly([uv, "venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, folder])
                (folder / "python").write_text(sys.version, encoding="utf-8")
            # sync, not install: what an earlier lock file asked for must not stay and pass for something this one has.
            quietly([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, lock_file], cwd=ROOT)
            if finish is not None:
                finish(python)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def install_project(python: Path) -> None:
    """Our own package, editable, into the environment, and a look whether everything fits together.

    --no-deps, because the lock file has them. S3E_PREBUILT tells the hook that the library is made in place by `build.py`.
    """
    uv, env = find_uv(), {**os.environ, "S3E_PREBUILT": "1"}
    lock = REQUIREMENTS / "build.txt"
    quietly([uv, "pip", "install", "--quiet", "--no-deps", "--build-constraints", lock, "--python", python, "-e", ROOT], env=env)
    quietly([uv, "pip", "check", "--quiet", "--python", python])


def borrow_packages(python: Path, lender: Path) -> None:
    """Let an environment see another's packages after its own: torch is 5 GB, and one of it is enough.

    .pth files in the lender's folder are not read by this, so an editable install there stays invisible here.
    """
    site = site_packages(python)
    (site / "borrowed.pth").write_text(f"{site_packages(lender)}\n", encoding="utf-8")


def site_packages(python: Path) -> Path:
    """Where an environment keeps its packages."""
    return next((python.parent.parent / "lib").glob("python*/site-packages"))


def find_uv() -> str:
    """uv from the PATH, or the pinned one from PyPI in a folder of its own."""
    found = shutil.which("uv")
    if found and _version_of(found) >= UV_MINIMUM:
        return found
    lock_file = REQUIREMENTS / "uv.txt"
    key = hashlib.sha256(lock_file.read_bytes() + sys.base_prefix.encode()).hexdigest()[:12]
    folder = own_cache() / f"uv-{key}"
    uv = folder / "bin" / "uv"
    with exclusive(str(folder)):
        if not _version_of(str(uv)) >= UV_MINIMUM:
            with step("uv: installing it into the cache"):
                _bootstrap_uv(folder, lock_file)
    return str(uv)


def _bootstrap_uv(folder: Path, lock_file: Path) -> None:
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=False, capture_output=True, text=True)
    if made.returncode:
        say(f"\n{made.stdout}{made.stderr}")
        say("This Python cannot make virtual environments. Either install uv (https://docs.astral.sh/uv), or what is missing:")
        say("under Debian and Ubuntu `apt-get install python3-venv`.")
        raise StepError
    python = folder / "bin" / "python"
    quietly([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock_file])


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """One process at a time, until the end of the block or of the process; the others wait."""
    locks = own_cache() / "locks"
    locks.mkdir(exist_ok=True)
    with (locks / hashlib.sha256(name.encode()).hexdigest()[:16]).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _version_of(uv: str) -> tuple[int, ...]:
    try:
        told = subprocess.run([uv, "--version"], check=True, capture_output=True, text=True).stdout
        return tuple(int(part) for part in told.split()[1].split(".")[:2])
    except (OSError, ValueError, IndexError, subprocess.CalledProcessError):
        return (0,)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
