"""Fork: parent and children transfer before, during and after it, without asking anyone (docs/design/0002-fork.md).

Owns: who forks whom, and what must be true on each side. Refuses to know: what the programs do in detail (fork_scripts.py).
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from helpers import eventually, pattern, sha256
from programs import DATA
from scripts import Script, run
from stalls import StallProxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork there")

# Python 3.12 and later warn of fork in any process that has threads, whoever made them.
QUIET = {"PYTHONWARNINGS": "ignore:This process:DeprecationWarning"}
CONTENT = pattern(DATA, 7)
EXPECTED = sha256(CONTENT)


@pytest.fixture
def where(store: Store, bucket: str) -> dict[str, str]:
    """What the programs need: a store with the object "data"."""
    return filled(store, bucket)


@pytest.fixture
def at_embedded(embedded_store: Store, bucket: str) -> dict[str, str]:
    """The same, where the kind of store makes no difference."""
    return filled(embedded_store, bucket)


def filled(store: Store, bucket: str) -> dict[str, str]:
    store.raw.put(bucket, "data", CONTENT)
    return {"endpoint": store.endpoint, "bucket": bucket}


def check_traffic(verdict: dict[str, Any]) -> None:
    assert verdict["errors"] == []
    assert verdict["expected"] == EXPECTED
    assert verdict["digests"] == [EXPECTED]


def test_generations_transfer_while_the_parent_does(where: dict[str, str], measured: Callable[[str], None]) -> None:
    """Children three deep transfer with the parent's client and their own while the parent's threads go on (users §1, 1-2)."""
    verdict = run("fork_scripts.generations", **where, clients="inherited, new", rounds=1, width=2, depth=3, env=QUIET).verdict
    measured(f"first use in a child {verdict['first_use_ms']} ms; parent: {verdict['reads']} reads, {verdict['writes']} writes")
    check_traffic(verdict)


@pytest.mark.full
@pytest.mark.parametrize("clients", ["inherited", "new"])
@pytest.mark.parametrize(("rounds", "width", "depth"), [(10, 2, 3), (3, 8, 3), (2, 1, 12)])
def test_more_generations(where: dict[str, str], clients: str, rounds: int, width: int, depth: int) -> None:
    """The same more often, wider and deeper."""
    shape = {"rounds": rounds, "width": width, "depth": depth}
    check_traffic(run("fork_scripts.generations", **where, clients=clients, **shape, env=QUIET, seconds=110).verdict)


def test_inherited_streams_say_what_to_do(where: dict[str, str]) -> None:
    """In a child the parent's streams raise an S3Exception that names the way out; in the parent they finish right."""
    verdict = run("fork_scripts.inherited_streams", **where, env=QUIET).verdict
    for text in verdict["refusals"]:
        assert "fork" in text
        assert "begin it again here" in text
    assert verdict["others"] == ["more", EXPECTED]
    assert verdict["read"] == EXPECTED
    assert verdict["written"] == [True, True]
    assert verdict["listed"] == ["data", "more"]


def test_stream_another_thread_was_reading_says_what_to_do(at_embedded: dict[str, str]) -> None:
    """A stream that some thread was in the middle of at the fork says in the child what to do, too, and goes on in the parent."""
    with StallProxy(at_embedded["endpoint"]) as proxy:
        stall = proxy.stall("get", "body")
        with Script("fork_scripts.borrowed_stream", {**at_embedded, "endpoint": proxy.endpoint}, QUIET) as running:
            running.said("waiting")
            eventually(stall.reached.is_set, "the store is silent")
            running.go_on()
            running.said("forked")
            stall.lift()
            verdict = running.wait().verdict
    assert verdict["child"].startswith("S3Exception: ")
    assert "begin it again here" in verdict["child"]
    assert verdict["read"] == EXPECTED


