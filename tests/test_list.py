"""Listings of a real store: pages, prefixes, states.

Owns: contract §4 (list) for the real client, on the embedded S3 and on MinIO. Refuses to know: what is on the wire
(test_wire.py), the mock (test_mock.py).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from recorder import Answer, Recorder, Request, s3_error

from s3torchconnectorclient import S3Exception
from s3torchconnectorclient._mountpoint_s3_client import ListObjectResult, ListObjectStream, ObjectInfo

if TYPE_CHECKING:
    from conftest import Store

KEYS = ["a", "b/1", "b/2", "b/c/3", "b0", "c d", "c+d", "c%20d", "z", "é", "日本", "😀"]


@pytest.fixture
def client(store: Store) -> Any:
    """A client."""
    return store.client()


@pytest.fixture
def filled(store: Store, bucket: str) -> str:
    """A bucket with KEYS; each object holds its key."""
    for key in reversed(KEYS):
        store.raw.put(bucket, key, key.encode())
    return bucket


def keys(pages: list[ListObjectResult]) -> list[str]:
    """All keys of some pages."""
    return [info.key for page in pages for info in page.object_info]


def test_an_object_is_told_whole(bucket: str, client: Any) -> None:
    """Key, quoted ETag, size, UTC seconds, storage class (STANDARD, unlike HEAD), no restore status (§4)."""
    before = int(time.time())
    stream = client.put_object(bucket, "k")
    stream.write(b"data")
    stream.close()
    page = next(client.list_objects(bucket))
    assert type(page) is ListObjectResult
    (info,) = page.object_info
    assert type(info) is ObjectInfo
    head = client.head_object(bucket, "k")
    told = (info.key, info.etag, info.size, info.last_modified, info.storage_class, info.restore_status)
    assert told == ("k", head.etag, 4, head.last_modified, "STANDARD", None)
    assert info.etag.startswith('"')
    assert info.etag.endswith('-1"')
    assert before - 1 <= info.last_modified <= time.time() + 1
    assert page.common_prefixes == []


@pytest.mark.parametrize("max_keys", [1, 2, 3, len(KEYS), len(KEYS) + 1, 1000])
def test_lists_come_in_pages(store: Store, filled: str, client: Any, max_keys: int) -> None:
    """ceil(n / max_keys) of them, in UTF-8 order; the token is None before the first and after the last (§4).

    Pages are the service's: MinIO adds an empty one where the last is full.
    """
    stream = client.list_objects(filled, max_keys=max_keys)
    assert iter(stream) is stream
    assert (stream.continuation_token, stream.complete) == (None, False)
    pages, states = [], []
    for page in stream:
        pages.append(page)
        states.append((stream.continuation_token is None, stream.complete))
    assert keys(pages) == sorted(KEYS, key=str.encode)
    count = -(-len(KEYS) // max_keys)
    count += store.name == "minio" and max_keys < len(KEYS) == count * max_keys
    assert [len(page.object_info) for page in pages] == [min(max_keys, len(KEYS) - n * max_keys) for n in range(count)]
    assert states == [(False, False)] * (count - 1) + [(True, True)]
    assert [next(stream, None) for _ in range(3)] == [None] * 3


@pytest.mark.parametrize(
    ("prefix", "delimiter", "expected"),
    [
        ("b", "", (["b/1", "b/2", "b/c/3", "b0"], [])),
        ("b/", "", (["b/1", "b/2", "b/c/3"], [])),
        ("", "/", (["a", "b0", "c d", "c%20d", "c+d", "z", "é", "日本", "😀"], ["b/"])),
        ("b/", "/", (["b/1", "b/2"], ["b/c/"])),
        ("b/c/", "/", (["b/c/3"], [])),
        ("c ", "", (["c d"], [])),
        ("c+", "", (["c+d"], [])),
        ("c%20", "", (["c%20d"], [])),
        ("é", "", (["é"], [])),
        ("z", "/", (["z"], [])),
        ("nothing", "/", ([], [])),
    ],
)
def test_prefixes_and_delimiters(filled: str, client: Any, prefix: str, delimiter: str, expected: Any) -> None:
    """Keys that begin with the prefix, literally; what a delimiter ends is one common prefix (§4)."""
    stream = client.list_objects(filled, prefix, delimiter)
    (page,) = list(stream)
    assert ([info.key for info in page.object_info], page.common_prefixes) == expected
    assert (stream.bucket, stream.prefix, stream.delimiter, stream.max_keys) == (filled, prefix, delimiter, 1000)


def test_common_prefixes_count_as_keys(filled: str, client: Any) -> None:
    """max_keys bounds both together, and no prefix is told twice (§4)."""
    pages = list(client.list_objects(filled, delimiter="/", max_keys=2))
    assert [len(page.object_info) + len(page.common_prefixes) for page in pages] == [2] * 5
    assert [prefix for page in pages for prefix in page.common_prefixes] == ["b/"]
    assert keys(pages) == [key for key in sorted(KEYS, key=str.encode) if "/" not in key]


def test_an_empty_result_is_one_page(bucket: str, client: Any) -> None:
    """With empty lists, then the end; also where no keys are asked for (§4)."""
    for stream in (client.list_objects(bucket), client.list_objects(bucket, "none"), client.list_objects(bucket, max_keys=0)):
        (page,) = list(stream)
        assert (page.object_info, page.common_prefixes) == ([], [])
        assert (stream.continuation_token, stream.complete) == (None, True)


def test_pages_give_fresh_lists(filled: str, client: Any) -> None:
    """What a caller does to one does not show in the next (§4)."""
    page = next(client.list_objects(filled, delimiter="/"))
    page.object_info.clear()
    page.common_prefixes.clear()
    assert len(page.object_info) == 9
    assert page.common_prefixes == ["b/"]
    assert page.object_info[0] is not page.object_info[0]


def test_a_listing_resumes_from_its_state(filled: str, client: Any, store: Store) -> None:
    """With another client, positionally or by keyword, in the middle, at the end and from the beginning (§4)."""
    stream = client.list_objects(filled, "", "", 5)
    first = next(stream)
    names = ("bucket", "prefix", "delimiter", "max_keys", "continuation_token", "complete")
    state = {name: getattr(stream, name) for name in names}
    again = ListObjectStream._from_state(client=store.client(), **state)
    assert {name: getattr(again, name) for name in state} == state
    assert keys([first, *again]) == sorted(KEYS, key=str.encode)
    assert keys(list(ListObjectStream._from_state(client, filled, "", "", 1000, None, False))) == sorted(KEYS, key=str.encode)  # noqa: FBT003
    assert list(ListObjectStream._from_state(client, filled, "", "", 1000, None, True)) == []  # noqa: FBT003


def test_only_clients_can_resume(bucket: str) -> None:
    """Anything else is a TypeError (§4)."""
    for wrong in (None, "client", object()):
        with pytest.raises(TypeError, match="argument 'client'"):
            ListObjectStream._from_state(wrong, bucket, "", "", 1000, None, False)  # noqa: FBT003


def test_a_missing_bucket_is_told_by_next(client: Any) -> None:
    """Not by list_objects, which asks for nothing; and told again (§2, §4)."""
    stream = client.list_objects("no-such-bucket")
    for _ in range(2):
        with pytest.raises(S3Exception, match=r"^Service error: The bucket does not exist$") as caught:
            next(stream)
        assert (caught.value.kind, caught.value.http_status, caught.value.code) == ("not_found", 404, "NoSuchBucket")
        assert (stream.continuation_token, stream.complete) == (None, False)


def test_a_failing_page_keeps_the_state(store: Store, filled: str) -> None:
    """The next next() asks for the same page again, and nothing is missing (§4)."""
    bad: list[Request] = []

    def interfere(request: Request) -> Answer | None:
        if "continuation-token" in request.query and len(bad) < 2:
            bad.append(request)
            return s3_error(403, "AccessDenied", "not now")
        return None

    with Recorder(store.endpoint, interfere) as wire:
        stream = store.client(endpoint=wire.endpoint).list_objects(filled, max_keys=5)
        pages = [next(stream)]
        token = stream.continuation_token
        for _ in range(2):
            with pytest.raises(S3Exception, match=r"^Client error: Forbidden: not now$"):
                next(stream)
            assert (stream.continuation_token, stream.complete) == (token, False)
        pages.extend(stream)
        tokens = [request.query.get("continuation-token") for request in wire.requests]
    assert keys(pages) == sorted(KEYS, key=str.encode)
    assert tokens[:4] == [None, token, token, token]


PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>{truncated}</IsTruncated>{more}</ListBucketResult>"""
ENTRY = """<Contents><Key>{key}</Key><LastModified>2024-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag>\
<Size>18446744</Size>{more}</Contents>"""


