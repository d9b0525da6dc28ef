"""S3 as it is on the wire, without the client under test: what a test looks through when it asks what the store holds.

Owns: signed requests, and the few answers that tests read. Refuses to know: which store it talks to; retries.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import unescape

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 60


class RawS3Error(Exception):
    """An answer that is no success; `status` and `body` as they came."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}: {body[:500]!r}")
        self.status, self.body = status, body


@dataclass(frozen=True)
class RawS3:
    """One store, path-style, with SigV4 over a payload that is not hashed."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request to /bucket or /bucket/key (unquoted); raise RawS3Error unless it is a 2xx."""
        host = urlsplit(self.endpoint).netloc
        target = quote(path, safe="/-_.~")
        asked = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted((query or {}).items()))
        signed = self._sign(method, host, target, asked)
        connection = http.client.HTTPConnection(host, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, f"{target}?{asked}" if asked else target, body=body, headers={**signed, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise RawS3Error(answer.status, content)
        return answer, content

    def create_bucket(self, bucket: str) -> None:
        """Make a bucket; it must be new."""
        self.request("PUT", f"/{bucket}")

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Store an object in one request."""
        self.request("PUT", f"/{bucket}/{key}", body=data)

    def get(self, bucket: str, key: str) -> bytes | None:
        """Give an object's bytes; None if there is none."""
        try:
            return self.request("GET", f"/{bucket}/{key}")[1]
        except RawS3Error as error:
            if error.status == http.client.NOT_FOUND:
                return None
            raise

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; one that is not there is fine."""
        self.request("DELETE", f"/{bucket}/{key}")

    def keys(self, bucket: str) -> list[str]:
        """List every key of a bucket, in order."""
        found: list[str] = []
        query = {"list-type": "2"}
        while True:
            text = self.request("GET", f"/{bucket}", query)[1].decode()
            found += [_text(key) for key in re.findall(r"<Key>(.*?)</Key>", text, re.DOTALL)]
            token = re.search(r"<NextContinuationToken>(.*?)</NextContinuationToken>", text, re.DOTALL)
            if token is None:
                return found
            query["continuation-token"] = _text(token[1])

    def open_uploads(self, bucket: str) -> list[tuple[str, str]]:
        """List (key, upload id) of the bucket's multipart uploads that are neither completed nor aborted."""
        text = self.request("GET", f"/{bucket}", {"uploads": ""})[1].decode()
        uploads = re.findall(r"<Upload>.*?<Key>(.*?)</Key>.*?<UploadId>(.*?)</UploadId>.*?</Upload>", text, re.DOTALL)
        return [(_text(key), _text(upload)) for key, upload in uploads]

    def _sign(self, method: str, host: str, target: str, asked: str) -> dict[str, str]:
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now}
        names = ";".join(headers)
        canonical = "\n".join(
            [method, target, asked, *(f"{name}:{value}" for name, value in headers.items()), "", names, "UNSIGNED-PAYLOAD"]
        )
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for word in scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        credential = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "authorization": credential}


def _text(xml: str) -> str:
    return unescape(xml, {"&#34;": '"', "&quot;": '"', "&#39;": "'"})
