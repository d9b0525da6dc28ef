"""Programs for test_fork.py; scripts.py says how they are run."""

from __future__ import annotations

import contextlib
import gc
import io
import multiprocessing
import os
import signal
import sys
import threading
import time
from typing import Any, Callable

from helpers import MIB, engine_stats, eventually, nothing_held, pattern, sha256
from programs import CHILD_SECONDS, PART, Child, Traffic, client_of, descriptors, read, say, use, write

from s3torchconnectorclient import S3Exception
from s3torchconnectorclient._mountpoint_s3_client import (
    GetObjectStream,
    MockMountpointS3Client,
    MountpointS3Client,
    PutObjectStream,
    join_all_managed_threads,
)


def generations(endpoint: str, bucket: str, clients: str, *, rounds: int, width: int, depth: int) -> None:
    """Fork children, grandchildren and so on from a parent whose threads are transferring; all of them transfer."""
    inherited = client_of(endpoint)
    traffic = Traffic(inherited, bucket)

    def generation(left: int) -> list[str]:
        began = time.monotonic()
        used = inherited if "inherited" in clients else client_of(endpoint)
        used.head_object(bucket, "data")
        loads.append(time.monotonic() - began)
        digests = [use(used, bucket)]
        if clients == "inherited, new":
            digests.append(use(client_of(endpoint), bucket))
        if left > 1:
            digests += Child(lambda: generation(left - 1)).answer()
        eventually(nothing_held, engine_stats)
        return digests

    loads: list[float] = []  # filled in the child, which sends it back
    digests: set[str] = set()
    first_uses: list[float] = []
    for _ in range(rounds):
        traffic.wait_for_more()
        for child in [Child(lambda: [generation(depth), loads]) for _ in range(width)]:
            found, took = child.answer()
            digests.update(found)
            first_uses += took
    traffic.wait_for_more()
    ended = traffic.end()
    eventually(nothing_held, engine_stats)
    say(**ended, digests=sorted(digests), expected=traffic.expected, first_use_ms=round(1000 * min(first_uses)))


def inherited_streams(endpoint: str, bucket: str) -> None:
    """Try, in children, streams that the parent is in the middle of; go on with them in the parent."""
    client = client_of(endpoint)
    reading, writing = client.get_object(bucket, "data"), client.put_object(bucket, "written")
    empty = client.put_object(bucket, "empty")
    write(client, bucket, "more", b"")
    listing = client.list_objects(bucket, max_keys=1)
    received, listed = [next(reading)], [info.key for info in next(listing).object_info]
    content = pattern(PART + 100, 5)
    writing.write(content[: PART + 1])

    def refused(act: Callable[[], object]) -> str:
        try:
            act()
        except S3Exception as error:
            return str(error)
        return "no error"

    def first() -> list[str]:
        acts = [lambda: next(reading), lambda: next(reading), lambda: writing.write(b"x" * 6 * MIB), empty.close]
        return [refused(act) for act in acts]

    def second() -> list[str]:
        return [refused(act) for act in (lambda: list(reading), writing.close, lambda: empty.write(b"x" * 6 * MIB))]

    def third() -> list[str]:
        more = [info.key for page in listing for info in page.object_info]  # a listing's state is a token, which crosses
        return [*more, use(client, bucket)]

    refusals = Child(first).answer() + Child(second).answer()
    others = Child(third).answer()
    received += reading
    listed += [info.key for page in listing for info in page.object_info]
    writing.write(content[PART + 1 :])
    writing.close()
    empty.close()
    written = [read(client, bucket, "written") == sha256(content), read(client, bucket, "empty") == sha256(b"")]
    say(refusals=refusals, others=others, read=sha256(b"".join(received)), written=written, listed=listed)