def listed(text: str) -> list[ListObjectResult]:
    """The pages that a service's XML makes."""
    with Recorder(interfere=lambda _: Answer(200, text.encode())) as wire:
        from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client  # noqa: PLC0415

        return list(MountpointS3Client("us-east-1", endpoint=wire.endpoint, force_path_style=True).list_objects("bucket"))


def test_what_lists_may_hold_is_read() -> None:
    """Fractions are dropped, keys not trimmed, storage class and restore status optional, expiry the real time in ms (§0, §4)."""
    restored = "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>"
    restored += "<RestoreExpiryDate>2024-01-03T00:00:00.000Z</RestoreExpiryDate></RestoreStatus>"
    pending = "<RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>"
    entries = [
        ENTRY.format(key=" k&amp;&#x9;\n ", more="<StorageClass>GLACIER</StorageClass>" + restored),
        ENTRY.format(key="p", more=pending),
        ENTRY.format(key="n", more=""),
    ]
    (page,) = listed(PAGE.format(truncated="false", more="".join(entries)))
    first, second, third = page.object_info
    assert (first.key, first.etag, first.size, first.last_modified) == (" k&\t\n ", '"e"', 18446744, 1704164645)
    assert (first.storage_class, second.storage_class) == ("GLACIER", None)
    assert (first.restore_status.in_progress, first.restore_status.expiry) == (False, 1704240000000)
    assert (second.restore_status.in_progress, second.restore_status.expiry) == (True, None)
    assert (third.key, third.storage_class, third.restore_status) == ("n", None, None)


@pytest.mark.parametrize(
    "text",
    [
        PAGE.format(truncated="true", more=""),
        PAGE.format(truncated="false", more="<NextContinuationToken>t</NextContinuationToken>"),
        PAGE.format(truncated="false", more="<Contents><Key>k</Key></Contents>"),
        PAGE.format(truncated="false", more=ENTRY.format(key="k", more="").replace("2024-01-02T03:04:05.678Z", "yesterday")),
        PAGE.format(truncated="false", more=ENTRY.format(key="k", more="").replace("18446744", "many")),
        PAGE.format(truncated="false", more="<Contents>"),
        "",
        "no XML",
        "<html><body>Welcome to the network</body></html>",
    ],
    ids=["no token", "a token too many", "no size", "bad time", "bad size", "cut off", "nothing", "text", "another's page"],
)
def test_a_page_that_makes_no_sense_is_an_error(text: str) -> None:
    """A listing never ends early because an answer was not understood (§2, §4)."""
    with pytest.raises(S3Exception, match=r"^Client error: Internal S3 client error: "):
        listed(text)
