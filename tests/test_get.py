"""Downloads through a real store: which bytes, in which chunks, and what goes wrong where.

Owns: contract §5 for the real client, on the embedded S3 and on MinIO. Refuses to know: what is on the wire (test_wire.py),
the mock (test_mock.py), interrupts and forks.
"""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from helpers import MIB, eventually, nothing_held, pattern
from recorder import Answer, Recorder, Request, s3_error

from s3torchconnectorclient import S3Exception
from s3torchconnectorclient._get import WINDOW_PARTS

if TYPE_CHECKING:
    from conftest import Store

PART = 5 * MIB  # the smallest part_size there is
CHANGED = "Service error: At least one of the preconditions specified did not hold"
ODD_KEYS = ["a b", "a+b", "a%20b", "é/ü", "日本語", "a&b=c?d#e", "~-._!*'()", "😀", 'q"<>', "a\tb", ".hidden", "a..b", "x" * 250]

ODDER_KEYS = ["/lead", "//", "a//b", "../up", "a/./b", "a/../b", "tail/", "x" * 1024, "\x7f", "a\nb"]  # MinIO takes none of these


def chunks_of(data: bytes, start: int, end: int) -> list[bytes]:
    """Cut data[start:end] into parts counted from start."""
    end = min(end, len(data))
    return [data[at : min(at + PART, end)] for at in range(start, end, PART)]


@pytest.fixture
def client(store: Store) -> Any:
    """A client with the smallest parts."""
    return store.client(part_size=PART)


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 7])
def test_an_object_comes_in_parts(store: Store, bucket: str, client: Any, size: int) -> None:
    """Each chunk is bytes, part_size long but for the last, none empty; then StopIteration for ever (§5)."""
    data = pattern(size)
    store.raw.put(bucket, "k", data)
    stream = client.get_object(bucket, "k")
    assert iter(stream) is stream
    told = [(type(chunk), chunk, stream.tell()) for chunk in stream]
    expected = chunks_of(data, 0, size)
    assert told == [(bytes, chunk, min((n + 1) * PART, size)) for n, chunk in enumerate(expected)]
    assert [next(stream, None) for _ in range(10)] == [None] * 10
    assert stream.tell() == size


SIZE = 2 * PART + 11
RANGES = [
    (0, 1), (0, 2), (1, 2), (100, PART), (100, PART + 100), (100, PART + 101), (PART - 1, PART + 1), (PART, 2 * PART),
    (PART, None), (7, None), (SIZE - 1, SIZE), (SIZE - 1, None), (0, SIZE), (0, None), (3, SIZE + 1), (3, 10**15),
    (SIZE - 1, 2**64 - 1), (None, 10), (None, PART + 5), (None, SIZE + 99), (None, None),
]  # fmt: skip


def test_ranges_are_half_open_and_clipped(store: Store, bucket: str, client: Any) -> None:
    """[start, end) of the object, in parts counted from start, whatever is left out or past the end (§5, §0)."""
    data = pattern(SIZE)
    store.raw.put(bucket, "k", data)
    for start, end in RANGES:
        stream = client.get_object(bucket, "k", start, end)
        assert stream.tell() == (start or 0), (start, end)
        assert list(stream) == chunks_of(data, start or 0, SIZE if end is None else end), (start, end)
        assert stream.tell() == min(SIZE if end is None else end, SIZE)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 5), (None, 0), (SIZE, SIZE), (SIZE + 5, SIZE + 5)])
def test_an_empty_range_yields_nothing(store: Store, bucket: str, client: Any, start: int | None, end: int) -> None:
    """Also at 0, where upstream yields a byte, and past the end (§0)."""
    store.raw.put(bucket, "k", pattern(100))
    stream = client.get_object(bucket, "k", start, end)
    assert list(stream) == []
    assert stream.tell() == (start or 0)


def test_an_empty_range_of_nothing_is_an_error(bucket: str, client: Any) -> None:
    """A missing object is missing, however little of it is asked for (§5)."""
    with pytest.raises(S3Exception, match=r"^Service error: The key does not exist$"):
        client.get_object(bucket, "missing", 3, 3)