def borrowed_stream(endpoint: str, bucket: str) -> None:
    """Fork while another thread is in next() of a stream, which in the child nobody is."""
    stream = client_of(endpoint).get_object(bucket, "data")
    received: list[bytes] = []
    thread = threading.Thread(target=lambda: received.extend(stream))
    thread.start()
    say(waiting=True)
    sys.stdin.readline()  # the store is silent, so the thread is in next()

    def child() -> str:
        try:
            next(stream)
        except (S3Exception, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    answer = Child(child).answer()
    say(forked=True)
    thread.join()
    say(child=answer, read=sha256(b"".join(received)))


def forked_by_a_signal(endpoint: str, bucket: str) -> None:
    """Fork in a signal handler that interrupts the wait for a part; both sides go on with what they were doing."""
    client = client_of(endpoint)
    pids: list[int] = []

    def handler(*_: object) -> None:
        pids.append(os.fork())
        if pids[0]:
            say(forked=True)

    signal.signal(signal.SIGUSR1, handler)
    stream = client.get_object(bucket, "data")
    say(waiting=True)
    try:
        received = b"".join(stream)
    except S3Exception as error:
        if pids != [0]:
            raise
        os._exit(0 if error.kind == "canceled" and "fork" in str(error) and use(client, bucket) else 3)
    if pids == [0]:
        os._exit(4)
    eventually(lambda: pids, "the signal has come")
    status = os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1])
    say(read=sha256(received), child=status)


def work_for_pool(arguments: tuple[Any, str]) -> tuple[int, str]:
    client, bucket = arguments
    if isinstance(client, str):
        client = client_of(client)
    return os.getpid(), use(client, bucket)


def started_by(endpoint: str, bucket: str, method: str) -> None:
    """Use multiprocessing's pool, with a client pickled to it and with one of its own."""
    client = client_of(endpoint)
    traffic = Traffic(client, bucket)
    with multiprocessing.get_context(method).Pool(2) as pool:
        answers = pool.map(work_for_pool, [(client, bucket), (endpoint, bucket)] * 3, chunksize=1)
        pool.close()
        pool.join()
    traffic.wait_for_more()
    ended = traffic.end()
    say(
        **ended, digests=sorted({digest for _, digest in answers}), expected=traffic.expected, parent=os.getpid() in dict(answers)
    )


def siblings(endpoint: str, bucket: str, count: int) -> None:
    """Many children at once, each reading with the client of the parent."""
    client = client_of(endpoint)
    expected = read(client, bucket)
    before = descriptors()

    def child() -> dict[str, Any]:
        at_start = descriptors()
        digest = read(client, bucket)
        return {"digest": digest, "more": descriptors() - at_start}

    children = [Child(child) for _ in range(count)]
    answers = [child.answer() for child in children]
    say(
        expected=expected,
        digests=sorted({answer["digest"] for answer in answers}),
        child_descriptors=max(answer["more"] for answer in answers),
        descriptors=descriptors() - before,
    )


def descendants(endpoint: str, bucket: str, depth: int) -> None:
    """Each generation forks the next after having used its client: files open in each, at its start and after use."""
    client = client_of(endpoint)

    def generation(left: int) -> list[tuple[int, int]]:
        at_start = descriptors()
        client.head_object(bucket, "data")
        counts = [(at_start, descriptors())]
        return counts + (Child(lambda: generation(left - 1)).answer() if left else [])

    say(counts=generation(depth))


def children_that_just_leave(endpoint: str, bucket: str, way: str) -> None:
    """Fork with transfers under way children that end in some way without having used anything."""
    client = client_of(endpoint)
    reading, writing = client.get_object(bucket, "data"), client.put_object(bucket, "written")
    received, content = [next(reading)], pattern(PART + 100, 6)
    writing.write(content[: PART + 1])
    sys.stdout.flush()
    statuses = []
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            signal.alarm(CHILD_SECONDS)
            if way == "exit":
                sys.exit(7)  # an ordinary end: atexit, finalizers
            if way == "raise":
                sys.stderr.close()
                raise RuntimeError("not caught")
            if way == "collect":
                del reading, writing, client
                gc.collect()
            os._exit(7)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    received += reading
    writing.write(content[PART + 1 :])
    writing.close()
    say(statuses=statuses, read=sha256(b"".join(received)), written=read(client, bucket, "written") == sha256(content))


