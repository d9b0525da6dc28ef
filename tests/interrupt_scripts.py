"""Programs for test_interrupt.py; scripts.py says how they are run."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Callable

from helpers import MIB, engine_stats, eventually, nothing_held, pattern, sha256
from programs import PART, client_of, say

from s3torchconnectorclient import _engine
from s3torchconnectorclient._mountpoint_s3_client import S3Exception

if TYPE_CHECKING:
    from s3torchconnectorclient._mountpoint_s3_client import GetObjectStream, MountpointS3Client


# One interrupt, while the store is silent.


def acts(client: MountpointS3Client, bucket: str) -> dict[str, Callable[[], object]]:
    """What is interrupted, by name. Objects "there" (12 MiB) and "small" exist."""

    def get_open() -> object:
        return client.get_object(bucket, "there")

    def get_body() -> object:
        return list(client.get_object(bucket, "there"))

    def put_open() -> object:
        return client.put_object(bucket, "new")

    def put_write() -> object:
        stream, piece = client.put_object(bucket, "new"), pattern(PART)
        while True:  # until back-pressure holds it up: nothing is being stored
            stream.write(piece)

    def put_close() -> object:
        stream = client.put_object(bucket, "new")
        stream.write(pattern(PART + 1))
        return stream.close()

    return {
        "get_open": get_open,
        "get_body": get_body,
        "put_open": put_open,
        "put_write": put_write,
        "put_close": put_close,
        "list": lambda: next(iter(client.list_objects(bucket))),
        "head": lambda: client.head_object(bucket, "there"),
        "delete": lambda: client.delete_object(bucket, "there"),
        "copy": lambda: client.copy_object(bucket, "small", bucket, "copied"),
    }


def stalled(endpoint: str, bucket: str, act: str, worker_bytes: list[int]) -> None:
    """Wait in `act` for an interrupt; say when it was raised, when all was let go, and whether the client goes on working.

    Meanwhile threads read objects "worker-0", …, of which the middle does not come yet.
    """
    client = client_of(endpoint)
    workers = [Worker(client, bucket, f"worker-{i}") for i in range(len(worker_bytes))]
    lent = sum(worker_bytes)
    eventually(lambda: engine_stats()["lent_bytes"] == lent, lambda: f"the workers have lent {lent}: {engine_stats()}")
    tell_when_waiting()
    try:
        acts(client, bucket)[act]()
    except KeyboardInterrupt:
        say(caught=time.monotonic())
    else:
        say(caught=None)
        return

    def only_workers() -> bool:
        held = engine_stats()
        return bool(held["ops"] == len(workers) and held["lent_bytes"] == lent)

    eventually(only_workers, engine_stats)
    say(drained=time.monotonic(), workers_idle=all(worker.receiving for worker in workers))
    sys.stdin.readline()  # the stall is lifted
    say(workers=[worker.result() for worker in workers], small=sha256(b"".join(client.get_object(bucket, "small"))))


def resumed(endpoint: str, bucket: str) -> None:
    """Be interrupted in next(), then go on reading the same stream."""
    stream = client_of(endpoint).get_object(bucket, "there")
    tell_when_waiting()
    received: list[bytes] = []
    interrupts = 0
    while True:
        try:
            received.append(next(stream))
        except KeyboardInterrupt:  # noqa: PERF203 - the very point
            interrupts += 1
            say(tell=stream.tell(), received=sum(map(len, received)))
            sys.stdin.readline()
        except StopIteration:
            break
    del stream
    eventually(nothing_held)
    say(interrupts=interrupts, sha256=sha256(b"".join(received)))


def closed_again(endpoint: str, bucket: str) -> None:
    """Be interrupted in close(), then call it again: either it completes or it says that it does not."""
    stream = client_of(endpoint).put_object(bucket, "new")
    stream.write(pattern(PART + 1))
    tell_when_waiting()
    try:
        stream.close()
    except KeyboardInterrupt:
        say(interrupted=True)
    sys.stdin.readline()
    try:
        stream.close()
        outcome = "closed"
    except S3Exception as error:
        outcome = str(error)
    del stream
    eventually(nothing_held)
    say(outcome=outcome)


class Worker:
    """A thread that reads an object whose last bytes do not come yet."""

    def __init__(self, client: MountpointS3Client, bucket: str, key: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self._result = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def receiving(self) -> bool:
        frame = sys._current_frames().get(self._thread.ident or 0)
        return frame is not None and frame.f_code is _engine.Engine.wait.__code__

    def result(self) -> str:
        self._thread.join(30)
        return self._result

    def _read(self) -> None:
        try:
            self._result = sha256(b"".join(self._client.get_object(self._bucket, self._key)))
        except BaseException as error:  # noqa: BLE001 - the verdict tells it
            self._result = repr(error)


def tell_when_waiting() -> None:
    """Print a line once the main thread is in the engine's wait and has been for a few looks."""
    main, seen = threading.main_thread().ident, [0]

    def waits() -> bool:
        inside = sys._current_frames()[main or 0].f_code is _engine.Engine.wait.__code__
        seen[0] = seen[0] + 1 if inside else 0
        return seen[0] > 20

    def tell() -> None:
        eventually(waits, "the main thread waits")
        say(waiting=True)

    threading.Thread(target=tell, daemon=True).start()


