"""Downloads: how many buffers to lend, and handing them out in order.

Owns: the window, the order, what an interrupt leaves behind. Refuses to know: requests, retries, where the bytes come from.

    client.get_object(b, k, start, end)     _client.py     argument checks
     └ GetObjectStream                      here
        └ start ▶                           _op.py         JSON out
 ══════════════════════════════════════════ go/abi/s3engine.h ══
           └ first ranged request opens     go/engine/get.go
        ◀ wait: OPENED, first byte and length              a missing key is raised here
        └ lend ▶ fresh bytes                _buffers.py    pinned, named by a token
              └ ranged GETs into it         go/engine/fetch.go
        ◀ wait: FILLED token                               in the order lent, whatever order the wire chose
     ◀ bytes                                               the very object that was lent: no copy

Back-pressure is the loan itself: a part is requested when, and only when, a buffer for it has been lent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

from ._buffers import uninitialised
from ._engine import FILLED, OPENED
from ._errors import S3Exception, again, failed
from ._mechanics import ObjectStream
from ._op import Op

if TYPE_CHECKING:
    from ._engine import NativeClient

# The window: how far requests run ahead of the reader. 64 MiB keep eight parts of the default size on the wire, enough for
# 10 Gbit/s at 50 ms; more would leave the CPU's caches colder and 32 DataLoader workers with gigabytes (design.md §2, "memory").
WINDOW_BYTES = 64 << 20
WINDOW_PARTS = 8

BEYOND = 1 << 62  # past the end of any object; the engine's arithmetic is int64's


class _Ready(NamedTuple):
    """A part that has come and was not handed out yet."""

    token: int
    seq: int
    chunk: bytes


@final
class GetObjectStream(ObjectStream):
    """Iterates over an object's bytes in parts of the client's part_size, counted from `start`; the last may be shorter.

    After an error, each further next() raises it again. After a KeyboardInterrupt the stream goes on where it was.
    """

    # Parts are numbered from 1 by their tokens; part n begins (n - 1) * part_size after the first byte. What was lent, handed
    # out or is still to come follows from three numbers, each written in one step, so that an interrupt between any two lines
    # finds them in agreement: loans.made (the engine's answers), _ready, _out (the last token handed out).
    __slots__ = ("_failure", "_first", "_length", "_op", "_out", "_part_size", "_ready")
    _op: Op
    _part_size: int
    _first: int
    _length: int
    _out: int
    _ready: _Ready | None
    _failure: S3Exception | None

    @classmethod
    def _open(  # noqa: PLR0917 - one caller
        cls, client: NativeClient, bucket: str, key: str, start: int | None, end: int | None, part_size: int
    ) -> GetObjectStream:
        self = object.__new__(cls)
        self._bucket, self._key, self._part_size = bucket, key, part_size
        self._borrower = {}
        self._out, self._ready, self._failure = 0, None, None
        if start is not None:
            start = min(start, BEYOND)
        if end is not None:
            end = min(end, BEYOND + 1)
        op = self._op = Op(client, {"op": "get", "bucket": bucket, "key": key, "start": start, "end": end})
        event = op.wait()
        op.expect(OPENED, event)
        self._first, self._length = event.offset, event.length
        op.loans.acked = event.seq
        if self._length == 0:
            op.close()
        else:
            self._lend_ahead(1)  # the first request's body is coming already; more when somebody reads
        return self

    def _insist(self) -> None:
        self._op.loans.insist()

    def tell(self) -> int:
        """Return the position in the object of the next byte to come."""
        self._look()
        return self._first + min(self._out * self._part_size, self._length)

    def __iter__(self) -> GetObjectStream:
        self._look()
        return self

    def __next__(self) -> bytes:
        me, ready = object(), None
        try:
            self._borrow(me)
            if self._failure is not None:
                raise again(self._failure)
            ready = self._ready
            if ready is None:
                if self._out * self._part_size >= self._length:
                    self._borrower = {}
                    raise StopIteration
                ready = self._ready = self._receive()
            loans = self._op.loans
            # Only now that _ready holds it: an interrupt before this line makes the engine report the part once more.
            loans.acked = max(loans.acked, ready.seq)
            loans.pins.pop(ready.token, None)
            if ready.token * self._part_size >= self._length:
                self._op.close()
            else:
                self._lend_ahead(self._window())
            self._borrower = {}
            # Handed out from here on. There is no call between this and the return, so no interrupt either; Python 3.9 looks
            # for signals more often, and then the except clause takes it back.
            self._out, self._ready = ready.token, None
            return ready.chunk  # noqa: TRY300 - the except clause is about this very line
        except BaseException:
            if self._borrower == {0: me}:
                self._borrower = {}
            if ready is not None:
                self._out, self._ready = ready.token - 1, ready
            raise

    def _window(self) -> int:
        return max(1, min(WINDOW_PARTS, WINDOW_BYTES // self._part_size))

    def _lend_ahead(self, parts: int) -> None:
        """Lend until so many parts are under way. A refusal is not raised here: parts that came before it are still good."""
        loans = self._op.loans
        came = self._out if self._ready is None else self._ready.token
        while loans.made - came < parts:
            left = self._length - loans.made * self._part_size
            if left <= 0:
                return
            length = min(self._part_size, left)
            if not loans.lend(uninitialised(length), 0, length):
                return

    def _receive(self) -> _Ready:
        """Wait for the next part."""
        op, loans = self._op, self._op.loans
        token = self._out + 1
        try:
            self._lend_ahead(self._window())
            while True:
                if loans.made < token and loans.refused:
                    op.poll()  # mostly because the op has failed, and this raises why
                    raise loans.no_more()
                event = op.wait()
                op.expect(FILLED, event)
                if event.token >= token:
                    break
                loans.settle(event)  # handed out already: an interrupt came before it was acknowledged
            pin, offset = loans.pins.get(event.token), self._first + (token - 1) * self._part_size
            if event.token != token or pin is None or event.offset != offset or event.length != pin.length:
                raise failed("Data from S3 was returned out of order!", "integrity")
        except S3Exception as error:
            self._failure = error
            op.close()
            raise
        chunk = pin.buffer
        assert isinstance(chunk, bytes)  # noqa: S101 - for the type checker; _lend_ahead lends nothing else
        return _Ready(token, event.seq, chunk)
