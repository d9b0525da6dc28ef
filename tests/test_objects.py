"""HEAD, DELETE and COPY through a real store, and what errors say, of whatever operation.

Owns: contract §2 and §4 (head, delete, copy) for the real client, on the embedded S3 and on MinIO. Refuses to know: what
is on the wire (test_wire.py), the mock (test_mock.py).
"""

from __future__ import annotations

import hashlib
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from helpers import MIB, pattern
from recorder import Answer, Recorder, Request, s3_error

from s3torchconnectorclient import S3Exception
from s3torchconnectorclient._mountpoint_s3_client import HeadObjectResult, MountpointS3Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store

NOT_FOUND = r"^Service error: The object was not found$"
ODD_KEYS = [
    "a b",
    "a+b",
    "a%20b",
    "100%",
    "%zz",
    "é/ü",
    "a&b=c?d#e",
    "~-._!*'()",
    "😀",
    "[+re.name]!@£$%^&*_(src)",
    'q"<>',
    "a:b,c;d",
]


@pytest.fixture
def client(store: Store) -> Any:
    """A client that gives up soon."""
    return store.client(max_attempts=2)


# HEAD.


def test_head_tells_what_is_known(store: Store, bucket: str, client: Any) -> None:
    """Quoted ETag, size, UTC seconds; no storage class for STANDARD, no restore status (§4)."""
    before = int(time.time())
    store.raw.put(bucket, "k", b"data")
    head = client.head_object(bucket, "k")
    assert type(head) is HeadObjectResult
    assert (head.etag, head.size, head.storage_class, head.restore_status) == (
        '"8d777f385d3dfec8815d20f7496026dc"',
        4,
        None,
        None,
    )
    assert before - 1 <= head.last_modified <= time.time() + 1


def test_head_finds_any_key(store: Store, bucket: str, client: Any) -> None:
    """And nothing else under it (§3, key encoding)."""
    for number, key in enumerate(ODD_KEYS):
        store.raw.put(bucket, key, bytes(number))
    assert [client.head_object(bucket, key).size for key in ODD_KEYS] == list(range(len(ODD_KEYS)))


def test_every_404_of_head_is_the_same(bucket: str, client: Any) -> None:
    """A missing key and a missing bucket: s3torchconnector's exists() compares this very text (§2)."""
    for where, key in ((bucket, "missing"), ("no-such-bucket", "k")):
        with pytest.raises(S3Exception, match=NOT_FOUND) as caught:
            client.head_object(where, key)
        assert (caught.value.kind, caught.value.http_status) == ("not_found", 404)


def headed(**headers: str) -> HeadObjectResult:
    """What a HEAD's headers make."""
    names = {name.replace("_", "-"): value for name, value in headers.items() if value}
    with Recorder(interfere=lambda _: Answer(200, headers=names, length=5)) as wire:
        return MountpointS3Client("us-east-1", endpoint=wire.endpoint, force_path_style=True).head_object("bucket", "k")


WHEN = "Tue, 02 Jan 2024 03:04:05 GMT"


def test_head_reads_archives() -> None:
    """Storage class and restore status; the expiry is the real time in ms, where upstream's is always 0 (§0, §4)."""
    kept = headed(ETag='"e"', Last_Modified=WHEN, x_amz_storage_class="GLACIER")
    assert (kept.etag, kept.size, kept.last_modified, kept.storage_class, kept.restore_status) == (
        '"e"',
        5,
        1704164645,
        "GLACIER",
        None,
    )
    pending = headed(ETag='"e"', Last_Modified=WHEN, x_amz_restore='ongoing-request="true"').restore_status
    assert (pending.in_progress, pending.expiry) == (True, None)
    there = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"'
    done = headed(ETag='"e"', Last_Modified=WHEN, x_amz_restore=there).restore_status
    assert (done.in_progress, done.expiry) == (False, 1356048000000)


@pytest.mark.parametrize("headers", [{"Last_Modified": WHEN}, {"ETag": '"e"'}, {"ETag": '"e"', "Last_Modified": "yesterday"}])
def test_head_needs_its_headers(headers: dict[str, str]) -> None:
    """An answer without ETag or time is an error, not a guess (§2, §4)."""
    with pytest.raises(S3Exception, match=r"^Client error: Internal S3 client error: "):
        headed(**headers)


# DELETE.


def test_delete_deletes_that_key(store: Store, bucket: str, client: Any) -> None:
    """Whatever is in its name; a missing key is success (§4)."""
    for key in [*ODD_KEYS, "a", "b/c"]:
        store.raw.put(bucket, key, b"")
    for key in ODD_KEYS:
        assert client.delete_object(bucket, key) is None
    assert store.raw.keys(bucket) == ["a", "b/c"]
    assert client.delete_object(bucket, "missing") is None


