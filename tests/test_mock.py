"""MockMountpointS3Client: contract §7, row by row, on the real engine over an S3 in memory.

Owns: the mock's own rules. Refuses to know: the network.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3torchconnectorclient import S3Exception
from s3torchconnectorclient._mountpoint_s3_client import ListObjectStream, MockMountpointS3Client, MountpointS3Client
from s3torchconnectorclient._put import part_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20


def mocked(part_size: int = 8 * MIB, **objects: bytes) -> MountpointS3Client:
    """Make a client over a mock that has these objects in bucket `b`."""
    mock = MockMountpointS3Client("r", "b", part_size=part_size)
    for key, data in objects.items():
        mock.add_object(key, data)
    return mock.create_mocked_client()


def keys(client: MountpointS3Client, **options: Any) -> list[str]:
    return [info.key for page in client.list_objects("b", **options) for info in page.object_info]


def in_child(check: Callable[[], object]) -> None:
    """Run a check in a forked child; it must hold there."""
    pid = os.fork()
    if not pid:
        try:
            check()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must not run on into pytest
            import traceback  # noqa: PLC0415

            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_attributes_are_what_was_passed() -> None:
    """Bucket and endpoint are not among them (§7)."""
    mock = MockMountpointS3Client("r", "b", 3, 1, "agent", True, True, 2)  # noqa: FBT003 - upstream's order
    values = (mock.region, mock.throughput_target_gbps, mock.part_size, mock.user_agent_prefix)
    assert values == ("r", 3.0, 1, "agent")
    assert (mock.unsigned, mock.force_path_style, mock.max_attempts) == (True, True, 2)
    assert MockMountpointS3Client("r", "b").user_agent_prefix == "mock_client"
    assert not hasattr(mock, "bucket")
    with pytest.raises(TypeError):
        MockMountpointS3Client("r", "b", endpoint="x")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="part_size"):
        MockMountpointS3Client("r", "b", part_size=0)


def test_its_clients_are_of_the_real_type_and_share_the_store() -> None:
    """Objects added later are seen by all of them; pickling one yields a real client (§7)."""
    mock = MockMountpointS3Client("r", "b", part_size=2)
    one, other = mock.create_mocked_client(), mock.create_mocked_client()
    assert type(one) is MountpointS3Client
    assert (one.part_size, one.profile, one.endpoint) == (2, None, None)
    mock.add_object("k", b"xyz")
    assert b"".join(one.get_object("b", "k")) == b"".join(other.get_object("b", "k")) == b"xyz"
    assert one.__getnewargs__() == ("r", "mock_client", 10.0, 2, None, False, None, False, 10)
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(mock)


@pytest.mark.parametrize("data", [b"\x01\x02", bytearray(b"\x01\x02"), memoryview(b"\x01\x02"), [1, 2], (1, 2), range(1, 3)])
def test_objects_are_any_sequence_of_bytes(data: Any) -> None:
    """bytes, bytearray, memoryview and sequences of ints (§7)."""
    mock = MockMountpointS3Client("r", "b")
    mock.add_object("k", data)
    assert b"".join(mock.create_mocked_client().get_object("b", "k")) == b"\x01\x02"


@pytest.mark.parametrize(
    ("data", "error"),
    [("12", TypeError), (None, TypeError), ({1}, TypeError), (5, TypeError), ([256], OverflowError), ([1.0], TypeError)],
)
def test_other_data_is_refused(data: Any, error: type[Exception]) -> None:
    """Above all str: whose bytes would they be? (§7)."""
    with pytest.raises(error):
        MockMountpointS3Client("r", "b").add_object("k", data)


def test_chunks_are_parts_counted_from_the_start() -> None:
    """Two bytes each, and tell() follows; then StopIteration for ever (§5, §7)."""
    stream = mocked(part_size=2, k=b"1234567890").get_object("b", "k")
    assert (stream.bucket, stream.key, stream.tell()) == ("b", "k", 0)
    assert iter(stream) is stream
    seen = [(chunk, stream.tell()) for chunk in stream]
    assert seen == [(b"12", 2), (b"34", 4), (b"56", 6), (b"78", 8), (b"90", 10)]
    assert [next(stream, None) for _ in range(10)] == [None] * 10


@given(data=st.binary(max_size=200), part_size=st.integers(1, 50), cut=st.tuples(st.integers(0, 200), st.integers(0, 200)))
@settings(max_examples=60, deadline=None)
def test_ranges_are_exact_for_every_part_size(data: bytes, part_size: int, cut: tuple[int, int]) -> None:
    """Parts of [start, end) are part_size long but the last, and together what was asked for (§5)."""
    start, end = sorted(min(edge, len(data)) for edge in cut)
    client = mocked(part_size=part_size, k=data)
    if start == len(data):
        return
    stream = client.get_object("b", "k", start, end)
    assert stream.tell() == start
    chunks = list(stream)
    assert b"".join(chunks) == data[start:end]
    assert all(len(chunk) == part_size for chunk in chunks[:-1])
    assert stream.tell() == end
    assert b"" not in chunks


@pytest.mark.parametrize(("start", "end"), [(1, None), (0, 9), (8, 8), (9, 10)])
def test_the_mocks_ranges_are_strict(start: int, end: int | None) -> None:
    """Unlike S3's: an end past the object is an error, and so is a start without an end (§7)."""
    with pytest.raises(S3Exception, match=r"^Client error: invalid range, length=8$"):
        mocked(k=b"12345678").get_object("b", "k", start, end)


