"""The end of things: streams and clients dropped in any order, interpreters that end in the middle of transfers.

Owns: what must be gone afterwards, and how soon. Refuses to know: what the programs do in detail (teardown_scripts.py).
"""

from __future__ import annotations

import gc
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from helpers import MIB, engine_stats, eventually, nothing_held, pattern, sha256
from scripts import Script, run
from stalls import StallProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Store

    from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

PART = 5 * MIB
DATA = pattern(4 * PART + 7, 11)
WINDOW = 8  # parts that a download is ahead of its reader
OLD = b"what was there before"
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def filled(embedded_store: Store, bucket: str) -> dict[str, str]:
    """What the programs need: a store with the objects "data" and "kept"."""
    embedded_store.raw.put(bucket, "data", DATA)
    embedded_store.raw.put(bucket, "kept", OLD)
    return {"endpoint": embedded_store.endpoint, "bucket": bucket}


@pytest.fixture
def proxy(filled: dict[str, str]) -> Iterator[StallProxy]:
    """The same store where its requests are counted and can be held up."""
    with StallProxy(filled["endpoint"]) as proxy:
        yield proxy


def client_of(store: Store, endpoint: str = "") -> MountpointS3Client:
    return store.client(part_size=PART, **({"endpoint": endpoint} if endpoint else {}))


# Streams and clients.


def test_stream_outlives_its_client(embedded_store: Store, filled: dict[str, str]) -> None:
    """A stream goes on when the client that opened it is gone (contract §6 "also works when the client object is gone")."""
    client = client_of(embedded_store)
    reading, writing = client.get_object(filled["bucket"], "data"), client.put_object(filled["bucket"], "new")
    del client
    gc.collect()
    assert sha256(b"".join(reading)) == sha256(DATA)
    writing.write(DATA)
    writing.close()
    assert embedded_store.raw.get(filled["bucket"], "new") == DATA


def test_closed_client_ends_with_its_last_stream(embedded_store: Store, filled: dict[str, str]) -> None:
    """The engine's client goes when client and streams have gone, whichever comes last."""
    before = engine_stats()["clients"]
    client = client_of(embedded_store)
    stream = client.get_object(filled["bucket"], "data")
    del client
    gc.collect()
    assert engine_stats()["clients"] == before + 1
    del stream
    eventually(lambda: nothing_held() and engine_stats()["clients"] == before, engine_stats)


def test_cycles_are_collected(embedded_store: Store, filled: dict[str, str]) -> None:
    """Streams and clients that refer to each other in circles are collected, and the upload among them is aborted."""
    client = client_of(embedded_store)
    circle: list[Any] = [client, client.get_object(filled["bucket"], "data"), client.put_object(filled["bucket"], "kept")]
    circle.append(circle)
    del circle, client
    gc.collect()
    eventually(nothing_held, engine_stats)
    eventually(lambda: not embedded_store.raw.open_uploads(filled["bucket"]), "the upload is aborted")
    assert embedded_store.raw.get(filled["bucket"], "kept") == OLD


@pytest.mark.parametrize(("received", "under_way"), [(0, 1), (1, WINDOW), (3, WINDOW)])
def test_dropped_download_asks_for_nothing_more(
    embedded_store: Store, filled: dict[str, str], proxy: StallProxy, received: int, under_way: int
) -> None:
    """A dropped download cancels what is under way and sends no further request (contract §5 "drop")."""
    long = pattern(PART, 12) * 12
    embedded_store.raw.put(filled["bucket"], "long", long)
    client = client_of(embedded_store, proxy.endpoint)
    stall = proxy.stall("get", "body", at=received * PART)
    stream = client.get_object(filled["bucket"], "long")
    for _ in range(received):
        next(stream)
    eventually(stall.reached.is_set, "some part is under way")
    eventually(lambda: proxy.count("get") == received + under_way, "the window is full")
    del stream
    eventually(nothing_held, engine_stats)  # while the store is still silent
    eventually(lambda: proxy.held == 0, "what was held up has been hung up")
    stall.lift()
    client.head_object(filled["bucket"], "data")
    assert proxy.count("get") == received + under_way