def test_delete_needs_the_bucket(client: Any) -> None:
    """A missing bucket is an error (§2)."""
    with pytest.raises(S3Exception, match=r"^Service error: The bucket does not exist$"):
        client.delete_object("no-such-bucket", "k")


def test_an_empty_key_is_no_key(store: Store, bucket: str, client: Any) -> None:
    """Upstream asks about the bucket then, and deletes an empty one (§0)."""
    for call in (client.delete_object, client.head_object, client.get_object, client.put_object):
        with pytest.raises(S3Exception, match=r"^Client error: Failed to construct request: the key is empty$"):
            call(bucket, "")
    assert store.raw.keys(bucket) == []


# COPY.


def test_copy_takes_escaped_and_plain_source_keys(store: Store, bucket: str, client: Any) -> None:
    """s3torchconnector gives them percent-encoded, segment by segment; people give them as they are (§0, §4)."""
    for number, key in enumerate(ODD_KEYS):
        store.raw.put(bucket, key, b"%d" % number)
        escaped = "/".join(quote(segment, safe="") for segment in key.split("/"))
        assert client.copy_object(bucket, escaped, bucket, f"escaped/{key}") is None
        assert store.raw.get(bucket, f"escaped/{key}") == b"%d" % number, key
        if key == "a%20b":
            continue  # taken as the encoding of "a b": both readings cannot be had
        assert client.copy_object(bucket, key, bucket, f"plain/{key}") is None
        assert store.raw.get(bucket, f"plain/{key}") == b"%d" % number, key


def test_copy_takes_names(store: Store, bucket: str, client: Any) -> None:
    """By keyword, to another bucket, over an object; no class is asked for, and the source is kept (§4)."""
    other = f"{bucket}-2"
    store.raw.create_bucket(other)
    stream = client.put_object(bucket, "k", "REDUCED_REDUNDANCY")
    stream.write(b"data")
    stream.close()
    store.raw.put(other, "k", b"old")
    client.copy_object(src_bucket=bucket, src_key="k", dst_bucket=other, dst_key="k")
    assert store.raw.get(other, "k") == b"data"
    if store.name != "minio":  # which keeps the source's, where S3 begins again with STANDARD
        assert client.head_object(other, "k").storage_class is None
    assert client.head_object(bucket, "k").storage_class == "REDUCED_REDUNDANCY"
    store.raw.delete(other, "k")


def test_every_404_of_copy_is_the_same(store: Store, bucket: str, client: Any) -> None:
    """Missing source key, source bucket or destination bucket (§2)."""
    store.raw.put(bucket, "k", b"")
    for call in ((bucket, "missing", bucket, "x"), ("no-such-bucket", "k", bucket, "x"), (bucket, "k", "no-such-bucket", "x")):
        with pytest.raises(S3Exception, match=NOT_FOUND) as caught:
            client.copy_object(*call)
        assert (caught.value.kind, caught.value.http_status) == ("not_found", 404)


def test_a_copy_of_a_gib_goes_in_parts(store: Store, bucket: str, client: Any) -> None:
    """From 1 GiB on: parts of 64 MiB, each only if the source is still the same; aborted where one fails (§4)."""
    store.raw.put(bucket, "k", b"0123456789")
    etag = client.head_object(bucket, "k").etag
    gib = 1 << 30

    def pretend(request: Request) -> Answer | None:
        if request.method == "HEAD":
            return Answer(200, headers={"ETag": etag, "Last-Modified": WHEN}, length=gib + 1)
        if "partNumber" in request.query:
            assert request.headers["x-amz-copy-source-if-match"] == etag
            if request.query["partNumber"] == "17":
                return s3_error(412, "PreconditionFailed", "changed")
            return Answer(200, b"<CopyPartResult><ETag>&quot;e&quot;</ETag></CopyPartResult>")
        return None

    with Recorder(store.endpoint, pretend) as wire:
        with pytest.raises(S3Exception, match=r"^Service error: At least one of the preconditions specified did not hold$"):
            store.client(endpoint=wire.endpoint).copy_object(bucket, "k", bucket, "copy")
        ranges = {
            int(r.query["partNumber"]): r.headers["x-amz-copy-source-range"] for r in wire.requests if "partNumber" in r.query
        }
    part = 64 * MIB
    expected = {n + 1: f"bytes={n * part}-{min((n + 1) * part, gib + 1) - 1}" for n in range(17)}
    assert ranges.items() <= expected.items()
    assert ranges[17] == expected[17] == f"bytes={gib}-{gib}"
    assert store.raw.open_uploads(bucket) == []
    assert store.raw.get(bucket, "copy") is None


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_gib_and_more_is_copied(store: Store, bucket: str) -> None:
    """Byte for byte, in parts (§4)."""
    client = store.client(part_size=64 * MIB)
    block = pattern(16 * MIB)
    stream = client.put_object(bucket, "k")
    for _ in range(65):
        stream.write(block)
    stream.write(b"end")
    stream.close()
    client.copy_object(bucket, "k", bucket, "copy")
    head = client.head_object(bucket, "copy")
    assert (head.size, head.etag.strip('"').rpartition("-")[2]) == (65 * len(block) + 3, "17")
    wanted, got = hashlib.sha256(block * 65 + b"end"), hashlib.sha256()
    for chunk in client.get_object(bucket, "copy"):
        got.update(chunk)
    assert got.hexdigest() == wanted.hexdigest()


