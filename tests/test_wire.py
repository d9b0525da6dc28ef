"""What goes over the wire, seen from a recorder between the client and a store.

Owns: contract §3 (requests, addressing, authentication, encoding, retries) and the "wire" rows of §4 to §6. Refuses to know: what
comes back (test_get.py and its neighbours).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from helpers import MIB, eventually, pattern
from recorder import Answer, Recorder, Request, s3_error

from s3torchconnectorclient import S3Exception
from s3torchconnectorclient._get import WINDOW_PARTS
from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Store

PART = 5 * MIB
HEADERS = {"host", "user-agent", "accept", "authorization", "x-amz-date", "x-amz-content-sha256"}  # of every request
NAME = "s3torchconnectorclient/1.5.0"


@pytest.fixture
def wire(store: Store) -> Iterator[Recorder]:
    """The way to the store, recorded."""
    with Recorder(store.endpoint) as wire:
        yield wire


@pytest.fixture
def client(store: Store, wire: Recorder) -> Any:
    """A client that goes through the recorder."""
    return store.client(endpoint=wire.endpoint, part_size=PART)


def everything(client: Any, bucket: str) -> None:
    """One of each operation."""
    stream = client.put_object(bucket, "k", "STANDARD")
    stream.write(pattern(PART + 1))
    stream.close()
    list(client.get_object(bucket, "k"))
    list(client.get_object(bucket, "k", 3, 5))
    client.head_object(bucket, "k")
    list(client.list_objects(bucket, "k", "/", 7))
    client.copy_object(bucket, "k", bucket, "k2")
    client.delete_object(bucket, "k2")
    stream = client.put_object(bucket, "dropped")
    del stream


def shape(request: Request) -> str:
    """Method, target and the headers that are no one's secret, as one line."""
    target = re.sub(r"(uploadId=)[^&]*", r"\1*", request.target)
    return " ".join([request.method, target, *sorted(set(request.headers) - HEADERS)])


def test_these_are_the_requests(store: Store, bucket: str, wire: Recorder, client: Any) -> None:
    """No other, no HEAD before a get, nothing in them that S3 did not ask for (§3 request headers, §4, §5, §6)."""
    everything(client, bucket)
    eventually(lambda: wire.methods().count("DELETE") == 2, "the dropped upload is aborted")
    seen = [shape(request).replace(f"/{bucket}", "/B") for request in wire.requests]
    assert sorted(seen[1:3]) == [
        "PUT /B/k?partNumber=1&uploadId=* content-length",
        "PUT /B/k?partNumber=2&uploadId=* content-length",
    ]
    assert [seen[0], *seen[3:]] == [
        "POST /B/k?uploads= content-length x-amz-storage-class",
        "POST /B/k?uploadId=* content-length content-type",
        "GET /B/k range",
        "GET /B/k if-match range",
        "GET /B/k range",
        "HEAD /B/k",
        "GET /B?delimiter=%2F&list-type=2&max-keys=7&prefix=k x-amz-optional-object-attributes",
        "HEAD /B/k",
        "PUT /B/k2?x-id=CopyObject content-length x-amz-copy-source",
        "DELETE /B/k2?x-id=DeleteObject",
        "POST /B/dropped?uploads= content-length",
        "DELETE /B/dropped?uploadId=*&x-id=AbortMultipartUpload",
    ]
    assert store.raw.keys(bucket) == ["k"]


