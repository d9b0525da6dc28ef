"""This process's engine: its typed face, the one loop that waits for it, its end.

Owns: the calls and errors of go/abi/s3engine.h, forgetting the engine at fork, shutting it down at exit. Refuses to know: what
an op is for, who holds which buffer (_buffers.py), where the library comes from (_library.py).

An Engine is one life of one copy of the library. It ends at fork in the child and at exit; whoever has kept it finds `alive`
False and does nothing, which is what finalizers rely on. The next use begins another life with a fresh copy.
"""

from __future__ import annotations

import atexit
import collections
import json
import math
import os
import sys
import time
from typing import TYPE_CHECKING, Callable, Protocol, cast

from . import _abi, _library
from ._errors import S3Exception, failed

if TYPE_CHECKING:
    from ._buffers import Loans

SLICE_MS = 100  # how late a signal is served at most
SHUTDOWN_S = 5.0  # for aborting the uploads that are under way at exit: some round trips, and a retry


class CData(Protocol):
    """Memory that C sees."""

    def __add__(self, bytes_on: int, /) -> CData: ...


class Cell(Protocol):
    """A C variable behind a pointer."""

    def __getitem__(self, index: int) -> int: ...


class Event(Protocol):
    """s3e_event."""

    kind: int
    seq: int
    token: int
    offset: int
    length: int


class Failure(Protocol):
    """s3e_error."""

    kind: int
    http_status: int
    code: CData
    request_id: CData
    message: CData


class Lib(Protocol):
    """s3engine.h, for the type checker; tests/test_abi.py compares the two."""

    def s3e_abi_version(self) -> int: ...
    def s3e_client_open(self, config: bytes, length: int, client: Cell, err: Failure, /) -> int: ...
    def s3e_start(self, client: int, request: bytes, length: int, op: Cell, err: Failure, /) -> int: ...
    def s3e_lend(self, op: int, token: int, data: CData, length: int, err: Failure, /) -> int: ...
    def s3e_finish(self, op: int, err: Failure, /) -> int: ...
    def s3e_wait(self, op: int, ack: int, timeout_ms: int, ev: Event, err: Failure, /) -> int: ...
    def s3e_reply(self, op: int, out: CData, cap: int, err: Failure, /) -> int: ...
    def s3e_close(self, handle: int, err: Failure, /) -> int: ...
    def s3e_stats(self, out: CData, cap: int, length: Cell, err: Failure, /) -> int: ...
    def s3e_shutdown(self, timeout_ms: int, left: Cell, err: Failure, /) -> int: ...


class _FFI(Protocol):
    def new(self, ctype: str, init: int = ..., /) -> object: ...
    def from_buffer(self, ctype: str, buffer: object, /) -> CData: ...
    def string(self, text: CData, /) -> bytes: ...
    def integer_const(self, name: str, /) -> int: ...


ffi = cast("_FFI", _abi.ffi)

OK, NONE, OPENED, FILLED, RETURNED, DONE, DRAINED = (
    ffi.integer_const(f"S3E_{name}") for name in ("OK", "NONE", "OPENED", "FILLED", "RETURNED", "DONE", "DRAINED")
)
KINDS = {
    ffi.integer_const(f"S3E_{name.upper()}"): name
    for name in (
        "invalid",
        "not_found",
        "denied",
        "precondition",
        "throttled",
        "network",
        "integrity",
        "service",
        "canceled",
        "bad_handle",
        "internal",
    )
}


def new_cell() -> Cell:
    """Make a place for a handle."""
    return cast("Cell", ffi.new("s3e_handle *"))


def new_event() -> Event:
    """Make a place for an event."""
    return cast("Event", ffi.new("s3e_event *"))


def new_failure() -> Failure:
    """Make a place for an error."""
    return cast("Failure", ffi.new("s3e_error *"))


def memory(buffer: object) -> CData:
    """Point at a buffer's memory, hold it there, and keep the buffer alive as long as the result is."""
    return ffi.from_buffer("uint8_t[]", buffer)


def exception(failure: Failure) -> S3Exception:
    """Make the exception for an error of the engine."""
    message, code, request_id = (
        ffi.string(text).decode(errors="replace") for text in (failure.message, failure.code, failure.request_id)
    )
    return failed(message, KINDS.get(failure.kind, "internal"), failure.http_status, code, request_id)


def uninterrupted(answers: list[int], function: Callable[..., int], *arguments: object) -> int:
    """Call the engine and note its answer, with no moment between the two for a KeyboardInterrupt.

    Python serves signals between its own instructions. Had `answer = function(...)` been interrupted after the call and
    before the assignment, nobody would know whether the memory is lent. Inside list.extend(map(...)) there are no such
    instructions: afterwards `answers` is longer exactly if the call was made.
    """
    answers.extend(map(function, *zip(arguments)))
    return answers[-1]


