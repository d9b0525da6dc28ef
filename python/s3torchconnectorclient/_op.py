"""One op of the engine as the streams and the client use it.

Owns: start, the next event, lend, finish, reply, close; closing what was dropped. Refuses to know: S3, and what any op is for.

    get:   start  wait->OPENED   lend lend ...   wait->FILLED ...     close
    put:   start  wait->OPENED   lend lend ...   wait->RETURNED ...   finish  wait->DONE  reply   close
    other: start                                                      wait->DONE  reply   close
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, cast

from ._buffers import Loans, sweep
from ._engine import DONE, DRAINED
from ._errors import failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._engine import Event, NativeClient

# ensure_ascii would let a lone surrogate pass as \udXXX, which Go turns into U+FFFD: another key. This way it cannot be encoded.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode


def as_json(value: Mapping[str, object]) -> bytes:
    """Encode a request or a configuration (docs/design/0004-json.md)."""
    return _encode(value).encode()


class Op:
    """An op under way. Dropping it closes it, wherever an interrupt made that happen."""

    __slots__ = ("__weakref__", "_client", "_loans")

    def __init__(self, client: NativeClient, request: Mapping[str, object]) -> None:
        engine = client.engine
        if engine.orphans:
            sweep(engine)
        self._client = client  # streams keep their client open
        self._loans = Loans(engine, self)
        self._loans.start(client.handle, as_json(request))

    def __del__(self) -> None:
        # Nobody is left to tell, and the loans stay pinned until the engine lets go of them.
        with contextlib.suppress(Exception):
            self._loans.close()

    @property
    def loans(self) -> Loans:
        """What the engine has of ours."""
        return self._loans

    def wait(self) -> Event:
        """Wait for the oldest event that is not settled; raise the op's error once there is none."""
        loans = self._loans
        loans.engine.wait(loans.handle[0], loans.acked, loans.event, loans.failure)
        return loans.event

    def poll(self, limit_s: float = 0.0) -> Event | None:
        """Do the same without waiting, or for limit_s at most."""
        loans = self._loans
        return loans.event if loans.engine.wait(loans.handle[0], loans.acked, loans.event, loans.failure, limit_s) else None

    def expect(self, kind: int, event: Event) -> None:
        """Insist on the kind of an event."""
        if event.kind == DRAINED:  # not by us: the process is ending, while this thread still waits
            raise self._loans.engine.gone()
        if event.kind != kind:
            raise failed(f"Client error: Internal S3 client error: event {event.kind} where {kind} was due", "internal")

    def reply(self, event: Event) -> dict[str, Any]:
        """Decode the reply that came with an event."""
        return cast("dict[str, Any]", json.loads(self._loans.reply(event.length)))

    def close(self) -> None:
        """Cancel what is under way. Never waits."""
        self._loans.close()


def call(client: NativeClient, request: Mapping[str, object], limit_s: float | None = None) -> dict[str, Any]:
    """Run an op that has no loans, to its end."""
    op = Op(client, request)
    event = op.wait() if limit_s is None else op.poll(limit_s)
    if event is None:
        raise failed(f"Client error: Request canceled: no answer within {limit_s} s", "canceled")
    op.expect(DONE, event)
    reply = op.reply(event)
    op.close()
    return reply