def test_every_request_has_its_headers(store: Store, bucket: str, wire: Recorder, client: Any) -> None:
    """Signed with SigV4 over a payload that is not hashed, http or not; no checksum of any kind (§3 request headers)."""
    everything(client, bucket)
    credential = rf"Credential={re.escape(store.access_key)}/\d{{8}}/us-east-1/s3/aws4_request"
    for request in wire.requests:
        assert set(request.headers) >= HEADERS
        assert request.headers["host"] == wire.address
        assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        assert re.fullmatch(r"\d{8}T\d{6}Z", request.headers["x-amz-date"])
        signed = re.fullmatch(
            rf"AWS4-HMAC-SHA256 {credential}, SignedHeaders=(\S+), Signature=\S+", request.headers["authorization"]
        )
        assert signed, request.headers["authorization"]
        assert {*signed[1].split(";"), "content-length"} == {*request.headers, "content-length"} - {"user-agent", "authorization"}
        is_get = request.method == "GET" and "list-type" not in request.query
        assert request.headers["accept"] == ("*/*" if is_get else "application/xml")
        assert int(request.headers.get("content-length", 0)) == len(request.body)
        for name in request.headers:
            assert not re.search(r"checksum|md5|trailer|encoding|expect|security-token|payer", name)


# The user agent.


@pytest.mark.parametrize(
    ("prefix", "start"),
    [
        ("", f"{NAME} "),
        ("mine", f"mine {NAME} "),
        ("s3torchconnector/1.5.0 ua/2.0 (é 日本)", f"s3torchconnector/1.5.0 ua/2.0 (é 日本) {NAME} "),
        (f"mine {NAME}", f"mine {NAME} "),
        ("a\nb\0c\r\nx-injected: 1", f"abcx-injected: 1 {NAME} "),
    ],
)
def test_the_user_agent(prefix: str, start: str) -> None:
    """The prefix in UTF-8, our name once; what would end a header is left out (§3 user agent)."""
    with Recorder(interfere=lambda _: Answer(204)) as wire:
        MountpointS3Client("us-east-1", prefix, endpoint=wire.endpoint, force_path_style=True).delete_object("bucket", "k")
    (request,) = wire.requests
    sent = request.headers["user-agent"].encode("latin-1").decode()
    assert sent.startswith(start)
    assert sent.count(NAME) == 1
    assert "x-injected" not in request.headers


# Get.


def test_a_get_asks_for_each_byte_once(store: Store, bucket: str, wire: Recorder, client: Any) -> None:
    """Part 1 first, then the others, each only if the object is still the same (§5 wire)."""
    size = 3 * PART + 17
    store.raw.put(bucket, "k", pattern(size))
    etag = store.raw.request("HEAD", f"/{bucket}/k")[0].headers["ETag"]
    assert sum(map(len, client.get_object(bucket, "k"))) == size
    asked = [(request.headers["range"], request.headers.get("if-match")) for request in wire.requests]
    assert asked[0] == (f"bytes=0-{PART - 1}", None)
    ranges = [f"bytes={at}-{min(at + PART, size) - 1}" for at in range(PART, size, PART)]
    assert sorted(asked[1:]) == sorted((each, etag) for each in ranges)


@pytest.mark.parametrize(
    ("start", "end", "asked"),
    [
        (None, None, f"bytes=0-{PART - 1}"),
        (5, 9, "bytes=5-8"),
        (5, None, f"bytes=5-{PART + 4}"),
        (None, 3, "bytes=0-2"),
        (5, 2**40, f"bytes=5-{PART + 4}"),
    ],
)
def test_a_small_object_costs_one_request(  # noqa: PLR0917 - a table
    store: Store, bucket: str, wire: Recorder, client: Any, start: int | None, end: int | None, asked: str
) -> None:
    """A ranged one, for no more than is wanted (§5 wire)."""
    store.raw.put(bucket, "k", pattern(100))
    list(client.get_object(bucket, "k", start, end))
    assert [(request.method, request.headers["range"]) for request in wire.requests] == [("GET", asked)]


def test_an_empty_object_costs_one_request(store: Store, bucket: str, wire: Recorder, client: Any) -> None:
    """S3 answers the range with 416 and says that it is empty (§5 wire)."""
    store.raw.put(bucket, "k", b"")
    assert list(client.get_object(bucket, "k")) == []
    told = [(request.headers.get("range"), request.status) for request in wire.requests]
    assert told[0] == (f"bytes=0-{PART - 1}", 416)
    assert len(told) == (2 if store.name == "minio" else 1)  # MinIO's 416 does not say how long the object is