def test_an_empty_object_has_no_chunks() -> None:
    """Chunks are never empty (§5)."""
    assert list(mocked(k=b"").get_object("b", "k")) == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda c: c.get_object("b", "none"), "Service error: The key does not exist"),
        (lambda c: c.get_object("c", "k"), "Service error: The bucket does not exist"),
        (lambda c: next(c.list_objects("c")), "Service error: The bucket does not exist"),
        (lambda c: c.delete_object("c", "k"), "Service error: The bucket does not exist"),
        (lambda c: c.put_object("c", "k"), "Service error: The bucket does not exist"),
        (lambda c: c.head_object("b", "none"), "Service error: The object was not found"),
        (lambda c: c.head_object("c", "k"), "Service error: The object was not found"),
        (lambda c: c.copy_object("b", "none", "b", "x"), "Service error: The object was not found"),
    ],
)
def test_what_is_missing_is_told_in_upstreams_words(call: Any, text: str) -> None:
    """s3torchconnector and its users compare these texts (§2, §7)."""
    with pytest.raises(S3Exception) as caught:
        call(mocked(k=b"1"))
    assert str(caught.value) == text
    assert caught.value.kind == "not_found"


def test_head_tells_md5_without_quotes() -> None:
    """And the time of add_object, no storage class, no restore status (§7)."""
    head = mocked(k=b"data").head_object("b", "k")
    assert head.etag == hashlib.md5(b"data", usedforsecurity=False).hexdigest()
    assert (head.size, head.storage_class, head.restore_status) == (4, None, None)
    assert abs(head.last_modified - time.time()) < 60


def test_lists_come_in_pages() -> None:
    """In code point order, max_keys a page; the token is None before the first page and after the last (§4, §7)."""
    client = mocked(b=b"", a=b"1", é=b"", z=b"")
    stream = client.list_objects("b", max_keys=3)
    assert (stream.continuation_token, stream.complete) == (None, False)
    assert [info.key for info in next(stream).object_info] == ["a", "b", "z"]
    assert stream.complete is False
    assert isinstance(stream.continuation_token, str)
    resumed = ListObjectStream._from_state(
        client, stream.bucket, stream.prefix, stream.delimiter, stream.max_keys, stream.continuation_token, stream.complete
    )
    for rest in (stream, resumed):
        assert [info.key for info in next(rest).object_info] == ["é"]
        assert (rest.continuation_token, rest.complete) == (None, True)
        assert [next(rest, None) for _ in range(3)] == [None] * 3