@pytest.mark.parametrize("written", [0, 1000, PART - 1, PART, 2 * PART + 1, 4 * PART])
def test_dropped_upload_is_aborted(embedded_store: Store, filled: dict[str, str], proxy: StallProxy, written: int) -> None:
    """An upload dropped before close is aborted at whatever stage, and the old object stays (contract §6 "dropped")."""
    stream = client_of(embedded_store, proxy.endpoint).put_object(filled["bucket"], "kept")
    for at in range(0, written, MIB):
        stream.write(DATA[at : min(at + MIB, written)])
    del stream
    eventually(lambda: proxy.count("abort") == 1, lambda: f"one abort: {[request.verb for request in proxy.requests]}")
    eventually(nothing_held, engine_stats)
    assert proxy.count("complete") == 0
    assert embedded_store.raw.open_uploads(filled["bucket"]) == []
    assert embedded_store.raw.get(filled["bucket"], "kept") == OLD


@pytest.mark.parametrize(("verb", "where"), [("part", "request"), ("part", "upload"), ("part", "answer")])
def test_upload_dropped_while_parts_are_under_way(
    embedded_store: Store, filled: dict[str, str], proxy: StallProxy, verb: str, where: str
) -> None:
    """The abort comes after the parts in flight have ended, however they hang (contract §6, users §1, 18)."""
    stall = proxy.stall(verb, where)
    stream = client_of(embedded_store, proxy.endpoint).put_object(filled["bucket"], "kept")
    stream.write(DATA[: 2 * PART])
    eventually(stall.reached.is_set, "a part is under way")
    del stream
    eventually(nothing_held, engine_stats)
    assert proxy.count("abort") == 1
    stall.lift()
    eventually(lambda: not embedded_store.raw.open_uploads(filled["bucket"]), "the upload is aborted")
    assert embedded_store.raw.get(filled["bucket"], "kept") == OLD


def test_join_returns_at_once(filled: dict[str, str], measured: Callable[[str], None]) -> None:
    """join_all_managed_threads neither raises nor takes half a second, whatever lives and whatever it is told (contract §8)."""
    took = run("teardown_scripts.join", **filled).verdict["took"]
    measured(f"longest {1000 * max(took):.0f} ms")
    assert max(took) < 0.5


@linux
@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.full)])
def test_clients_leave_nothing_behind(filled: dict[str, str], count: int, measured: Callable[[str], None]) -> None:
    """However many clients are made, used and dropped: as many threads, files and goroutines as before (contract §3)."""
    verdict = run("teardown_scripts.many_clients", **filled, count=count).verdict
    measured(f"{verdict}")
    before, after = verdict["before"], verdict["after"]
    assert after["threads"] <= before["threads"] + 2  # Go keeps its idle threads, and may need another one now and then
    assert after["files"] <= before["files"]
    assert after["goroutines"] <= before["goroutines"] + 2
    assert after["rss_mib"] <= before["rss_mib"] + 40


def test_unused_clients_are_cheap(measured: Callable[[str], None]) -> None:
    """Clients that are only constructed cost milliseconds (contract §3 "must be cheap")."""
    each = run("teardown_scripts.many_unopened", count=100).verdict["each_ms"]
    measured(f"{each} ms of CPU each")
    assert each < 20


# Interpreters.

SHUTDOWN_SECONDS = 6.0  # the engine is given five