def test_virtual_hosts_work(embedded_store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket in the host's name, through all operations, by way of a proxy, which needs no such name to resolve (§3)."""
    with Recorder(embedded_store.endpoint) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.endpoint)
        client = embedded_store.client(endpoint="http://localhost:1", force_path_style=False, part_size=5 * MIB)
        stream = client.put_object(bucket, "a b")
        stream.write(pattern(6 * MIB))
        stream.close()
        client.copy_object(bucket, "a b", bucket, "c")
        assert b"".join(client.get_object(bucket, "c", 1)) == pattern(6 * MIB)[1:]
        assert [info.key for info in next(client.list_objects(bucket)).object_info] == ["a b", "c"]
        client.delete_object(bucket, "c")
        with pytest.raises(S3Exception, match=NOT_FOUND):
            client.head_object(bucket, "c")
        assert {request.headers["host"] for request in proxy.requests} == {f"{bucket}.localhost:1"}


# Errors of any operation.

CALLS: dict[str, Callable[[Any, str], Any]] = {
    "get": lambda c, b: c.get_object(b, "k"),
    "put": lambda c, b: c.put_object(b, "k"),
    "head": lambda c, b: c.head_object(b, "k"),
    "list": lambda c, b: next(c.list_objects(b)),
    "delete": lambda c, b: c.delete_object(b, "k"),
    "copy": lambda c, b: c.copy_object(b, "k", b, "k2"),
}
ALL = tuple(CALLS)
UNKNOWN = "Client error: Unknown response error: HTTP "
BUCKET, KEY = (f"Service error: The {what} does not exist" for what in ("bucket", "key"))
OBJECT = "Service error: The object was not found"
CHANGED = "Service error: At least one of the preconditions specified did not hold"
BROKEN = "Client error: Internal error of the service: "
FORBIDDEN, REGION = "Client error: Forbidden: ", "Client error: Wrong region (expecting eu-west-1)"
WITH_BODY = ("get", "put", "list", "delete")  # copy begins with a HEAD
ELSEWHERE, HERE = {"x-amz-bucket-region": "eu-west-1"}, {"x-amz-bucket-region": "us-east-1"}
WORDED = [  # verbs, answer, text, kind
    (("get", "list", "delete"), s3_error(404, "NoSuchBucket"), BUCKET, "not_found"),
    (("get",), s3_error(404, "NoSuchKey"), KEY, "not_found"),
    (("head", "copy"), s3_error(404, "NoSuchBucket"), OBJECT, "not_found"),
    (("put",), s3_error(404, "NoSuchBucket", "no"), UNKNOWN + "404: NoSuchBucket: no", "not_found"),
    (WITH_BODY, s3_error(404, "NoSuchThing", "no"), UNKNOWN + "404: NoSuchThing: no", "not_found"),
    (ALL, s3_error(412, "PreconditionFailed"), CHANGED, "precondition"),
    (WITH_BODY, s3_error(403, "AccessDenied", "not you"), FORBIDDEN + "not you", "denied"),
    (WITH_BODY, s3_error(403, "AccessDenied"), FORBIDDEN + "AccessDenied", "denied"),
    (ALL, Answer(403), FORBIDDEN + "<no message>", "denied"),
    (WITH_BODY, s3_error(400, "InvalidToken", "bad"), FORBIDDEN + "bad", "denied"),
    (("get", "list"), s3_error(400, "ExpiredToken", "old"), FORBIDDEN + "old", "denied"),
    (("get", "put"), s3_error(400, "SignatureDoesNotMatch", "bad"), FORBIDDEN + "bad", "denied"),
    (ALL, s3_error(301, "PermanentRedirect", **ELSEWHERE), REGION, "service"),
    (("get", "put", "list"), s3_error(400, "AuthorizationHeaderMalformed", **ELSEWHERE), REGION, "service"),
    (("get", "put"), s3_error(400, "InvalidStorageClass", "no", **HERE), UNKNOWN + "400: InvalidStorageClass: no", "service"),
    (ALL, s3_error(503, "SlowDown"), "Client error: Request throttled", "throttled"),
    (WITH_BODY, s3_error(500, "InternalError", "oops"), BROKEN + "HTTP 500: InternalError: oops", "service"),
    (WITH_BODY, s3_error(405, "MethodNotAllowed", "no"), UNKNOWN + "405: MethodNotAllowed: no", "service"),
    (WITH_BODY, Answer(418, b"<html>teapot</html>"), UNKNOWN + "418", "service"),
]