def test_an_empty_object_has_no_chunk(store: Store, bucket: str, client: Any) -> None:
    """And ranges of it that begin past its end are refused, empty ones not (§5)."""
    store.raw.put(bucket, "k", b"")
    stream = client.get_object(bucket, "k")
    assert (list(stream), stream.tell()) == ([], 0)
    assert list(client.get_object(bucket, "k", 0, 0)) == []
    for start, end in ((0, 1), (0, None), (1, 2)):
        with pytest.raises(S3Exception, match=r"^Client error: Unknown response error: HTTP 416: InvalidRange"):
            client.get_object(bucket, "k", start, end)


@pytest.mark.parametrize(("start", "end"), [(100, 101), (100, None), (10**15, None), (2**64 - 1, None), (2**63, 2**63 + 1)])
def test_a_start_past_the_end_is_an_error(store: Store, bucket: str, client: Any, start: int, end: int | None) -> None:
    """S3's 416 comes from get_object (§5)."""
    store.raw.put(bucket, "k", pattern(100))
    with pytest.raises(S3Exception, match=r"^Client error: Unknown response error: HTTP 416: InvalidRange") as caught:
        client.get_object(bucket, "k", start, end)
    assert (caught.value.kind, caught.value.http_status, caught.value.code) == ("service", 416, "InvalidRange")


def test_bad_ranges_are_refused(store: Store, bucket: str, client: Any) -> None:
    """A start after the end is an S3Exception, a negative number an OverflowError, as upstream (§5)."""
    store.raw.put(bucket, "k", pattern(100))
    with pytest.raises(S3Exception, match=r"^Client error: Invalid range: start 6 is after end 5$") as caught:
        client.get_object(bucket, "k", 6, 5)
    assert caught.value.kind == "invalid"
    for start, end in ((-1, 5), (0, -1), (-2, -1), (0, 2**64)):
        with pytest.raises(OverflowError):
            client.get_object(bucket, "k", start, end)


def test_odd_keys_are_themselves(store: Store, bucket: str, client: Any) -> None:
    """What is stored under a key is read under it, and nothing else is (§3, key encoding)."""
    keys = ODD_KEYS + ([] if store.name == "minio" else ODDER_KEYS)
    for number, key in enumerate(keys):
        store.raw.put(bucket, key, b"%d" % number)
    assert [b"".join(client.get_object(bucket, key)) for key in keys] == [b"%d" % number for number in range(len(keys))]


def test_attributes_are_what_was_asked_for(store: Store, bucket: str, client: Any) -> None:
    """bucket and key; nothing can be set, pickling is refused (§1, §5)."""
    store.raw.put(bucket, "k", b"x")
    stream = client.get_object(bucket, "k")
    assert (stream.bucket, stream.key) == (bucket, "k")
    for name in ("key", "nothing"):
        with pytest.raises(AttributeError):
            setattr(stream, name, "x")


def test_what_is_missing_is_told_by_get_object(bucket: str, client: Any) -> None:
    """Not by the first next(), and in upstream's words (§2, §5)."""
    with pytest.raises(S3Exception, match=r"^Service error: The key does not exist$") as caught:
        client.get_object(bucket, "missing")
    assert (caught.value.kind, caught.value.http_status, caught.value.code) == ("not_found", 404, "NoSuchKey")
    with pytest.raises(S3Exception, match=r"^Service error: The bucket does not exist$") as caught:
        client.get_object("no-such-bucket", "k")
    assert (caught.value.kind, caught.value.http_status, caught.value.code) == ("not_found", 404, "NoSuchBucket")


def test_a_stream_outlives_its_client(store: Store, bucket: str) -> None:
    """A stream keeps the engine's client alive (§3, lifetime)."""
    data = pattern(2 * PART + 1)
    store.raw.put(bucket, "k", data)
    stream = store.client(part_size=PART).get_object(bucket, "k")
    gc.collect()
    assert b"".join(stream) == data


