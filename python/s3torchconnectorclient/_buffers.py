"""Whose memory is it now? Buffers for the engine to fill, and what keeps every lent one in place.

Owns: rules L1 to L3 of go/abi/s3engine.h on this side. Refuses to know: sizes, order, and what the bytes are for (_get.py,
_put.py).

Pinned means: in `Loans.pins`, and those Loans in `Engine.loans`, from before the op starts until the engine has said DRAINED.
A stream may be collected, its finalizer interrupted, its thread killed: the memory stays where the engine believes it is.
Closed loans wait for their DRAINED as orphans, which later ops, join_all_managed_threads and the exit look after; finalizers
never wait.
"""

from __future__ import annotations

import ctypes
import time
import weakref
from typing import TYPE_CHECKING, NamedTuple, cast

from ._engine import DRAINED, OK, exception, memory, new_cell, new_event, new_failure, uninterrupted
from ._errors import S3Exception, failed

if TYPE_CHECKING:
    from ._engine import CData, Engine, Event

SWEEP_MOST = 32  # orphans that one op looks after: a bound on what it pays for others

_new_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_new_bytes.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t]
_new_bytes.restype = ctypes.py_object


def uninitialised(length: int) -> bytes:
    """Make bytes for the engine to fill, at least one, without the cost of zeros: 1 µs for 8 MiB instead of 170.

    Show them to nobody before they are filled.
    """
    return cast("bytes", _new_bytes(None, length))


class Pin(NamedTuple):
    """A buffer that the engine has. `data` holds it in place: a bytearray cannot be resized meanwhile."""

    buffer: object
    data: CData
    length: int


class Loans:
    """What one op of the engine holds, and its handle."""

    __slots__ = ("_closed", "_finished", "_lent", "acked", "engine", "event", "failure", "handle", "owner", "pins", "refusal")

    def __init__(self, engine: Engine, owner: object) -> None:
        self.engine = engine
        self.owner = weakref.ref(owner)  # whoever waits for events and will call close
        self.handle = new_cell()  # the engine writes it itself: no interrupt can lose it
        self.event: Event = new_event()
        self.failure = new_failure()
        self.acked = 0
        self.pins: dict[int, Pin] = {}
        self.refusal: S3Exception | None = None
        self._lent: list[int] = []  # what the engine answered to each s3e_lend
        self._finished: list[int] = []
        self._closed = False
        engine.loans[self] = None

    def start(self, client: int, request: bytes) -> None:
        """Begin the op."""
        if self.engine.lib.s3e_start(client, request, len(request), self.handle, self.failure):
            self.engine.loans.pop(self, None)
            raise exception(self.failure)

    @property
    def made(self) -> int:
        """How many loans the engine took. Exact whatever was interrupted."""
        return len(self._lent) - self.refused

    @property
    def refused(self) -> bool:
        """Has the engine refused a loan? Then there will be no further one."""
        return bool(self._lent and self._lent[-1] != OK)

    @property
    def outstanding(self) -> int:
        """Bytes that the engine has now. Pins of loans that an interrupt kept from being made do not count."""
        made = self.made
        return sum(pin.length for token, pin in self.pins.items() if token <= made)

    def lend(self, buffer: object, start: int, length: int) -> bool:
        """Lend a stretch of a buffer as the next loan; tokens count from 1. False: it was refused, and `refusal` says why."""
        if self.refused:
            return False
        self.insist()
        token = len(self._lent) + 1
        data = memory(buffer)
        self.pins[token] = Pin(buffer, data, length)  # L1
        place = data + start if start else data
        if uninterrupted(self._lent, self.engine.lib.s3e_lend, self.handle[0], token, place, length, self.failure) != OK:
            self.refusal = self._refused()
            self.pins.pop(token, None)
            return False
        return True

    def insist(self) -> None:
        """Raise where the engine is not this process's any more: calling a copy that a fork left behind may hang."""
        if not self.engine.alive:
            raise self.engine.gone()

    def no_more(self) -> S3Exception:
        """Say why there can be no further loan."""
        return self.refusal or failed("Client error: Internal S3 client error: a loan was refused", "internal")

    def settle(self, event: Event) -> None:
        """Take back the loan that an event names. Doing it twice does no harm."""
        self.pins.pop(event.token, None)
        self.acked = event.seq

    def _refused(self) -> S3Exception:
        # We have not closed the op, so where it is closed, the process is ending while this thread still works.
        error = exception(self.failure)
        return self.engine.gone() if error.kind == "bad_handle" else error

    def finish(self) -> None:
        """Say, once, that no loan follows."""
        self.insist()
        if not self._finished:
            uninterrupted(self._finished, self.engine.lib.s3e_finish, self.handle[0], self.failure)
        if self._finished[-1] != OK:
            raise self._refused()

    def reply(self, length: int) -> bytes:
        """Copy the op's reply."""
        out = uninitialised(length) if length else b""
        if self.engine.lib.s3e_reply(self.handle[0], memory(out), length, self.failure):
            raise exception(self.failure)
        return out

    def close(self, *, again: bool = False) -> None:
        """Cancel what is under way and let the buffers go when the engine has. Never waits, may be called twice."""
        if (self._closed and not again) or not self.engine.alive:
            return
        if not self.handle[0]:  # never started
            self.engine.loans.pop(self, None)
            return
        self.engine.lib.s3e_close(self.handle[0], self.failure)
        if not self.drained():
            self.engine.orphans.append(self)
        # Interrupted before this line, close runs again; an orphan listed twice is found drained at the second look.
        self._closed = True

    def drained(self, limit_s: float = 0.0) -> bool:
        """Has the engine let go? Only after close."""
        try:
            if not self.engine.wait(self.handle[0], 0, self.event, self.failure, limit_s) or self.event.kind != DRAINED:
                return False
        except S3Exception as error:
            if error.kind != "bad_handle":  # which says that DRAINED has been reported
                return False
        self.engine.loans.pop(self, None)
        self.pins.clear()
        return True


def sweep(engine: Engine, limit_s: float = 0.0) -> None:
    """Look after some orphans at a glance, or after all of them for limit_s."""
    if limit_s or not engine.orphans:
        # An interrupt may have lost an orphan between leaving the queue and coming back, or a finalizer before it closed.
        for loans in list(engine.loans):
            if loans.owner() is None and loans not in engine.orphans:
                loans.close(again=True)
    deadline = time.monotonic() + limit_s if limit_s else 0.0
    for _ in range(len(engine.orphans) if limit_s else min(len(engine.orphans), SWEEP_MOST)):
        try:
            loans = engine.orphans.popleft()
        except IndexError:  # another thread sweeps, too
            break
        if not loans.drained(max(0.0, deadline - time.monotonic()) if limit_s else 0.0):
            engine.orphans.append(loans)