# Many interrupts, at any moment.


class Hammer:
    """Runs acts under interrupts at random moments and checks whatever comes back."""

    def __init__(self, endpoint: str, bucket: str, seed: int) -> None:
        self.client, self.bucket, self.random = client_of(endpoint), bucket, random.Random(seed)
        self.size = 2 * PART + 12345
        self.data = pattern(self.size)
        self.interrupts = 0
        self.uninterrupted = 0
        self.refused: dict[str, int] = {}  # texts of S3Exceptions after an interrupt
        self.durations: dict[str, float] = {}
        self.kept: list[tuple[int, bytes]] = []  # chunks handed out, looked at again much later

    def interrupted(self, name: str, act: Callable[[], object]) -> bool:
        """Run act and interrupt it at a random moment; was it? The first time it is left alone, to see how long it takes."""
        began = time.monotonic()
        try:
            if name in self.durations:
                signal.setitimer(signal.ITIMER_REAL, self.random.uniform(0.00005, self.durations[name] * 1.5))
            act()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            self.interrupts += 1
            return True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.durations.setdefault(name, time.monotonic() - began)
        self.uninterrupted += 1
        return False

    def read(self) -> None:
        """Read; after an interrupt go on where the stream says it is."""
        stream: GetObjectStream | None = None
        at = 0
        done = False

        def act() -> None:
            nonlocal stream, at, done
            if stream is None:
                stream = self.client.get_object(self.bucket, "data")
            at = stream.tell()  # a chunk may be lost between next() and us, and only the stream knows
            for chunk in stream:
                self.check(at, chunk)
                at += len(chunk)
            done = True

        while not done:
            if self.interrupted("read", act) and self.random.random() < 0.2:
                return  # and drop it
        assert at == self.size, at

    def check(self, at: int, chunk: bytes) -> None:
        assert chunk == self.data[at : at + len(chunk)], f"wrong bytes at {at}"
        self.kept = [*self.kept[-8:], (at, chunk)]

    def write(self) -> None:
        """Write; after an interrupt in close try again, after one in write drop it."""
        stream = None
        closing = False
        version = self.random.randrange(1000)
        content = version.to_bytes(4, "big") * (PART // 4 + 1000)

        def act() -> None:
            nonlocal stream, closing
            if stream is None:
                stream = self.client.put_object(self.bucket, "written")
            if not closing:
                for i in range(0, len(content), MIB):
                    stream.write(content[i : i + MIB])
                closing = True
            stream.close()

        for _ in range(3):
            try:
                if not self.interrupted("write", act):
                    stored = b"".join(self.client.get_object(self.bucket, "written"))
                    assert stored == content, f"{len(stored)} bytes, of version {stored[:4].hex()} and not {version:x}"
                    return
            except S3Exception as error:
                self.refused[str(error)] = self.refused.get(str(error), 0) + 1
                return
            if not closing:
                return

    def simple(self) -> None:
        """The ops without a body."""

        def act() -> None:
            assert self.client.head_object(self.bucket, "data").size == self.size
            keys = [info.key for page in self.client.list_objects(self.bucket, "da") for info in page.object_info]
            assert keys == ["data"], keys
            self.client.copy_object(self.bucket, "data", self.bucket, "copied")
            self.client.delete_object(self.bucket, "copied")

        self.interrupted("simple", act)


def hammer(endpoint: str, bucket: str, interrupts: int, seed: int) -> None:
    """Interrupt transfers that often at random moments."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    swallowed: list[str] = []
    # In a finalizer Python itself swallows the interrupt and says so here. That loses the user's Ctrl-C, but no byte.
    sys.unraisablehook = lambda event: swallowed.append(f"{event.exc_value!r} in {event.object!r}")
    running = Hammer(endpoint, bucket, seed)
    began, rounds = time.monotonic(), 0
    while running.interrupts < interrupts:
        running.random.choice([running.read, running.read, running.write, running.simple])()
        rounds += 1
    for at, chunk in running.kept:
        running.check(at, chunk)
    eventually(nothing_held, engine_stats)
    say(
        interrupts=running.interrupts,
        uninterrupted=running.uninterrupted,
        durations={name: round(seconds, 4) for name, seconds in running.durations.items()},
        rounds=rounds,
        refused=running.refused,
        swallowed=swallowed,
        seconds=round(time.monotonic() - began, 2),
        pins=len(_engine.current().loans),
    )