def test_lists_know_prefixes_and_delimiters() -> None:
    """Common prefixes are told once each (§4)."""
    client = mocked(**{"x/1": b"", "x/2": b"", "y": b""})
    (page,) = client.list_objects("b", delimiter="/")
    assert (page.common_prefixes, [info.key for info in page.object_info]) == (["x/"], ["y"])
    assert keys(client, prefix="x/") == ["x/1", "x/2"]
    assert page.object_info[0] is not page.object_info[0]
    assert repr(page).startswith('PyListObjectResult { object_info: [PyObjectInfo { key: "y", etag: ')
    assert repr(page).endswith(', common_prefixes: ["x/"] }')


def test_an_empty_listing_is_one_page() -> None:
    """With empty lists, then the end (§4)."""
    pages = list(mocked().list_objects("b"))
    assert [(page.object_info, page.common_prefixes) for page in pages] == [([], [])]


def test_a_failed_page_leaves_the_state() -> None:
    """The next next() asks again (§4)."""
    mock = MockMountpointS3Client("r", "b")
    stream = mock.create_mocked_client().list_objects("c")
    for _ in range(2):
        with pytest.raises(S3Exception, match="The bucket does not exist"):
            next(stream)
    assert (stream.continuation_token, stream.complete) == (None, False)


def test_listings_resume_with_a_wrapped_client() -> None:
    """s3torchconnector passes its own S3Client when it unpickles a listing; upstream fails there (§4)."""

    class Wrapper:
        def __init__(self, client: MountpointS3Client) -> None:
            self._client = client

    stream = ListObjectStream._from_state(Wrapper(mocked(k=b"")), "b", "", "", 1000, None, complete=False)
    assert [info.key for info in next(stream).object_info] == ["k"]
    assert list(ListObjectStream._from_state(mocked(k=b""), "b", "", "", 1000, None, complete=True)) == []
    with pytest.raises(TypeError, match="argument 'client': 'int' object cannot be cast as 'MountpointS3Client'"):
        ListObjectStream._from_state(1, "b", "", "", 1, None, complete=False)


def test_puts_appear_at_close_and_replace() -> None:
    """Not before, and never if the stream is dropped (§6, §7)."""
    client = mocked(k=b"old")
    stream = client.put_object("b", "k", "STANDARD_IA")
    assert (stream.bucket, stream.key) == ("b", "k")
    stream.write(b"ne")
    stream.write(b"")
    stream.write(b"w")
    assert b"".join(client.get_object("b", "k")) == b"old"
    stream.close()
    assert b"".join(client.get_object("b", "k")) == b"new"
    assert client.head_object("b", "k").storage_class == "STANDARD_IA"
    dropped = client.put_object("b", "k")
    dropped.write(b"x" * (9 * MIB))
    del dropped
    gc.collect()
    assert b"".join(client.get_object("b", "k")) == b"new"


def test_closed_puts_say_so() -> None:
    """A second close and a write after close, even of nothing, have upstream's texts (§6)."""
    stream = mocked().put_object("b", "k")
    stream.close()
    for _ in range(2):
        with pytest.raises(S3Exception, match=r"^Cannot close object more than once$"):
            stream.close()
        with pytest.raises(S3Exception, match=r"^Cannot write to closed object$"):
            stream.write(b"")


@pytest.mark.parametrize("data", ["x", bytearray(b"x"), memoryview(b"x"), None])
def test_puts_take_bytes_alone(data: Any) -> None:
    """As upstream (§6)."""
    stream = mocked().put_object("b", "k")
    with pytest.raises(TypeError, match=rf"argument 'data': '{type(data).__name__}' object cannot be cast as 'bytes'"):
        stream.write(data)
    stream.write(b"fine")
    stream.close()


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_what_is_stored(writes: list[bytes], part_size: int) -> None:
    """For every way to cut it: small writes are gathered, large ones lent as they are (§6)."""
    client = mocked()
    client._put_part_size = part_size
    stream = client.put_object("b", "k")
    for data in writes:
        stream.write(data)
    stream.close()
    assert b"".join(client.get_object("b", "k")) == b"".join(writes)


