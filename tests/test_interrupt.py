"""Ctrl-C at every place where a program waits for S3: it comes at once, and nothing is left behind.

Owns: the places, the moments, the promises. Refuses to know: how the store is made to go silent (stalls.py), what the interrupted
programs do (interrupt_scripts.py).
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from helpers import KIB, MIB, eventually, pattern, sha256
from scripts import Script, run
from stalls import StallProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Store

LIMIT_SECONDS = 1.0  # the promise; on an idle machine it is a tenth of that
DRAIN_SECONDS = 2.0
PART = 5 * MIB
THERE, SMALL, WORKERS = pattern(12 * MIB, 1), pattern(100 * KIB, 2), [pattern(7 * MIB, 3), pattern(6 * MIB, 4)]

# act, verb, where, nth request of that verb: GET's first request is answered at once, later ones carry later parts.
PLACES = [
    pytest.param("get_open", "get", "request", id="get: open"),
    pytest.param("get_body", "get", "body", id="get: in the middle of a part"),
    pytest.param("put_open", "create", "request", id="put: create"),
    pytest.param("put_open", "create", "answer", id="put: create done, but not answered"),
    pytest.param("put_write", "part", "request", id="put: write under back-pressure"),
    pytest.param("put_write", "part", "upload", id="put: write, and nobody reads"),
    pytest.param("put_close", "part", "request", id="put: close, parts not stored"),
    pytest.param("put_close", "complete", "request", id="put: close, complete"),
    pytest.param("put_close", "complete", "answer", id="put: close, completed but not answered"),
    pytest.param("list", "list", "request", id="list"),
    pytest.param("head", "head", "request", id="head"),
    pytest.param("delete", "delete", "request", id="delete"),
    pytest.param("copy", "copy", "request", id="copy"),
]


@pytest.fixture
def proxy(embedded_store: Store, bucket: str) -> Iterator[StallProxy]:
    """A store that can go silent, with the objects that the programs read."""
    embedded_store.raw.put(bucket, "there", THERE)
    embedded_store.raw.put(bucket, "small", SMALL)
    for i, data in enumerate(WORKERS):
        embedded_store.raw.put(bucket, f"worker-{i}", data)
    with StallProxy(embedded_store.endpoint) as proxy:
        yield proxy


def interrupt(running: Script) -> float:
    """Press Ctrl-C; when?"""
    now = time.monotonic()  # one clock for all processes
    running.process.send_signal(signal.SIGINT)
    return now


@pytest.mark.parametrize(("act", "verb", "where"), PLACES)
def test_interrupt_is_served_while_the_store_is_silent(  # noqa: PLR0917 - fixtures
    proxy: StallProxy, bucket: str, act: str, verb: str, where: str, measured: Callable[[str], None]
) -> None:
    """A call waiting for S3 raises KeyboardInterrupt within a second and lets go; threads and client go on (beyond §3)."""
    silent = [proxy.stall("get", "body", key=f"worker-{i}") for i in range(len(WORKERS))]
    stall = proxy.stall(verb, where, key="there" if verb in ("get", "head") else "")
    arguments = {"endpoint": proxy.endpoint, "bucket": bucket, "act": act, "worker_bytes": [len(data) for data in WORKERS]}
    with Script("interrupt_scripts.stalled", arguments) as running:
        running.said("waiting")
        eventually(stall.reached.is_set, "the store is silent")
        sent = interrupt(running)
        caught = running.said("caught")
        assert caught is not None, "no KeyboardInterrupt"
        if verb == "create":
            stall.lift()  # an upload whose id never comes cannot be aborted by anybody, and is waited for a while
        drained = running.said("drained")
        assert running.said("workers_idle")
        measured(f"raised after {1000 * (caught - sent):.0f} ms, drained after {1000 * (drained - sent):.0f}")
        assert caught - sent < LIMIT_SECONDS
        assert drained - sent < DRAIN_SECONDS
        for each in (*silent, stall):
            each.lift()
        running.go_on()
        verdict = running.wait().verdict
    assert verdict["small"] == sha256(SMALL)
    assert verdict["workers"] == [sha256(data) for data in WORKERS]


def test_interrupted_download_goes_on_where_it_was(proxy: StallProxy, bucket: str) -> None:
    """After Ctrl-C in next() the same stream yields the rest, and tell() knew where (in the spirit of contract §0)."""
    stall = proxy.stall("get", "body", nth=2)
    with Script("interrupt_scripts.resumed", {"endpoint": proxy.endpoint, "bucket": bucket}) as running:
        running.said("waiting")
        eventually(stall.reached.is_set, "the store is silent")
        interrupt(running)
        assert running.said("tell") == running.said("received")
        stall.lift()
        running.go_on()
        verdict = running.wait().verdict
    assert verdict == {"interrupts": 1, "sha256": sha256(THERE)}


@pytest.mark.parametrize("where", ["request", "answer"])
def test_interrupted_close_can_be_repeated(proxy: StallProxy, bucket: str, embedded_store: Store, where: str) -> None:
    """After Ctrl-C in close() a second one completes or says that it cannot, and the object is whole or absent (contract §6)."""
    stall = proxy.stall("complete", where)
    with Script("interrupt_scripts.closed_again", {"endpoint": proxy.endpoint, "bucket": bucket}) as running:
        running.said("waiting")
        eventually(stall.reached.is_set, "the store is silent")
        interrupt(running)
        running.said("interrupted")
        stall.lift()
        running.go_on()
        verdict = running.wait().verdict
    stored = embedded_store.raw.get(bucket, "new")
    assert stored in ((pattern(PART + 1),) if verdict["outcome"] == "closed" else (pattern(PART + 1), None))


@pytest.mark.parametrize(
    ("interrupts", "seed"), [(200, 1), *(pytest.param(1500, seed, marks=pytest.mark.full) for seed in (2, 3))]
)
def test_interrupts_at_any_moment_cost_no_byte(
    embedded_store: Store, bucket: str, interrupts: int, seed: int, measured: Callable[[str], None]
) -> None:
    """Hundreds of interrupts at random moments: a KeyboardInterrupt or the right bytes, never a hang, nothing kept."""
    embedded_store.raw.put(bucket, "data", pattern(2 * PART + 12345))
    arguments = {"endpoint": embedded_store.endpoint, "bucket": bucket, "interrupts": interrupts, "seed": seed}
    verdict = run("interrupt_scripts.hammer", seconds=100, **arguments).verdict
    measured(str(verdict))
    assert verdict["interrupts"] >= interrupts
    assert verdict["uninterrupted"] > interrupts / 20
    assert verdict["pins"] == 0
