"""Uploads through a real store: what is stored, when it appears, and that nothing is left of what is given up.

Owns: contract §6 for the real client, on the embedded S3 and on MinIO. Refuses to know: what is on the wire (test_wire.py),
the mock (test_mock.py), interrupts and forks.
"""

from __future__ import annotations

import gc
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
from helpers import KIB, MIB, eventually, pattern, sha256
from recorder import Answer, Recorder, Request, s3_error

from s3torchconnectorclient import S3Exception
from s3torchconnectorclient._put import MOST_PART_BYTES, PARTS_A_SIZE, part_bytes

if TYPE_CHECKING:
    from conftest import Store

PART = 5 * MIB
CLOSED = r"^Cannot write to closed object$"
POISONED = "Client error: Internal S3 client error: A previous write operation did not complete successfully"


@pytest.fixture
def client(store: Store) -> Any:
    """A client with the smallest parts."""
    return store.client(part_size=PART)


def etag_parts(client: Any, bucket: str, key: str) -> int:
    """Give the N of an ETag "...-N"."""
    return int(client.head_object(bucket, key).etag.strip('"').rpartition("-")[2])


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 7])
def test_what_is_written_is_stored(store: Store, bucket: str, client: Any, size: int) -> None:
    """In one write, as parts of part_size, of which the ETag tells the number; nothing is one empty part (§6)."""
    data = pattern(size)
    stream = client.put_object(bucket, "k")
    assert stream.write(data) is None
    assert store.raw.get(bucket, "k") is None
    assert stream.close() is None
    assert sha256(store.raw.get(bucket, "k") or b"") == sha256(data)
    assert etag_parts(client, bucket, "k") == max(1, -(-size // PART))


def test_closing_at_once_stores_an_empty_object(store: Store, bucket: str, client: Any) -> None:
    """Without any write, too (§6)."""
    client.put_object(bucket, "k").close()
    assert store.raw.get(bucket, "k") == b""


@pytest.mark.parametrize("seed", range(3))
def test_writes_of_any_size_are_gathered(store: Store, bucket: str, client: Any, seed: int) -> None:
    """What is stored depends on the bytes alone, not on how they were handed over (§6)."""
    dice = random.Random(seed)
    data = pattern(3 * PART + 4321, seed)
    stream, at = client.put_object(bucket, "k"), 0
    while at < len(data):
        size = dice.choice((0, 1, 3, 1000, 64 * KIB, MIB + 1, PART - 1, PART, PART + 1, 2 * PART + 3))
        stream.write(data[at : at + size])
        at += size
    stream.write(b"")
    stream.close()
    assert sha256(store.raw.get(bucket, "k") or b"") == sha256(data)
    assert etag_parts(client, bucket, "k") == 4


def test_what_is_written_may_be_reused(store: Store, bucket: str, client: Any) -> None:
    """write() has its own hold on what it got: the caller may forget it at once (§6)."""
    stream = client.put_object(bucket, "k")
    for number in range(40):
        stream.write(number.to_bytes(1, "big") * MIB)
    stream.close()
    expected = b"".join(number.to_bytes(1, "big") * MIB for number in range(40))
    assert sha256(store.raw.get(bucket, "k") or b"") == sha256(expected)


@pytest.mark.parametrize("data", ["text", bytearray(b"x"), memoryview(b"x"), None, 3, [1]])
def test_only_bytes_are_taken(store: Store, bucket: str, client: Any, data: Any) -> None:
    """Anything else is a TypeError, and the stream goes on (§6)."""
    stream = client.put_object(bucket, "k")
    stream.write(b"1")
    with pytest.raises(TypeError, match=f"^argument 'data': '{type(data).__name__}' object cannot be cast as 'bytes'$"):
        stream.write(data)
    stream.write(b"2")
    stream.close()
    assert store.raw.get(bucket, "k") == b"12"


def test_a_closed_stream_says_so(bucket: str, client: Any) -> None:
    """A second close and a write, even of nothing, have upstream's texts; attributes stay (§6)."""
    stream = client.put_object(bucket, "k")
    assert (stream.bucket, stream.key) == (bucket, "k")
    stream.close()
    for _ in range(2):
        with pytest.raises(S3Exception, match=r"^Cannot close object more than once$"):
            stream.close()
        for data in (b"", b"x"):
            with pytest.raises(S3Exception, match=CLOSED):
                stream.write(data)
    assert (stream.bucket, stream.key) == (bucket, "k")


@pytest.mark.parametrize("size", [None, 0, 1, PART - 1, 2 * PART + 1, 14 * PART])
def test_a_dropped_stream_leaves_nothing(store: Store, bucket: str, client: Any, size: int | None) -> None:
    """No object, no upload with parts that somebody pays for, and the old object is kept (§6)."""
    store.raw.put(bucket, "old", b"old")
    for key in ("old", "new"):
        stream = client.put_object(bucket, key)
        if size is not None:
            stream.write(bytes(size))
        del stream
        eventually(lambda: not store.raw.open_uploads(bucket), f"the upload of {key} is aborted")
    assert store.raw.get(bucket, "old") == b"old"
    assert store.raw.get(bucket, "new") is None


def test_a_dropped_stream_is_aborted_without_its_client(store: Store, bucket: str) -> None:
    """Also when the client object was collected first (§6)."""
    client = store.client(part_size=PART)
    stream = client.put_object(bucket, "k")
    del client
    gc.collect()
    stream.write(bytes(PART))
    del stream
    eventually(lambda: not store.raw.open_uploads(bucket), "the upload is aborted")
    assert store.raw.get(bucket, "k") is None


def test_a_stream_outlives_its_client(store: Store, bucket: str) -> None:
    """A stream keeps the engine's client alive (§3, lifetime)."""
    stream = store.client(part_size=PART).put_object(bucket, "k")
    gc.collect()
    stream.write(pattern(PART + 1))
    stream.close()
    assert store.raw.get(bucket, "k") == pattern(PART + 1)


def test_the_last_to_close_wins(store: Store, bucket: str, client: Any) -> None:
    """Two uploads to one key do not disturb each other (§6: visible only at close)."""
    first, second = client.put_object(bucket, "k"), client.put_object(bucket, "k")
    second.write(b"second")
    first.write(b"first")
    second.close()
    assert store.raw.get(bucket, "k") == b"second"
    first.close()
    assert store.raw.get(bucket, "k") == b"first"


def test_storage_classes_are_kept(bucket: str, client: Any) -> None:
    """HEAD tells it, STANDARD as None; one that the service does not know is refused at once (§4, §6)."""
    for given, told in ((None, None), ("STANDARD", None), ("REDUCED_REDUNDANCY", "REDUCED_REDUNDANCY")):
        client.put_object(bucket, "k", given).close()
        assert client.head_object(bucket, "k").storage_class == told
    with pytest.raises(S3Exception, match=r"^Client error: Unknown response error: HTTP 400: InvalidStorageClass") as caught:
        client.put_object(bucket, "k", "NONSENSE")
    assert (caught.value.kind, caught.value.http_status, caught.value.code) == ("service", 400, "InvalidStorageClass")


def test_a_missing_bucket_fails_at_once(client: Any) -> None:
    """put_object itself raises, not the first write (§0, §2, §6)."""
    with pytest.raises(S3Exception, match=r"^Client error: Unknown response error: HTTP 404: NoSuchBucket") as caught:
        client.put_object("no-such-bucket", "k")
    assert (caught.value.kind, caught.value.http_status, caught.value.code) == ("not_found", 404, "NoSuchBucket")


def test_many_threads_share_a_client(store: Store, bucket: str, client: Any) -> None:
    """Each stores its own object (§3, thread safety)."""
    objects = {f"k{n}": pattern(PART + n * 1000, n) for n in range(6)}

    def store_one(key: str) -> None:
        stream = client.put_object(bucket, key)
        stream.write(objects[key])
        stream.close()

    threads = [threading.Thread(target=store_one, args=(key,)) for key in objects]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key: store.raw.get(bucket, key) for key in objects} == objects


# What fails on the way.


def failing(store: Store, answer: Answer, when: Any) -> Recorder:
    """A way to the store on which some requests are answered so."""

    def interfere(request: Request) -> Answer | None:
        return answer if when(request) else None

    return Recorder(store.endpoint, interfere)


def test_a_part_that_fails_fails_the_stream(store: Store, bucket: str) -> None:
    """Some write or close raises the real reason, everything after it the same old text; nothing is left (§6, failures)."""
    denied = s3_error(403, "AccessDenied", "not you")
    with failing(store, denied, lambda r: r.query.get("partNumber") == "2") as wire:
        stream = store.client(part_size=PART, endpoint=wire.endpoint).put_object(bucket, "k")
        with pytest.raises(S3Exception, match=r"^Client error: Forbidden: not you$") as caught:  # noqa: PT012 - some write
            for _ in range(100):
                stream.write(pattern(PART))
        assert caught.value.kind == "denied"
        for call in (lambda: stream.write(b"x"), lambda: stream.write(b""), stream.close, stream.close):
            with pytest.raises(S3Exception) as after:
                call()
            assert str(after.value) == POISONED
        eventually(lambda: not store.raw.open_uploads(bucket), "the upload is aborted before anybody collects the stream")
    assert store.raw.get(bucket, "k") is None


def test_a_part_that_fails_last_fails_the_close(store: Store, bucket: str) -> None:
    """close raises the real reason, and the stream counts as closed (§6, failures)."""
    with failing(store, s3_error(403, "AccessDenied", "not you"), lambda r: "partNumber" in r.query) as wire:
        stream = store.client(part_size=PART, endpoint=wire.endpoint).put_object(bucket, "k")
        stream.write(b"less than a part")
        with pytest.raises(S3Exception, match=r"^Client error: Forbidden: not you$"):
            stream.close()
        with pytest.raises(S3Exception, match=r"^Cannot close object more than once$"):
            stream.close()
        with pytest.raises(S3Exception, match=CLOSED):
            stream.write(b"x")
        eventually(lambda: not store.raw.open_uploads(bucket), "the upload is aborted")
    assert store.raw.get(bucket, "k") is None


def test_a_complete_that_fails_fails_the_close(store: Store, bucket: str) -> None:
    """The object does not appear, and its parts are aborted (§6)."""
    when = lambda r: r.method == "POST" and "uploadId" in r.query  # noqa: E731
    with failing(store, s3_error(400, "InvalidPart", "no such part"), when) as wire:
        stream = store.client(part_size=PART, endpoint=wire.endpoint).put_object(bucket, "k")
        stream.write(pattern(PART))
        with pytest.raises(S3Exception, match=r"^Client error: Unknown response error: HTTP 400: InvalidPart: no such part"):
            stream.close()
        eventually(lambda: not store.raw.open_uploads(bucket), "the upload is aborted")
    assert store.raw.get(bucket, "k") is None


def test_a_complete_that_fails_inside_a_200_is_tried_again(store: Store, bucket: str) -> None:
    """A 200 whose body is an error is no success (§3, retries)."""
    failures: list[Request] = []

    def interfere(request: Request) -> Answer | None:
        if request.method != "POST" or "uploadId" not in request.query or failures:
            return None
        failures.append(request)
        answer = s3_error(200, "InternalError", "try again")
        return Answer(200, answer.body, answer.headers)

    with Recorder(store.endpoint, interfere) as wire:
        stream = store.client(part_size=PART, endpoint=wire.endpoint).put_object(bucket, "k")
        stream.write(b"data")
        stream.close()
    assert len(failures) == 1
    assert store.raw.get(bucket, "k") == b"data"


def test_parts_grow_so_that_ten_thousand_hold_any_object() -> None:
    """Upstream's equal parts end at 78 GiB; these double every thousand parts, and none passes S3's 5 GiB (§6, wire)."""
    for part_size in (5 * MIB, 8 * MIB, 64 * MIB, 5 << 30):
        sizes = [part_bytes(number, part_size) for number in range(1, 10_001)]
        assert sizes[:PARTS_A_SIZE] == [part_size] * PARTS_A_SIZE
        assert sizes == sorted(sizes)
        assert max(sizes) <= MOST_PART_BYTES == 5 << 30
        assert sum(sizes) >= 4 << 40
    assert [part_bytes(n, 8 * MIB) // MIB for n in (1, 1000, 1001, 2000, 2001, 10_000)] == [8, 8, 16, 16, 32, 4096]