def test_deleting_what_is_missing_is_fine() -> None:
    """Through the client and through the mock (§4, §7)."""
    mock = MockMountpointS3Client("r", "b")
    mock.remove_object("none")
    client = mock.create_mocked_client()
    client.delete_object("b", "none")
    mock.add_object("k", b"")
    client.delete_object("b", "k")
    assert keys(client) == []


def test_copies_stay_in_the_one_store() -> None:
    """Whatever the destination's bucket is called: s3torchconnector's unit tests copy to another one (§7)."""
    client = mocked(k=b"data")
    client.copy_object(src_bucket="b", src_key="k", dst_bucket="elsewhere", dst_key="copy")
    assert b"".join(client.get_object("b", "copy")) == b"data"


def test_a_stream_is_a_snapshot() -> None:
    """What was opened is read to its end, whatever happens to the key (§7)."""
    mock = MockMountpointS3Client("r", "b", part_size=2)
    mock.add_object("k", b"123456")
    stream = mock.create_mocked_client().get_object("b", "k")
    mock.remove_object("k")
    assert b"".join(stream) == b"123456"


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_keys_are_any_text(key: str) -> None:
    """NUL, newlines, astral characters: what was stored under it is found under it (§1)."""
    mock = MockMountpointS3Client("r", "b")
    mock.add_object(key, key.encode())
    client = mock.create_mocked_client()
    assert b"".join(client.get_object("b", key)) == key.encode()
    assert keys(client) == [key]


def test_streams_have_one_user_at_a_time() -> None:
    """A second next or write meanwhile is "Already borrowed", a look at an attribute "Already mutably borrowed" (§5, §6)."""
    client = mocked(k=b"data")
    reader, writer, pages = client.get_object("b", "k"), client.put_object("b", "w"), client.list_objects("b")
    for stream, advance in ((reader, reader.__next__), (writer, writer.close), (pages, pages.__next__)):
        stream._borrow(object())
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"^Already borrowed$"):
                advance()
            with pytest.raises(RuntimeError, match=r"^Already mutably borrowed$"):
                _ = stream.bucket
        stream._borrower = {}
        advance()
        assert stream.bucket == "b"


def test_parts_grow_until_10000_reach_beyond_any_object() -> None:
    """From 8 MiB, 10,000 parts hold more than 5 TiB; from any size they stay within S3's 5 GiB (§6: upstream ends at 78 GiB)."""
    assert [part_bytes(number, 8 * MIB) // MIB for number in (1, 1000, 1001, 2001, 10_000)] == [8, 8, 16, 32, 4096]
    assert sum(part_bytes(number, 8 * MIB) for number in range(1, 10_001)) > 5 << 40
    assert part_bytes(10_000, 5 << 30) == 5 << 30


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_objects_survive_forks() -> None:
    """A child sees what its parent had stored, so does its own child; what a child stores is its own (§8)."""
    mock = MockMountpointS3Client("r", "b", part_size=3)
    mock.add_object("k", b"12345678")
    client = mock.create_mocked_client()

    def child() -> None:
        mock.create_mocked_client()  # opened and dropped: the store must not end with it
        gc.collect()
        assert b"".join(client.get_object("b", "k")) == b"12345678"
        mock.add_object("child's", b"x")
        in_child(lambda: keys(client) == ["child's", "k"] or pytest.fail(str(keys(client))))

    in_child(child)
    assert keys(client) == ["k"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_stream_stays_with_its_process() -> None:
    """In a forked child it fails with a text that says what to do; in the parent it goes on (§8)."""
    mock = MockMountpointS3Client("r", "b", part_size=2)
    mock.add_object("k", b"12345678")
    client = mock.create_mocked_client()
    stream, writer = client.get_object("b", "k"), client.put_object("b", "w")
    assert next(stream) == b"12"
    writer.write(b"par")

    def child() -> None:
        assert stream.tell() == 2
        with pytest.raises(S3Exception, match="begin it again here"):
            next(stream)
        with pytest.raises(S3Exception, match="begin it again here"):
            writer.close()

    in_child(child)
    writer.write(b"ent")
    writer.close()
    assert b"".join(stream) == b"345678"
    assert b"".join(client.get_object("b", "w")) == b"parent"