def locks(endpoint: str, bucket: str, forks: int) -> None:
    """Fork while other threads open clients, wait, are handed events, sweep and collect; the children do all of that too."""
    client = client_of(endpoint)
    over = threading.Event()
    turns = [0] * 5
    errors: list[str] = []

    def opening() -> None:
        os.environ["AWS_SESSION_TOKEN"] = str(turns[0])  # each client brings Go's and C's environment up to date
        client_of(endpoint).head_object(bucket, "data")

    def reading() -> None:
        next(client.get_object(bucket, "data", 0, 1000))

    def dropping() -> None:
        client.put_object(bucket, "dropped").write(b"x")

    acts = [opening, reading, dropping, lambda: join_all_managed_threads(0.01), lambda: [gc.collect(), engine_stats()]]

    def again(i: int) -> None:
        while not over.is_set():
            try:
                acts[i]()
            except BaseException as error:  # noqa: BLE001 - the verdict tells it
                errors.append(repr(error))
                return
            turns[i] += 1

    threads = [threading.Thread(target=again, args=(i,)) for i in range(len(acts))]
    for thread in threads:
        thread.start()
    for _ in range(forks):
        # The last one waits for the abort, which a child that leaves by _exit would take along.
        Child(lambda: [act() for act in (opening, reading, dropping, lambda: eventually(nothing_held))]).answer()
    over.set()
    for thread in threads:
        thread.join()
    eventually(nothing_held, engine_stats)
    say(turns=turns, errors=errors)


def upstream_hook(endpoint: str, bucket: str) -> None:
    """What s3torchconnector does before each fork: drop its clients, collect, join for half a second, print what went wrong."""
    client: MountpointS3Client | None = client_of(endpoint)
    held: list[GetObjectStream | PutObjectStream] = [client.get_object(bucket, "data"), client.put_object(bucket, "held")]
    took: list[float] = []
    printed = io.StringIO()

    def before() -> None:
        nonlocal client
        began = time.monotonic()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            try:
                client = None
                gc.collect()
                join_all_managed_threads(0.5)
            except Exception as error:  # noqa: BLE001 - as s3torchconnector does
                print(f"Warning: Failed to properly clean up native background threads before fork. {error}")  # noqa: T201
        took.append(time.monotonic() - began)

    os.register_at_fork(before=before)
    digests = [Child(lambda: use(client_of(endpoint), bucket)).answer() for _ in range(3)]
    data = b"".join(held.pop(0))  # type: ignore[arg-type]
    held.clear()
    say(longest_s=max(took), printed=printed.getvalue(), digests=digests, read=sha256(data))


def mock() -> None:
    """A mock's objects, added and put, in a child and a grandchild; what they write stays theirs."""
    store = MockMountpointS3Client("us-east-1", "bucket", part_size=1000)
    client = store.create_mocked_client()
    store.add_object("added", pattern(5000, 1))
    write(client, "bucket", "put", pattern(7000, 2))

    def content(of: MountpointS3Client) -> dict[str, str]:
        keys = [info.key for page in of.list_objects("bucket") for info in page.object_info]
        return {key: read(of, "bucket", key) for key in keys}

    def child(left: int) -> list[Any]:
        seen = [content(client)]
        store.add_object(f"of child {left}", b"x")
        write(store.create_mocked_client(), "bucket", "put", b"changed by a child")
        store.remove_object("added")
        seen.append(content(client))
        return [seen, *(Child(lambda: child(left - 1)).answer() if left else [])]

    before = content(client)
    first = Child(lambda: child(1)).answer()
    between = content(client)
    store.add_object("later", b"y")
    say(before=before, first=first, between=between, second=Child(lambda: child(0)).answer())