class Engine:
    """One life of one copy of the library."""

    __slots__ = ("_ended", "lib", "loans", "orphans", "pid", "version")

    def __init__(self, lib: Lib) -> None:
        self.lib = lib
        self._ended = False
        self.pid = os.getpid()
        # Every op that may hold memory of ours, from before its start until it has drained: what keeps buffers alive whatever
        # becomes of the streams (_buffers.py).
        self.loans: dict[Loans, None] = {}
        self.orphans: collections.deque[Loans] = collections.deque()
        self.version = str(self.stats()["version"])

    @property
    def alive(self) -> bool:
        """May it be called? Looks at the process, because fork hooks older than ours, and finalizers in them, precede forget."""
        return not self._ended and self.pid == os.getpid()

    def wait(self, op: int, ack: int, event: Event, failure: Failure, limit_s: float | None = None) -> bool:
        """Wait for the op's oldest event after ack; False if limit_s passed first. The only loop that waits.

        In slices, so that signals are served between them: Ctrl-C ends it here within SLICE_MS. Nothing is lost by that, for
        the engine reports the same event again until a later ack.
        """
        deadline = None if limit_s is None else time.monotonic() + limit_s
        slice_ms = SLICE_MS
        while self.alive:  # a signal handler may have forked or exited between two slices
            if deadline is not None:
                slice_ms = max(0, min(SLICE_MS, math.ceil((deadline - time.monotonic()) * 1000)))
            if self.lib.s3e_wait(op, ack, slice_ms, event, failure):
                raise exception(failure)
            if event.kind != NONE:
                return True
            if slice_ms == 0:
                return False
        raise self.gone()

    def gone(self) -> S3Exception:
        """Say why this engine cannot be used any more."""
        if self.pid != os.getpid():
            return failed(
                f"Client error: Request canceled: this was begun in process {self.pid}, of which this process is a fork, and "
                "goes on there. Clients can be used on both sides of a fork, streams cannot: begin it again here",
                "canceled",
            )
        return failed("Client error: Request canceled: the engine has been shut down, the process is ending", "canceled")

    def stats(self) -> dict[str, object]:
        """Live clients, ops and lent bytes; versions."""
        room = 1024
        length, failure = cast("Cell", ffi.new("uint64_t *")), new_failure()
        while True:
            out = bytearray(room)
            if self.lib.s3e_stats(memory(out), room, length, failure):
                raise exception(failure)
            if length[0] <= room:
                return cast("dict[str, object]", json.loads(out[: length[0]]))
            room = length[0]

    def end(self) -> None:
        """Let everybody who has kept this engine do nothing from now on."""
        self._ended = True
        self.orphans.clear()

    def shut_down(self, limit_s: float) -> None:
        """Close everything and wait until nothing is under way, so that no upload stays behind half done."""
        deadline = time.monotonic() + limit_s
        left, failure = cast("Cell", ffi.new("uint32_t *", 1)), new_failure()
        try:
            while self.lib.s3e_shutdown(SLICE_MS, left, failure) == OK and left[0] and time.monotonic() < deadline:
                pass
        finally:
            self.end()
            if left[0]:
                self.outlive_interpreter()

    def outlive_interpreter(self) -> None:
        """Keep what is lent for ever: goroutines may still write to it, while the interpreter frees all it knows of."""
        import ctypes  # noqa: PLC0415 - hardly ever

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.loans))


class NativeClient:
    """An opened client of one engine. Closed when nobody refers to it any more: its streams do, too."""

    __slots__ = ("_cell", "_failure", "engine")

    def __init__(self, engine: Engine, config: bytes) -> None:
        self.engine = engine
        self._failure = new_failure()
        self._cell = new_cell()  # the engine writes the handle here itself: no interrupt can lose it
        if engine.lib.s3e_client_open(config, len(config), self._cell, self._failure):
            raise exception(self._failure)

    @property
    def handle(self) -> int:
        """What the engine calls it."""
        return self._cell[0]

    def __del__(self) -> None:
        cell = getattr(self, "_cell", None)
        if cell is not None and cell[0] and self.engine.alive:
            self.engine.lib.s3e_close(cell[0], self._failure)


class _Process:
    """What changes when this process forks or ends."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.over = False  # at exit; forked children do not get here

    def begin(self) -> Engine:
        with _library.loading():  # two threads, one copy
            if self.engine is None or not self.engine.alive:
                self.forget()
                lib = cast("Lib", _library.load())
                expected, found = ffi.integer_const("S3E_ABI_VERSION"), lib.s3e_abi_version()
                if found != expected:
                    older = _library.PATH if found < expected else _abi.__file__
                    raise ImportError(f"{older} is stale: the library has ABI version {found}, _abi.py {expected}; build both")
                self._end_with_worker()
                self.engine = Engine(lib)
                if self.over:  # used by an atexit function older than ours, or by a finalizer: nobody will shut this one down
                    self.engine.outlive_interpreter()
            return self.engine

    def forget(self) -> None:
        if self.engine is not None and not self.engine.alive:
            self.engine.end()
            self.engine.loans.clear()  # no goroutine of the parent writes to this process's memory
            self.engine = None

    def shut_down(self) -> None:
        self.over = True
        engine, self.engine = self.engine, None
        if engine is not None and engine.alive:
            engine.shut_down(SHUTDOWN_S)

    def _end_with_worker(self) -> None:
        # Children that multiprocessing forked leave by os._exit after their own finalizers and never see atexit.
        util = sys.modules.get("multiprocessing.util")
        if util is not None and sys.modules["multiprocessing.process"].parent_process() is not None:
            util.Finalize(None, self.shut_down, exitpriority=-100)  # after all others


_process = _Process()
_library.at_fork(_process.forget)
# At import and not at first use: what programs register after this may still use clients. A forked child inherits it.
atexit.register(_process.shut_down)


def current() -> Engine:
    """Return this process's engine, loaded at its first use."""
    engine = _process.engine
    return engine if engine is not None and engine.alive else _process.begin()


def loaded() -> Engine | None:
    """Return this process's engine, if anybody has used it."""
    engine = _process.engine
    return engine if engine is not None and engine.alive else None