def test_fork_in_a_signal_handler(at_embedded: dict[str, str]) -> None:
    """A handler may fork while the main thread waits: that ends in the child with an error and goes on in the parent."""
    with StallProxy(at_embedded["endpoint"]) as proxy:
        stall = proxy.stall("get", "body")
        with Script("fork_scripts.forked_by_a_signal", {**at_embedded, "endpoint": proxy.endpoint}, QUIET) as running:
            running.said("waiting")
            eventually(stall.reached.is_set, "the store is silent")
            running.process.send_signal(signal.SIGUSR1)
            running.said("forked")
            stall.lift()
            verdict = running.wait().verdict
    assert verdict == {"read": EXPECTED, "child": 0}


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(at_embedded: dict[str, str], method: str) -> None:
    """A pool started in each way, with a client sent to it and with its own, reads the right bytes (contract §8)."""
    verdict = run("fork_scripts.started_by", **at_embedded, method=method, env=QUIET).verdict
    check_traffic(verdict)
    assert not verdict["parent"]


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.full)])
def test_many_siblings(at_embedded: dict[str, str], count: int, measured: Callable[[str], None]) -> None:
    """Twenty children at once read with the inherited client, and no process is left with files open that it did not have."""
    verdict = run("fork_scripts.siblings", **at_embedded, count=count, env=QUIET).verdict
    measured(f"files more: {verdict['child_descriptors']} in a child, {verdict['descriptors']} in the parent")
    assert verdict["digests"] == [verdict["expected"]] == [EXPECTED]
    assert verdict["child_descriptors"] <= 20  # ten or so connections, and what Go waits for them with
    assert verdict["descriptors"] <= 1  # the copy of the engine that children load


def test_descendants_do_not_pile_up_files(at_embedded: dict[str, str], measured: Callable[[str], None]) -> None:
    """Files open grow by what one generation uses and not faster."""
    counts = run("fork_scripts.descendants", **at_embedded, depth=6, env=QUIET).verdict["counts"]
    measured(f"(at start, after use) in each generation: {counts}")
    used = [after for _, after in counts]
    steps = [later - earlier for earlier, later in zip(used[1:], used[2:])]
    assert max(steps) <= 6


@pytest.mark.parametrize("way", ["_exit", "exit", "raise", "collect"])
def test_a_child_that_leaves_does_no_harm(at_embedded: dict[str, str], way: str) -> None:
    """However a child ends, the transfers it inherited go on in the parent: nothing is aborted (users §1, 18)."""
    verdict = run("fork_scripts.children_that_just_leave", **at_embedded, way=way, env=QUIET, quiet=way != "raise").verdict
    assert verdict["statuses"] == [1 if way == "raise" else 7] * 5
    assert verdict["read"] == EXPECTED
    assert verdict["written"]


@pytest.mark.parametrize("forks", [20, pytest.param(300, marks=pytest.mark.full)])
def test_fork_at_any_moment(at_embedded: dict[str, str], forks: int, measured: Callable[[str], None]) -> None:
    """Whatever other threads hold at the moment of the fork, the child does not wait for it."""
    verdict = run("fork_scripts.locks", **at_embedded, forks=forks, env=QUIET, seconds=110).verdict
    measured(f"what the threads did meanwhile: {verdict['turns']}")
    assert verdict["errors"] == []
    assert min(verdict["turns"]) > forks / 4


def test_upstream_hook_is_quick_and_silent(at_embedded: dict[str, str], measured: Callable[[str], None]) -> None:
    """s3torchconnector's hook before each fork takes under half a second and prints nothing, with streams alive (contract §8)."""
    verdict = run("fork_scripts.upstream_hook", **at_embedded, env=QUIET).verdict
    measured(f"longest {1000 * verdict['longest_s']:.0f} ms")
    assert verdict["longest_s"] < 0.5
    assert verdict["printed"] == ""
    assert verdict["digests"] == [EXPECTED] * 3
    assert verdict["read"] == EXPECTED


def test_mock_survives_with_its_objects() -> None:
    """A mock's objects are there in the child; what a child writes, neither the parent nor a later child sees (design §2)."""
    verdict = run("fork_scripts.mock", env=QUIET).verdict
    added, put = sha256(pattern(5000, 1)), sha256(pattern(7000, 2))
    changed, x = sha256(b"changed by a child"), sha256(b"x")
    assert verdict["before"] == {"added": added, "put": put}
    assert verdict["between"] == verdict["before"]
    (seen, after), grandchild = verdict["first"]
    assert seen == verdict["before"]
    assert after == {"of child 1": x, "put": changed}
    assert grandchild == [after, {"of child 0": x, "of child 1": x, "put": changed}]
    (seen, after) = verdict["second"][0]
    assert seen == {**verdict["before"], "later": sha256(b"y")}
    assert after == {"later": sha256(b"y"), "of child 0": x, "put": changed}


def test_older_hooks_may_use_clients(at_embedded: dict[str, str]) -> None:
    """Fork hooks that ran before ours, and what is collected meanwhile, do not reach the parent's engine either."""
    verdict = run("import_scripts.hooks_of_others", **at_embedded, env=QUIET).verdict
    assert verdict == {"child": 0, "in_hook": str(DATA), "read": DATA}