@pytest.mark.parametrize(
    ("verb", "answer", "text", "kind"),
    [(verb, answer, text, kind) for verbs, answer, text, kind in WORDED for verb in verbs],
    ids=[f"{verb}-{answer.status}-{number}" for number, (verbs, answer, *_) in enumerate(WORDED) for verb in verbs],
)
def test_answers_are_told_in_upstreams_words(verb: str, answer: Answer, text: str, kind: str) -> None:
    """Users match on them; what is in an answer is there as data, too (§2)."""
    with Recorder(interfere=lambda _: Answer(answer.status, answer.body, {**answer.headers, "x-amz-request-id": "R1"})) as wire:
        client = MountpointS3Client("us-east-1", endpoint=wire.endpoint, force_path_style=True, max_attempts=1)
        with pytest.raises(S3Exception) as caught:
            CALLS[verb](client, "bucket")
    told = str(caught.value).removesuffix(" (request R1)")
    assert (told, caught.value.kind, caught.value.http_status, caught.value.request_id) == (text, kind, answer.status, "R1")


def test_an_archived_source_is_named() -> None:
    """The one 403 of a copy that has a text of its own (§2)."""

    def interfere(request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer(200, headers={"ETag": '"e"', "Last-Modified": WHEN}, length=5)
        return s3_error(403, "ObjectNotInActiveTierError", "cold")

    with Recorder(interfere=interfere) as wire, pytest.raises(S3Exception) as caught:
        MountpointS3Client("us-east-1", endpoint=wire.endpoint, force_path_style=True).copy_object("bucket", "k", "bucket", "k2")
    expected = "The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier."
    assert str(caught.value) == f"Service error: {expected}"


@pytest.mark.parametrize("verb", ALL)
def test_no_credentials_is_said(verb: str, store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked first; the environment's are looked for when they are needed, not when Python began (§2, §3)."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    client = store.client()
    with pytest.raises(S3Exception, match=r"^Client error: No signing credentials available, see CRT debug logs") as caught:
        CALLS[verb](client, bucket)
    assert caught.value.kind == "denied"


@pytest.mark.parametrize("verb", ALL)
def test_wrong_credentials_are_refused(verb: str, minio: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the service, with its message where it has one (§2)."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(S3Exception, match=r"^Client error: Forbidden: (The Access Key Id you provided|<no message>)") as caught:
        CALLS[verb](minio.client(), "some-bucket")
    assert (caught.value.kind, caught.value.http_status) == ("denied", 403)


@pytest.mark.parametrize("verb", ALL)
def test_a_refused_connection_is_named(verb: str, embedded_store: Store, bucket: str) -> None:
    """Within the attempts there are; once somebody listens the same client works (§0, §2)."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        port = nobody.getsockname()[1]
        client = embedded_store.client(endpoint=f"http://127.0.0.1:{port}", max_attempts=2)
        with pytest.raises(S3Exception, match=r"^Client error: Connection refused: ") as caught:
            CALLS[verb](client, bucket)
    assert (caught.value.kind, caught.value.http_status) == ("network", 0)
    embedded_store.raw.put(bucket, "k", b"")
    with Recorder(embedded_store.endpoint, port=port):
        CALLS[verb](client, bucket)


def test_a_name_that_does_not_resolve_is_named() -> None:
    """Within the attempts there are (§0, §2)."""
    client = MountpointS3Client("us-east-1", endpoint="http://no-such-host.invalid", force_path_style=True, max_attempts=2)
    with pytest.raises(S3Exception, match=r"^Client error: Name resolution failed: .*no-such-host\.invalid") as caught:
        client.head_object("bucket", "k")
    assert (caught.value.kind, caught.value.http_status) == ("network", 0)


def test_a_client_is_usable_after_errors(store: Store, bucket: str) -> None:
    """Of any kind and number: nothing is held back by what failed (§3)."""
    store.raw.put(bucket, "k", b"data")
    broken = [True]
    with Recorder(store.endpoint, lambda _: s3_error(503, "SlowDown") if broken else None) as wire:
        client = store.client(endpoint=wire.endpoint, max_attempts=1)
        for _ in range(40):  # more than there are connections
            with pytest.raises(S3Exception, match=r"^Client error: Request throttled$"):
                client.get_object(bucket, "k")
        broken.clear()
        assert b"".join(client.get_object(bucket, "k")) == b"data"
