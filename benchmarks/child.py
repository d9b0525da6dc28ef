"""One measurement: one client in a process of its own, started by harness/measure.py in the client's environment.

Owns: what each verb does between the two clock readings, and its untimed check. Refuses to know: rounds, other clients.

    python child.py SPEC    SPEC is JSON; says "ready", waits for a line on stdin, then prints one JSON object

Everything is loaded, the client made and one request answered before "ready", except for verbs that measure just that.
"""

from __future__ import annotations

import gc
import hashlib
import importlib.metadata
import json
import os
import resource
import statistics
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from clients import Client

    Spec = dict[str, Any]

ABORT_S = 10.0  # how long an abandoned upload may stay before it counts as left behind
REPEATS = 20  # of first_byte and construct
WARM_SIZE = 100 << 10


class Clock:
    """Wall and CPU time of this process, all its threads included, while the block runs; with `children`, theirs too.

    Only the first Clock of a process says "ready" and waits to be told to go.
    """

    waiting = True

    def __init__(self, *, children: bool = False) -> None:
        self.children = children

    def __enter__(self) -> Clock:
        if Clock.waiting:
            Clock.waiting = False
            print("ready", flush=True)
            sys.stdin.readline()
        self.rss_before = memory("VmRSS")
        self.busy = machine_busy()
        self.usage = resource.getrusage(resource.RUSAGE_SELF)
        self.began = time.monotonic()
        return self

    def __exit__(self, *error: object) -> None:
        ended, usage = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        below = resource.getrusage(resource.RUSAGE_CHILDREN)  # of those that have ended
        self.result: dict[str, Any] = {
            "began": self.began,  # the same clock in every process of the machine, as is the next
            "ended": ended,
            "busy_began": self.busy,
            "busy_ended": machine_busy(),
            "user": usage.ru_utime - self.usage.ru_utime + (below.ru_utime if self.children else 0.0),
            "system": usage.ru_stime - self.usage.ru_stime + (below.ru_stime if self.children else 0.0),
            "rss_before": self.rss_before,
            "rss_peak": below.ru_maxrss * 1024 if self.children else memory("VmHWM"),  # of the largest child, if theirs counts
            "threads": len(list(Path("/proc/self/task").iterdir())),
        }


def machine_busy() -> float:
    """CPU seconds that anything on this machine has spent since boot; time stolen by the host included."""
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = Path("/proc/stat").read_text(encoding="ascii").split()[1:11]
    return sum(map(int, (user, nice, system, irq, softirq, steal))) / os.sysconf("SC_CLK_TCK")


def memory(field: str) -> int:
    """VmRSS is now, VmHWM the most it ever was; bytes."""
    with Path("/proc/self/status").open(encoding="ascii") as status:
        for line in status:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


class Counter:
    """Counts bytes, and where asked to, takes their time and their hash."""

    def __init__(self, spec: Spec) -> None:
        self.count = 0
        self.pause = spec.get("pause", 0.0) / clients.PART  # seconds a byte
        self.digest = hashlib.sha256() if spec["check"] else None

    def __call__(self, piece: bytes | memoryview) -> None:
        """Take a piece."""
        self.count += len(piece)
        if self.digest is not None:
            self.digest.update(piece)
        if self.pause:
            time.sleep(len(piece) * self.pause)


def keys(spec: Spec) -> list[str]:
    """The keys of this process's share."""
    return [f"{spec['size']}/{i:09}" for i in range(spec["first"], spec["first"] + spec["count"])]


def expect(spec: Spec, counter: Counter) -> None:
    """Length always; content in the check pass, against the file that the server's objects are windows of."""
    wanted = spec["size"] * spec["count"]
    if counter.count != wanted:
        raise SystemExit(f"{counter.count} bytes came instead of {wanted}")
    if counter.digest is not None and counter.digest.hexdigest() != truth(spec):
        raise SystemExit("the bytes are not the object's")


def truth(spec: Spec) -> str:
    """The hash that the objects' bytes have."""
    digest, size = hashlib.sha256(), spec["size"]
    whole = Path(spec["check"]).stat().st_size
    with Path(spec["check"]).open("rb") as data:
        for index in range(spec["first"], spec["first"] + spec["count"]):
            data.seek(index * size % (whole - size + 1))
            left = size
            while left:
                piece = data.read(min(left, 1 << 20))
                left -= len(piece)
                digest.update(piece)
    return digest.hexdigest()


def warm(client: Client) -> None:
    """One small GET, so that connections, credentials and lazy imports are behind us."""
    client.get_small(f"{WARM_SIZE}/000000000")


