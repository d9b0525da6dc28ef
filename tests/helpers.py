"""What tests of every kind lean on: waiting for a condition, and asking the engine what it still holds.

Owns: deadlines instead of sleeps; the questions to the engine. Refuses to know: pytest, S3.
"""

from __future__ import annotations

import gc
import hashlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

DEADLINE_SECONDS = 30.0  # nothing waited for takes a second; a machine with all its cores busy takes longer
POLL_SECONDS = 0.005

KIB = 1024
MIB = 1024 * KIB


def eventually(condition: Callable[[], T], what: str | Callable[[], object] = "", seconds: float = DEADLINE_SECONDS) -> T:
    """Ask until the answer is true, and give it; fail when the time is up, saying `what` was waited for."""
    pause = threading.Event()  # never set: a wait that ends by itself
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {seconds:g} s: {what() if callable(what) else what}; the last answer was {answer!r}"
            )
        pause.wait(POLL_SECONDS)


def pattern(size: int, seed: int = 0) -> bytes:
    """Make `size` bytes that differ from each other at every offset a part could be mistaken by, and for every seed."""
    unit = b"".join(hashlib.sha256(f"{seed}/{i}".encode()).digest() for i in range(1 + min(size, MIB) // 32))[:-5]
    return (unit * (1 + size // len(unit)))[:size]


def sha256(data: bytes | bytearray | memoryview) -> str:
    """Name bytes shortly."""
    return hashlib.sha256(data).hexdigest()


def engine_stats() -> dict[str, Any]:
    """Tell what this process's engine holds, closed ops that have drained left out; all zero where none has been loaded."""
    module = sys.modules.get("s3torchconnectorclient._engine")
    engine = module.loaded() if module is not None else None
    if engine is None:
        return {"clients": 0, "ops": 0, "lent_bytes": 0}
    from s3torchconnectorclient._buffers import sweep  # noqa: PLC0415 - loaded by now

    sweep(engine)  # later ops do this for those before them, and a test may be the last
    held: dict[str, Any] = engine.stats()
    return held


def nothing_held(ops: int = 0) -> bool:
    """Tell whether the engine has let go of every buffer and of all but `ops` ops, finalizers having run."""
    gc.collect()
    stats = engine_stats()
    return bool(stats["ops"] <= ops and stats["lent_bytes"] == 0)