def test_reading_ahead_has_a_bound(store: Store, bucket: str, wire: Recorder, client: Any) -> None:
    """Nobody reads: one part. Somebody reads: a window. Upstream asks for all of it at once (§0, §5 read-ahead)."""
    store.raw.put(bucket, "k", pattern(24 * PART))
    stream = client.get_object(bucket, "k")
    assert len(wire.requests) == 1
    next(stream)
    eventually(lambda: len(wire.requests) == 1 + WINDOW_PARTS, lambda: f"a window of requests, not {len(wire.requests)}")
    next(stream)
    eventually(lambda: len(wire.requests) == 2 + WINDOW_PARTS, lambda: f"one more, not {len(wire.requests)}")
    del stream


# Put.


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART])
def test_a_put_is_a_multipart_upload(bucket: str, wire: Recorder, client: Any, size: int) -> None:
    """Create at once, parts as they fill, complete with ETags without quotes (§6 wire)."""
    data = pattern(size)
    stream = client.put_object(bucket, "k")
    assert [(request.method, request.target) for request in wire.requests] == [("POST", f"/{bucket}/k?uploads=")]
    stream.write(data[:-1])
    eventually(lambda: len(wire.requests) == 1 + max(0, size - 1) // PART, "full parts are sent before the close")
    stream.write(data[-1:])
    stream.close()
    parts = sorted((int(r.query["partNumber"]), r.body) for r in wire.requests if "partNumber" in r.query)
    assert parts == [(n + 1, data[n * PART : (n + 1) * PART]) for n in range(max(1, -(-size // PART)))]
    complete = wire.requests[-1].body.decode()
    assert re.findall(r"<PartNumber>(\d+)<", complete) == [str(number) for number, _ in parts]
    assert re.findall(r"<ETag>(.*?)</ETag>", complete) == re.findall(r"<ETag>([0-9a-f]{32})</ETag>", complete)
    assert len(wire.requests) == 2 + len(parts)


# List.


def test_a_list_is_lazy(bucket: str, store: Store, wire: Recorder, client: Any) -> None:
    """No request before the first next, then one for each page, with empty values sent (§4 list)."""
    for key in "abc":
        store.raw.put(bucket, key, b"")
    stream = client.list_objects(bucket, max_keys=2)
    assert wire.requests == []
    next(stream)
    token = stream.continuation_token
    assert [request.query for request in wire.requests] == [{"delimiter": "", "list-type": "2", "max-keys": "2", "prefix": ""}]
    list(stream)
    assert [request.query.get("continuation-token") for request in wire.requests] == [None, token]
    assert {request.headers["x-amz-optional-object-attributes"] for request in wire.requests} == {"RestoreStatus"}


# Addressing and encoding.


def test_keys_are_encoded_once(wire: Recorder, client: Any) -> None:
    """All but A-Za-z0-9-._~/ is percent-encoded; slashes and dots are left alone (§3 key encoding)."""
    keys = {
        "a b": "a%20b", "a+b": "a%2Bb", "a%20b": "a%2520b", "é": "%C3%A9", "😀": "%F0%9F%98%80", "-._~": "-._~",
        "!*'()": "%21%2A%27%28%29", "a&b=c?d#e": "a%26b%3Dc%3Fd%23e", ":;,@$[]": "%3A%3B%2C%40%24%5B%5D",
        'q"<>\\^`{|}': "q%22%3C%3E%5C%5E%60%7B%7C%7D", "\n\x7f\x00": "%0A%7F%00",
        "/lead": "/lead", "a//b": "a//b", "../x": "../x", "a/./b": "a/./b", "tail/": "tail/",
    }  # fmt: skip
    wire.interfere = lambda _: Answer(200, headers={"ETag": '"e"', "Last-Modified": "Tue, 02 Jan 2024 03:04:05 GMT"})
    for key in keys:
        client.head_object("bucket", key)
        assert list(client.get_object("bucket", key)) == []
        client.delete_object("bucket", key)
    sent = [f"/bucket/{encoded}" for encoded in keys.values() for _ in range(3)]
    assert [request.path for request in wire.requests] == sent


def test_a_copys_source_is_encoded_once(wire: Recorder, client: Any) -> None:
    """Whether the caller has encoded it or not (§0, §4)."""
    wire.interfere = lambda r: (
        Answer(200, headers={"ETag": '"e"', "Last-Modified": "Tue, 02 Jan 2024 03:04:05 GMT"}, length=5)
        if r.method == "HEAD"
        else Answer(200, b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
    )
    for key in ("a b/é", "a%20b/%C3%A9"):
        client.copy_object("source", key, "bucket", "d e")
        head, copy = wire.requests[-2:]
        assert (head.path, copy.path) == ("/source/a%20b/%C3%A9", "/bucket/d%20e")
        assert copy.headers["x-amz-copy-source"].lstrip("/") == "source/a%20b/%C3%A9"


ADDRESSES = [  # options, bucket, URL or (tunnel) host and port that a proxy is asked for
    ({"endpoint": "http://s3.example.test"}, "bucket", "http://bucket.s3.example.test/a%20b"),
    ({"endpoint": "http://s3.example.test", "force_path_style": True}, "bucket", "http://s3.example.test/bucket/a%20b"),
    ({"endpoint": "http://s3.example.test:81/base/"}, "bucket", "http://bucket.s3.example.test:81/base/a%20b"),
    ({"endpoint": "http://s3.example.test/base", "force_path_style": True}, "bucket", "http://s3.example.test/base/bucket/a%20b"),
    ({"endpoint": "http://192.0.2.1:9000"}, "bucket", "http://192.0.2.1:9000/bucket/a%20b"),
    ({"endpoint": "http://s3.example.test"}, "Upper_case", "http://s3.example.test/Upper_case/a%20b"),
    ({"endpoint": "http://s3.example.test"}, "dotted.name", "http://dotted.name.s3.example.test/a%20b"),
    ({"endpoint": "https://s3.example.test"}, "dotted.name", "s3.example.test:443"),
    ({"endpoint": "https://s3.example.test"}, "bucket", "bucket.s3.example.test:443"),
    ({}, "bucket", "bucket.s3.eu-north-1.amazonaws.com:443"),
    ({"endpoint": ""}, "bucket", "bucket.s3.eu-north-1.amazonaws.com:443"),
    ({"force_path_style": True}, "bucket", "s3.eu-north-1.amazonaws.com:443"),
]


@pytest.mark.parametrize(("options", "bucket", "address"), ADDRESSES)
def test_addressing(options: dict[str, Any], bucket: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket is in the host's name where it can be, else in the path; seen by a proxy, which is asked too (§3 addressing)."""
    with Recorder(interfere=lambda _: s3_error(403, "AccessDenied")) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.endpoint)
        client = MountpointS3Client("eu-north-1", max_attempts=1, **options)
        for call in (client.get_object, client.delete_object, client.put_object):  # both planes of the engine
            with pytest.raises(S3Exception):
                call(bucket, "a b")
        assert {request.path for request in proxy.requests} == {address}
        plain = [request for request in proxy.requests if request.method != "CONNECT"]
        assert all("/eu-north-1/s3/aws4_request" in request.headers["authorization"] for request in plain)


@pytest.mark.parametrize("endpoint", [None, ""])
def test_the_environments_endpoint(
    store: Store, bucket: str, wire: Recorder, monkeypatch: pytest.MonkeyPatch, endpoint: Any
) -> None:
    """AWS_ENDPOINT_URL as it is when the client is made, where no endpoint is given (§3)."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", wire.endpoint)
    client = store.client(endpoint=endpoint)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    client.delete_object(bucket, "k")
    assert wire.methods() == ["DELETE"]
    assert client.endpoint == endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.1")
    store.client(endpoint=wire.endpoint).delete_object(bucket, "k")
    assert wire.methods() == ["DELETE"] * 2


# Authentication.


def test_unsigned_requests_are_unsigned(wire: Recorder, store: Store) -> None:
    """No header of a signature at all, profile or not (§3 auth)."""
    wire.interfere = lambda _: s3_error(403, "AccessDenied")
    client = store.client(endpoint=wire.endpoint, unsigned=True, profile="no-such-profile", part_size=PART, max_attempts=1)
    for call in (client.get_object, client.put_object, client.head_object, client.delete_object):
        with pytest.raises(S3Exception):
            call("bucket", "k")
    with pytest.raises(S3Exception):
        next(client.list_objects("bucket"))
    assert len(wire.requests) == 5
    for request in wire.requests:
        assert not {"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"} & set(request.headers)


def test_requester_pays_is_on_every_request(bucket: str, wire: Recorder, store: Store) -> None:
    """Where it was asked for (§0)."""
    everything(store.client(endpoint=wire.endpoint, part_size=PART, requester_pays=True), bucket)
    eventually(lambda: wire.methods().count("DELETE") == 2, "the dropped upload is aborted")
    assert {request.headers.get("x-amz-request-payer") for request in wire.requests} == {"requester"}


def key_and_token(wire: Recorder, **options: Any) -> set[tuple[str, str | None]]:
    """Whose key signs a client's requests, and which token they carry."""
    client = MountpointS3Client("us-east-1", endpoint=wire.endpoint, force_path_style=True, **options)
    before = len(wire.requests)
    for call in (client.get_object, client.delete_object):
        with pytest.raises(S3Exception):
            call("bucket", "k")
    headers = [request.headers for request in wire.requests[before:]]
    return {(re.findall(r"Credential=(\w+)/", each["authorization"])[0], each.get("x-amz-security-token")) for each in headers}


def test_credentials_come_from_the_live_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As it is when the client is made; a profile beats it, a session token is sent (§3 auth)."""
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n"
        "[other]\naws_access_key_id = OTHER\naws_secret_access_key = s\naws_session_token = TOKEN\n"
    )
    with Recorder(interfere=lambda _: s3_error(403, "AccessDenied")) as wire:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FIRST")
        assert key_and_token(wire) == {("FIRST", None)}
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SECOND")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "SESSION")
        assert key_and_token(wire) == {("SECOND", "SESSION")}
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        assert key_and_token(wire, profile="other") == {("OTHER", "TOKEN")}
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
        assert key_and_token(wire) == {("DEFAULT", None)}


# Retries.


@pytest.mark.parametrize("verb", ["get_object", "head_object", "put_object", "delete_object"])
@pytest.mark.parametrize(("attempts", "environment"), [(1, None), (2, None), (3, "1")])
def test_max_attempts_counts_attempts(verb: str, attempts: int, environment: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, the first included, so that 1 is one; AWS_MAX_ATTEMPTS overrides it (§0, §3 retries)."""
    if environment:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", environment)
    with Recorder(interfere=lambda _: s3_error(503, "SlowDown")) as wire:
        client = MountpointS3Client("us-east-1", endpoint=wire.endpoint, force_path_style=True, max_attempts=attempts)
        with pytest.raises(S3Exception, match=r"^Client error: Request throttled$"):
            getattr(client, verb)("bucket", "k")
        assert len(wire.requests) == int(environment or attempts)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
def test_what_will_not_change_is_not_tried_again(status: int) -> None:
    """A 4xx costs one request (§3 retries)."""
    with Recorder(interfere=lambda _: s3_error(status, "No")) as wire:
        client = MountpointS3Client("us-east-1", endpoint=wire.endpoint, force_path_style=True)
        for call in (client.get_object, client.put_object):
            with pytest.raises(S3Exception):
                call("bucket", "k")
        assert len(wire.requests) == 2