def get_iter(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """Objects one after the other, each handed over piece by piece."""
    client, counter, names = make(), Counter(spec), keys(spec)
    warm(client)
    with Clock() as clock:
        for name in names:
            client.get_iter(name, counter)
    expect(spec, counter)
    return clock.result


def get_into(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """The same into one buffer of 8 MiB."""
    client, counter, names, buffer = make(), Counter(spec), keys(spec), memoryview(bytearray(clients.PART))
    warm(client)
    with Clock() as clock:
        for name in names:
            client.get_into(name, buffer, counter)
    expect(spec, counter)
    return clock.result


def get_small(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """Small objects, one after the other."""
    client, counter, names = make(), Counter(spec), keys(spec)
    warm(client)
    with Clock() as clock:
        for name in names:
            counter(client.get_small(name))
    expect(spec, counter)
    return clock.result


def get_small_many(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """Small objects, sixteen at a time."""
    client, counter, names = make(), Counter(spec), keys(spec)
    client.get_small_many([f"{WARM_SIZE}/000000000"] * 2 * clients.THREADS, lambda _: None)
    with Clock() as clock:
        client.get_small_many(names, counter)
    expect(spec, counter)
    return clock.result


def head(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """Sizes, one after the other."""
    client, names = make(), keys(spec)
    client.head(names[0])
    with Clock() as clock:
        total = sum(client.head(name) for name in names)
    if total != spec["size"] * spec["count"]:
        raise SystemExit("wrong sizes")
    return clock.result


def list_(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """Every key and size under one prefix."""
    client, prefix = make(), f"{spec['size']}/"
    with suppress(clients.AbsentError):
        client.head(f"{spec['size']}/000000000")
    found = 0
    seen: list[tuple[str, int]] = []
    with Clock() as clock:
        for key, size in client.list(prefix):
            found += 1
            if spec["check"]:
                seen.append((key, size))
    if found != spec["count"]:
        raise SystemExit(f"{found} keys instead of {spec['count']}")
    if spec["check"] and [(key.rpartition("/")[2], size) for key, size in seen] != [
        (f"{i:09}", spec["size"]) for i in range(found)
    ]:
        raise SystemExit("wrong keys")
    return clock.result


def pieces(spec: Spec) -> Iterator[bytes]:
    """Fresh memory for each, as a program that has just made its data would bring it; the copy is part of every figure."""
    source = bytearray(os.urandom(spec["piece"]))
    for i in range(spec["size"] // spec["piece"]):
        source[:8] = i.to_bytes(8, "little")
        yield bytes(source)


def put(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """One large object, written piece by piece. The check is on a store that keeps it, but knows no object to warm up with."""
    client = make()
    if not spec["check"]:
        warm(client)
    digest = hashlib.sha256()

    def watched() -> Iterable[bytes]:
        for piece in pieces(spec):
            digest.update(piece)
            yield piece

    with Clock() as clock:
        client.put(f"{spec['size']}/000000000", watched() if spec["check"] else pieces(spec))
    if spec["check"]:
        counter = Counter(spec)
        client.get_iter(f"{spec['size']}/000000000", counter)
        if counter.digest is None or counter.digest.hexdigest() != digest.hexdigest():
            raise SystemExit("what was put is not what comes back")
    return clock.result


def drop_put(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """Half of a large object, then nobody holds the stream any more. What is left is the server's to tell."""
    client = make()
    warm(client)
    with Clock() as clock:
        client.drop_put(f"{spec['size']}/000000000", pieces({**spec, "size": spec["size"] // 2}))
        dropped = time.perf_counter()
        gc.collect()
    while open_uploads(spec) and time.perf_counter() - dropped < ABORT_S:
        time.sleep(0.01)
    return {**clock.result, "open": open_uploads(spec), "ms": (time.perf_counter() - dropped) * 1000}


def open_uploads(spec: Spec) -> int:
    """As the server sees it, while this process is still there: at its end anybody could clean up."""
    with urllib.request.urlopen(f"{spec['endpoint']['url']}/-/stats") as answer:  # noqa: S310 - our own server
        return int(json.load(answer)["open_uploads"])


class _Enough(Exception):  # noqa: N818 - no error
    """The first piece has come."""


def first_byte(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """From the call to the first piece of a large object, again and again on a warm client."""
    client = make()
    warm(client)
    waits: list[float] = []
    sizes: list[int] = []

    def stop(piece: bytes | memoryview) -> None:
        waits.append(time.perf_counter() - began)
        sizes.append(len(piece))
        raise _Enough

    with Clock() as clock:
        for name in keys(spec):
            began = time.perf_counter()
            with suppress(_Enough):
                client.get_iter(name, stop)
    return {**clock.result, "ms": statistics.median(waits) * 1000, "piece": sizes[0]}


def construct(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """Import and first client in a fresh process, then more of them."""
    del spec
    times, made = [], []
    with Clock() as clock:
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            made.append(make())
            times.append(time.perf_counter() - began)
    return {**clock.result, "first_ms": times[0] * 1000, "ms": statistics.median(times[1:]) * 1000}


def idle(make: Callable[[], Client], spec: Spec) -> dict[str, Any]:
    """Memory and threads of a process that has made a client, asked it for one small object, and waits; CPU it spends waiting."""
    client = make()
    client.get_small(f"{spec['size']}/000000000")
    gc.collect()
    with Clock() as clock:
        time.sleep(spec["seconds"])
    return {**clock.result, "rss": memory("VmRSS")}


VERBS = {
    "get_iter": get_iter,
    "get_into": get_into,
    "get_small": get_small,
    "get_small_many": get_small_many,
    "head": head,
    "list": list_,
    "put": put,
    "drop_put": drop_put,
    "first_byte": first_byte,
    "construct": construct,
    "idle": idle,
}


def main() -> None:
    """Measure, print, end in the ordinary way: clients that keep threads must be able to."""
    spec = json.loads(sys.argv[1])
    cls = clients.load(spec["client"])
    if spec["verb"] == "version":
        print(json.dumps({"version": version(cls), "docs": cls.DOCS, "settings": cls.SETTINGS}))
        return
    endpoint = clients.Endpoint(**spec["endpoint"])
    result = VERBS[spec["verb"]](lambda: cls(endpoint), spec)
    print(json.dumps(result), flush=True)


def version(cls: type[Client]) -> str:
    """The client's; ours says it itself, because it is not installed but on PYTHONPATH."""
    if "S3BENCH_OURS" in os.environ:
        import s3torchconnectorclient

        return str(s3torchconnectorclient.__version__)
    if cls.DISTRIBUTION == "limit":
        return f"Python {sys.version.split()[0]}"
    return importlib.metadata.version(cls.DISTRIBUTION)


if __name__ == "__main__":
    main()
