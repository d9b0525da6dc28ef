"""A copy of the engine for this process: where its bytes come from, and how it is loaded beside dead copies.

Owns: the library file, the fork hooks. Refuses to know: what the library does, who uses it (_engine.py).

Go does not survive fork(): the child has the memory of the parent's runtime and none of its threads. So the child never calls
into the copy that it inherited; it loads a fresh one on top (docs/design/0002-fork.md). What that takes:

 1. The bytes come from a file descriptor held open since import: the path may lead to another engine by then (an upgrade).
 2. glibc knows loaded libraries by path string first and by inode second; either match gives back the dead copy. So each copy
    is a new memfd, and its path is spelled as no ancestor spelled one: /proc/self/fd/./././N, one "./" more per generation.
 3. Siblings may share a memfd, for none of them has it loaded. The parent therefore makes one before it first forks: 32
    DataLoader workers then map the same pages instead of holding 32 copies.
 4. Dead copies stay mapped: dlclose does nothing (Go links NODELETE) and unmapping one crashes at exit.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import Callable, NamedTuple

from ._abi import ffi

PATH = Path(__file__).with_name("libs3engine.dylib" if sys.platform == "darwin" else "libs3engine.so")


def _hold() -> int | None:
    try:
        return os.open(PATH, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # loading it says why; importing this package is no reason to


def _identity(of: int | Path) -> tuple[int, int] | None:
    try:
        status = os.stat(of)  # noqa: PTH116 - of a descriptor, too
    except OSError:
        return None
    return status.st_dev, status.st_ino


class NoRoomError(ImportError):
    """glibc's reserve for thread-local words is used up by the ancestors' copies."""


class _Spare(NamedTuple):
    number: int
    identity: tuple[int, int] | None


class _Copies:
    """The copies that this process and its ancestors have loaded."""

    def __init__(self) -> None:
        self.file = _hold()
        self.identity = None if self.file is None else _identity(self.file)
        self.loaded = 0  # in this process and all its ancestors
        self.kept: list[object] = []  # cffi would dlclose a library that nobody refers to
        self.spare: _Spare | None = None  # a memfd that nobody in this line of processes has loaded
        self.lock = threading.RLock()

    def load(self) -> object:
        """Load a copy that no ancestor has loaded. The caller holds the lock."""
        if self.file is None:
            raise ImportError(f"{PATH} cannot be read; reinstall this package, or in a checkout run: python build.py build")
        if self.loaded == 0 and _identity(PATH) == self.identity:
            library = self._dlopen(str(PATH))
        else:
            with contextlib.ExitStack() as after:
                library = self._from_memory(after) or self._dlopen(self._file(after))
        self.kept.append(library)
        self.loaded += 1
        return library

    def _from_memory(self, after: contextlib.ExitStack) -> object:
        """Load a memfd; None where that cannot be done: macOS, an old kernel, no /proc, a strict sandbox."""
        try:
            memory = self._take_spare()
            if memory is None:
                memory = self._memfd()
            after.callback(os.close, memory)
        except (AttributeError, OSError):
            return None
        try:
            return self._dlopen("/proc/self/fd/" + "./" * self.loaded + str(memory))
        except NoRoomError:
            raise
        except ImportError:
            return None  # a file may do, and if not says why

    def _take_spare(self) -> int | None:
        """Return the spare, if it still is one: programs that become daemons close all descriptors, and then reuse numbers."""
        spare, self.spare = self.spare, None
        return spare.number if spare is not None and _identity(spare.number) == spare.identity else None

    def _file(self, after: contextlib.ExitStack) -> str:
        import tempfile  # noqa: PLC0415 - takes longer to import than all of ours, and is hardly ever needed

        folder = after.enter_context(tempfile.TemporaryDirectory(prefix="s3engine-"))  # 0700, and gone once loaded
        path = os.path.join(folder, PATH.name)  # noqa: PTH118 - dlopen wants a str
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o500)
        try:
            self._copy_to(target)
        finally:
            os.close(target)
        return path

    def _memfd(self) -> int:
        target = os.memfd_create("s3engine", os.MFD_CLOEXEC)
        try:
            self._copy_to(target)
        except BaseException:
            os.close(target)
            raise
        return target

    def _copy_to(self, target: int) -> None:
        # The descriptor is as old as the import, and some daemons close or reuse all they find.
        if self.file is None or _identity(self.file) != self.identity:
            self.file = os.open(PATH, os.O_RDONLY | os.O_CLOEXEC)
            self.identity = _identity(self.file)
        source = self.file
        at, size = 0, os.fstat(source).st_size
        while at < size:  # always with an offset: the file position is shared with the parent
            if sys.platform == "linux":
                copied = os.sendfile(target, source, at, size - at)
            else:
                copied = os.write(target, os.pread(source, 1 << 20, at))
            if not copied:
                raise OSError(f"{PATH} became shorter while it was copied")
            at += copied

    @staticmethod
    def _dlopen(path: str) -> object:
        try:
            return ffi.dlopen(path, ffi.RTLD_NOW | ffi.RTLD_LOCAL)
        except OSError as error:
            if "static TLS" in str(error):
                raise NoRoomError(
                    "This process is too many forks away from the first one: each loaded a copy of the engine, and glibc has "
                    "no room for another. Make room before the first process starts, with the environment variable "
                    "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=65536 (about 8,000 generations), or use "
                    f"multiprocessing's spawn. ({error})"
                ) from error
            raise ImportError(f"The engine cannot be loaded here: {error}") from error

    # The hooks. Exceptions in them are printed and ignored by Python.

    def before_fork(self) -> None:
        """Wait for a load under way in another thread: its locks inside the C library would stay locked in the child."""
        self.lock.acquire()
        if self.loaded and self.spare is None and sys.platform == "linux":
            with contextlib.suppress(AttributeError, OSError):
                memory = self._memfd()
                self.spare = _Spare(memory, _identity(memory))

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        with contextlib.suppress(RuntimeError):  # an interrupt kept before_fork from getting the lock
            self.lock.release()

    def after_fork_in_child(self) -> None:
        """Start with a lock that nobody holds."""
        self.lock = threading.RLock()


_copies = _Copies()


def loading() -> threading.RLock:
    """Held while a copy is loaded."""
    return _copies.lock


def load() -> object:
    """Load this process's copy. The caller holds the lock."""
    return _copies.load()


def at_fork(forget: Callable[[], None]) -> None:
    """Call forget in each forked child, when it has become one."""
    os.register_at_fork(
        before=_copies.before_fork,
        after_in_parent=_copies.after_fork_in_parent,
        after_in_child=_copies.after_fork_in_child,
    )
    os.register_at_fork(after_in_child=forget)