def test_many_threads_share_a_client(store: Store, bucket: str, client: Any) -> None:
    """Each gets its own object (§3, thread safety)."""
    objects = {f"k{n}": pattern(PART + n * 1000, n) for n in range(6)}
    for key, data in objects.items():
        store.raw.put(bucket, key, data)
    got: dict[str, bytes] = {}
    threads = [
        threading.Thread(target=lambda key=key: got.__setitem__(key, b"".join(client.get_object(bucket, key)))) for key in objects
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == objects


# Between two parts. The parts that were asked for before the change are those of the window, so the object is longer than that.

MANY = 24  # parts


def test_an_object_that_changes_between_parts_is_an_error(store: Store, bucket: str, client: Any) -> None:
    """Never a mix of two objects: the parts before are of the old one, then the precondition's text, again and again (§2, §5)."""
    old, new = pattern(MANY * PART, 1), pattern(MANY * PART, 2)
    store.raw.put(bucket, "k", old)
    stream = client.get_object(bucket, "k")
    got = [next(stream)]
    store.raw.put(bucket, "k", new)
    with pytest.raises(S3Exception) as caught:
        got.extend(stream)
    assert (str(caught.value), caught.value.kind, caught.value.http_status) == (CHANGED, "precondition", 412)
    came = b"".join(got)
    assert came == old[: len(came)]
    assert stream.tell() == len(came)
    for _ in range(3):
        with pytest.raises(S3Exception) as again:
            next(stream)
        assert again.value.args == caught.value.args
        assert again.value is not caught.value
    assert stream.tell() == len(came)


def test_a_deleted_object_is_an_error_at_the_next_part(store: Store, bucket: str, client: Any) -> None:
    """What is left of it cannot come (§5)."""
    store.raw.put(bucket, "k", pattern(MANY * PART))
    stream = client.get_object(bucket, "k")
    next(stream)
    store.raw.delete(bucket, "k")
    with pytest.raises(S3Exception, match=r"^Service error: The key does not exist$"):
        list(stream)


def test_a_part_that_is_not_what_was_asked_for_is_refused(store: Store, bucket: str) -> None:
    """A range, a length or an ETag that differs never becomes bytes of the object (§5, out of order)."""
    data = pattern(MANY * PART)
    store.raw.put(bucket, "k", data)
    second = f"bytes={PART}-{2 * PART - 1}"
    total = len(data)
    wrong = {
        "another range": {"Content-Range": f"bytes 0-{PART - 1}/{total}"},
        "another total": {"Content-Range": f"bytes {PART}-{2 * PART - 1}/{total + 1}"},
        "no range": {},
        "another ETag": {"Content-Range": f"bytes {PART}-{2 * PART - 1}/{total}", "ETag": '"other"'},
    }
    for what, headers in wrong.items():

        def interfere(request: Request, headers: dict[str, str] = headers) -> Answer | None:
            return Answer(206, data[:PART], headers) if request.headers.get("range") == second else None

        with Recorder(store.endpoint, interfere) as wire:
            stream = store.client(part_size=PART, endpoint=wire.endpoint).get_object(bucket, "k")
            assert next(stream) == data[:PART], what
            with pytest.raises(S3Exception) as caught:
                next(stream)
            assert caught.value.kind in {"integrity", "precondition"}, what


def test_a_service_that_fails_half_way_is_told_again(store: Store, bucket: str) -> None:
    """Parts before it are good; the error stays, where upstream lets a retrying reader see a short object (§0, §5)."""
    data = pattern(MANY * PART)
    store.raw.put(bucket, "k", data)
    bad = f"bytes={3 * PART}-{4 * PART - 1}"

    def interfere(request: Request) -> Answer | None:
        return s3_error(403, "AccessDenied", "no more") if request.headers.get("range") == bad else None

    with Recorder(store.endpoint, interfere) as wire:
        stream = store.client(part_size=PART, endpoint=wire.endpoint).get_object(bucket, "k")
        assert [next(stream) for _ in range(3)] == chunks_of(data, 0, 3 * PART)
        for _ in range(3):
            with pytest.raises(S3Exception, match=r"^Client error: Forbidden: no more$"):
                next(stream)
        assert stream.tell() == 3 * PART


def test_a_dropped_stream_asks_for_nothing_more(store: Store, bucket: str) -> None:
    """Only a window of parts was ever asked for, and collecting the stream cancels those (§5, drop)."""
    store.raw.put(bucket, "k", pattern(MANY * PART))
    with Recorder(store.endpoint) as wire:
        stream = store.client(part_size=PART, endpoint=wire.endpoint).get_object(bucket, "k")
        next(stream)
        next(stream)
        del stream
        eventually(nothing_held, "the engine lets go")
        eventually(lambda: all(request.status for request in wire.requests), "what was sent is answered")
        assert 2 <= len(wire.requests) <= 2 + WINDOW_PARTS