@pytest.mark.parametrize(
    ("way", "status"),
    [
        ("return", 0),
        ("cycle", 0),
        ("exit", 3),
        ("raise", 1),
        ("interrupt", -signal.SIGINT),
        ("daemon threads", 0),
    ],
)
def test_interpreter_ends_in_the_middle_of_transfers(
    embedded_store: Store, filled: dict[str, str], way: str, status: int, measured: Callable[[str], None]
) -> None:
    """However a program ends, it ends as it wanted to, and its upload is aborted (users §1, 18 and 20)."""
    with Script("teardown_scripts.leaving", {**filled, "way": way}) as running:
        began = running.said("began")
        outcome = running.wait()
    measured(f"ended after {1000 * (time.monotonic() - began):.0f} ms")
    assert outcome.status == status, outcome
    if way in ("raise", "interrupt"):
        assert outcome.err.startswith("Traceback")
        assert outcome.err.count("Traceback") == 1, outcome.err
    elif way == "daemon threads":
        # They are told, and threading shows what they do not catch, until the interpreter freezes them in the middle of a line.
        raised = [line for line in outcome.err.splitlines() if re.match(r"(\w+\.)*\w*(Error|Exception): ", line)]
        assert all("the engine has been shut down, the process is ending" in line for line in raised[:-1]), outcome.err
        assert all("the engine" in line for line in raised[-1:]) or not outcome.err.endswith("\n"), outcome.err
        assert "Fatal" not in outcome.err
    else:
        assert outcome.err == ""
    assert embedded_store.raw.open_uploads(filled["bucket"]) == []
    assert embedded_store.raw.get(filled["bucket"], "kept") == OLD


@pytest.mark.leaks
def test_hard_exit_is_not_held_up(filled: dict[str, str]) -> None:
    """os._exit means now: the status is the program's, and nothing is cleaned up."""
    run("teardown_scripts.leaving", **filled, way="_exit", status=5)


def test_threads_may_finish_after_the_main_one(embedded_store: Store, filled: dict[str, str]) -> None:
    """Threads that the interpreter waits for complete their transfers: the engine ends after them."""
    outcome = run("teardown_scripts.leaving", **filled, way="threads")
    assert outcome.verdict == {"left": len(DATA) - PART}
    assert embedded_store.raw.get(filled["bucket"], "kept") == pattern(2 * PART + 5)


@pytest.mark.leaks
@pytest.mark.parametrize("verb", ["get", "part", "complete", "abort"])
def test_interpreter_ends_while_the_store_is_silent(filled: dict[str, str], proxy: StallProxy, verb: str) -> None:
    """A store that does not answer any more cannot keep a program from ending."""
    stall = proxy.stall(verb, nth=2 if verb == "get" else 1)
    with Script("teardown_scripts.leaving", {**filled, "endpoint": proxy.endpoint, "way": "daemon threads"}) as running:
        began = running.said("began")
        assert running.wait().status == 0
    assert time.monotonic() - began < SHUTDOWN_SECONDS + 2
    stall.lift()


def test_late_use(filled: dict[str, str]) -> None:
    """Clients work in atexit functions, whether these are older or newer than the package, and do no harm in finalizers."""
    outcome = run("import_scripts.older_atexit", **filled)
    assert outcome.out.splitlines() == [f'{{"{which}": {len(DATA)}}}' for which in ("newer", "older", "finalizer")]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_worker_aborts_what_it_leaves(embedded_store: Store, filled: dict[str, str], method: str) -> None:
    """A multiprocessing child, which never sees atexit, ends with its status and aborts its upload (users §1, 18)."""
    quiet = {"PYTHONWARNINGS": "ignore:This process:DeprecationWarning"}
    verdict = run("teardown_scripts.worker_ends", **filled, method=method, env=quiet).verdict
    assert verdict["statuses"] == [0, 0]
    assert embedded_store.raw.open_uploads(filled["bucket"]) == []


def test_embedded_s3_ends_when_told() -> None:
    """`serve` ends by Ctrl-C, quietly, with the shell's status for it."""
    command = [sys.executable, "-m", "s3torchconnectorclient", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("http://127.0.0.1:")
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 130
        assert server.communicate() == ("", "")


# The other end.


def test_import_starts_nothing(measured: Callable[[str], None]) -> None:
    """Importing starts no thread, opens no connection, and costs less than 50 ms beyond cffi's own import (contract §1)."""
    best: dict[str, Any] = min((run("import_scripts.cost").verdict for _ in range(4)), key=lambda verdict: verdict["ms"])
    measured(f"{best['ms']} ms, after cffi's {best['cffi_ms']}")
    assert best["threads"] == 0
    assert best["sockets"] == 0
    assert not best["torch"]
    assert best["ms"] < 50
