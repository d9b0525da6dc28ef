"""Programs for test_teardown.py; scripts.py says how they are run."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from helpers import MIB, engine_stats, eventually, nothing_held, pattern
from programs import PART, client_of, descriptors, read, say

from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client, join_all_managed_threads

held: list[Any] = []  # until the interpreter ends


def leaving(endpoint: str, bucket: str, way: str) -> None:
    """End the interpreter with a download and an upload under way."""
    client = client_of(endpoint)
    reading, writing = client.get_object(bucket, "data"), client.put_object(bucket, "kept")
    next(reading)
    writing.write(pattern(2 * PART + 5))
    held.extend([client, reading, writing])
    say(began=time.monotonic())
    if way == "exit":
        sys.exit(3)
    if way == "raise":
        raise RuntimeError("nobody catches this")
    if way == "interrupt":
        signal.raise_signal(signal.SIGINT)
    if way == "_exit":
        os._exit(5)
    if way == "cycle":
        held.append(held)
    if way == "daemon threads":
        # In the middle of waiting, of reading and of writing when the interpreter goes.
        for work in (lambda: list(reading), lambda: again(lambda: read(client, bucket)), lambda: write_on(writing)):
            threading.Thread(target=work, daemon=True).start()
        eventually(lambda: engine_stats()["lent_bytes"] > 0)
    if way == "threads":
        threading.Thread(target=finish, args=(reading, writing)).start()


def again(act: Any) -> None:
    while True:
        act()


def write_on(stream: Any) -> None:
    again(lambda: stream.write(pattern(MIB)))


def finish(reading: Any, writing: Any) -> None:
    """Not a daemon: the interpreter waits for it, so it may take its time and completes."""
    eventually(lambda: not threading.main_thread().is_alive(), "the main thread has ended")
    say(left=sum(map(len, reading)))
    writing.close()


def leave_open(endpoint: str, bucket: str) -> None:
    """What a multiprocessing child does: it leaves an upload behind in a global."""
    stream = client_of(endpoint).put_object(bucket, f"of-{os.getpid()}")
    stream.write(pattern(PART + 1))
    held.append(stream)


def worker_ends(endpoint: str, bucket: str, method: str) -> None:
    """End multiprocessing children that have an upload under way."""
    if method == "fork":
        client_of(endpoint).head_object(bucket, "data")
    children = [multiprocessing.get_context(method).Process(target=leave_open, args=(endpoint, bucket)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    say(statuses=[child.exitcode for child in children])


def many_clients(endpoint: str, bucket: str, count: int) -> None:
    """Make, use and drop clients; threads, files and memory after a few and after all."""

    def one() -> None:
        client = client_of(endpoint)
        next(client.get_object(bucket, "data", 0, 10))
        client.put_object(bucket, "dropped")

    def footprint() -> dict[str, int]:
        eventually(nothing_held, engine_stats)
        eventually(lambda: engine_stats()["clients"] == 0, engine_stats)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return {
            "threads": len(list(Path("/proc/self/task").iterdir())),
            "files": descriptors(),
            "rss_mib": pages * os.sysconf("SC_PAGE_SIZE") // MIB,
            "goroutines": engine_stats()["goroutines"],
        }

    for _ in range(count // 5):
        one()
    before = footprint()
    for _ in range(count):
        one()
    say(before=before, after=footprint())


def many_unopened(count: int) -> None:
    """Make and drop clients that are never used: construction must be cheap (contract §3)."""
    began = time.process_time()
    for _ in range(count):
        MountpointS3Client("us-east-1")
    took = time.process_time() - began
    gc.collect()
    eventually(lambda: engine_stats()["clients"] == 0, engine_stats)
    say(each_ms=round(1000 * took / count, 2))


def join(endpoint: str, bucket: str) -> None:
    """Join with streams alive, then with uploads just dropped, then with nothing."""
    client = client_of(endpoint)
    streams = [client.get_object(bucket, "data"), client.put_object(bucket, "kept")]
    took = []
    for seconds in (0.5, 10, 0, -1.0, 1):
        began = time.monotonic()
        join_all_managed_threads(seconds)
        took.append(time.monotonic() - began)
        if seconds == 10:
            streams.clear()
    say(took=took)
