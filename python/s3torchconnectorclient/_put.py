"""Uploads: cutting what is written into parts, and how much of it is under way.

Owns: part sizes, back-pressure, which failures poison the stream. Refuses to know: requests, retries, multipart uploads.

    stream.write(data)                      here           cuts parts; a large write is lent uncopied
     └ lend ▶ a full part                   _buffers.py    pinned, named by a token
 ══════════════════════════════════════════ go/abi/s3engine.h ══
           └ UploadPart from the buffer     go/engine/put.go, send.go
        ◀ wait: RETURNED token                             in the order stored
    stream.close()
     └ finish ▶
           └ CompleteMultipartUpload        go/engine/put.go
        ◀ wait: DONE

A stream that is dropped before close() has returned is closed in the engine, which aborts the upload: the object never appears.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from ._engine import DONE, OPENED, RETURNED
from ._errors import S3Exception, failed
from ._mechanics import ObjectStream
from ._op import Op

if TYPE_CHECKING:
    from ._engine import Event, NativeClient

IN_FLIGHT_BYTES = 64 << 20  # as much as a download's window
IN_FLIGHT_PARTS = 2  # one on the wire while the next is written, however large parts are

# S3 takes 10,000 parts of at most 5 GiB. How long the object gets is not known, so part sizes grow: each 1,000 parts they double.
# From 8 MiB that makes 8 MiB * 1000 * (1 + 2 + ... + 512) = 7.8 TiB, where equal parts end at 78 GiB.
PARTS_A_SIZE = 1000
MOST_PART_BYTES = 5 << 30

_POISONED = "Client error: Internal S3 client error: A previous write operation did not complete successfully"


def part_bytes(number: int, part_size: int) -> int:
    """Say how large part `number` is, counted from 1."""
    return min(part_size << ((number - 1) // PARTS_A_SIZE), MOST_PART_BYTES)


@final
class PutObjectStream(ObjectStream):
    """Writes one object. It exists once close() has returned, and never if the stream is dropped before."""

    __slots__ = ("_closed", "_last", "_op", "_part_size", "_poisoned", "_tail")
    _op: Op
    _part_size: int
    _tail: bytearray  # written and not lent yet: less than a part
    _poisoned: bool  # some of a write is gone, and its caller knows
    _closed: bool  # close() has returned or failed
    _last: int | None  # loans made when close() was first called

    @classmethod
    def _open(cls, client: NativeClient, bucket: str, key: str, storage_class: str | None, part_size: int) -> PutObjectStream:
        self = object.__new__(cls)
        self._bucket, self._key, self._part_size = bucket, key, part_size
        self._borrower = {}
        self._tail, self._poisoned, self._closed, self._last = bytearray(), False, False, None
        op = self._op = Op(client, {"op": "put", "bucket": bucket, "key": key, "storage_class": storage_class})
        event = op.wait()
        op.expect(OPENED, event)
        op.loans.acked = event.seq
        return self

    def _insist(self) -> None:
        self._op.loans.insist()

    def write(self, data: bytes) -> None:
        """Take more of the object; waits while too much is under way."""
        if not isinstance(data, bytes):
            raise TypeError(f"argument 'data': '{type(data).__name__}' object cannot be cast as 'bytes'")
        me, before = object(), None
        try:
            self._borrow(me)
            if self._closed or self._last is not None:
                raise failed("Cannot write to closed object", "invalid")
            if self._poisoned:
                raise failed(_POISONED, "invalid")
            before = self._taken()
            self._cut(data)
            self._borrower = {}
        except BaseException as error:
            if self._borrower == {0: me}:
                self._borrower = {}
            # Interrupted: a caller who tries again must not store the beginning of data twice, and one who does not must not
            # store half of it. If nothing was taken, it is as if write() had not been called.
            if before is not None and (isinstance(error, S3Exception) or before != self._taken()):
                self._poisoned = True
                self._tail = bytearray()
                self._op.close()  # and thereby abort, before somebody collects us
            raise

    def close(self) -> None:
        """Store what is left and make the object appear. Interrupted, it can be called again to go on."""
        me, entered = object(), False
        try:
            self._borrow(me)
            if self._closed:
                raise failed("Cannot close object more than once", "invalid")
            if self._poisoned:
                raise failed(_POISONED, "invalid")
            entered = True
            self._complete()
            self._closed = True
            self._op.close()
            self._borrower = {}
        except BaseException as error:
            if self._borrower == {0: me}:
                self._borrower = {}
            if entered and isinstance(error, S3Exception):
                self._closed = True
                self._op.close()  # and thereby abort
            raise

    def _taken(self) -> tuple[int, int]:
        return self._op.loans.made, len(self._tail)

    def _cut(self, data: bytes) -> None:
        view, at = memoryview(data), 0
        while at < len(data):
            size = part_bytes(self._op.loans.made + 1, self._part_size)
            if not self._tail and len(data) - at >= size:
                self._lend(data, at, size)  # bytes never change, so they can be lent as they are
                at += size
                continue
            piece = view[at : at + size - len(self._tail)]
            self._tail += piece
            at += len(piece)
            if len(self._tail) == size:
                self._lend(self._tail, 0, size)
                self._tail = bytearray()  # the old one belongs to the engine now

    def _lend(self, buffer: bytes | bytearray, start: int, length: int) -> None:
        loans = self._op.loans
        room = max(IN_FLIGHT_BYTES, IN_FLIGHT_PARTS * length) - length
        while True:
            event = self._op.wait() if loans.outstanding > room else self._op.poll()
            if event is None:
                break
            self._take_back(event)
        if not loans.lend(buffer, start, length):
            raise loans.no_more()

    def _take_back(self, event: Event) -> None:
        self._op.expect(RETURNED, event)
        self._op.loans.settle(event)

    def _complete(self) -> None:
        # Each step is one that a second call, after an interrupt, sees as done: the last loan, finish, the wait for DONE.
        op, loans = self._op, self._op.loans
        if self._last is None:
            self._last = loans.made
        if self._tail and loans.made == self._last:
            self._lend(self._tail, 0, len(self._tail))
        loans.finish()
        while True:
            event = op.wait()
            if event.kind == DONE:
                return
            self._take_back(event)
