"""minio-py, MinIO's SDK.

Owns: its settings. Refuses to know: other clients.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import MANY, PART, Client, Endpoint
from .streams import Pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from . import Take


class MinIO(Client):
    """get_object and its response; put_object in parts. It hashes what it puts over http with SHA-256, always."""

    DISTRIBUTION = "minio"
    DOCS = "https://github.com/minio/minio-py/blob/master/docs/API.md"
    SETTINGS = (
        "one request for each GET, read in 1 MiB pieces; put_object of unknown length in 8 MiB parts, SHA-256 of each (http)"
    )

    def __init__(self, endpoint: Endpoint) -> None:
        import urllib3

        super().__init__(endpoint)
        self.client: Any = importlib.import_module("minio").Minio(  # by name: for mypy, tools/minio is it
            endpoint=urlsplit(endpoint.url).netloc,
            access_key=endpoint.access_key,
            secret_key=endpoint.secret_key,
            region=endpoint.region,
            secure=endpoint.url.startswith("https"),
            http_client=urllib3.PoolManager(maxsize=MANY, cert_reqs="CERT_REQUIRED", ca_certs=endpoint.ca),
        )

    def get_iter(self, key: str, take: Take) -> None:
        """One request."""
        with self.client.get_object(bucket_name=self.endpoint.bucket, object_name=key) as response:
            for piece in response.stream(1 << 20):
                take(piece)

    def get_into(self, key: str, buffer: memoryview, take: Take) -> None:
        """One request, readinto."""
        with self.client.get_object(bucket_name=self.endpoint.bucket, object_name=key) as response:
            while n := response.readinto(buffer):
                take(buffer[:n])

    def get_small(self, key: str) -> bytes:
        """data."""
        with self.client.get_object(bucket_name=self.endpoint.bucket, object_name=key) as response:
            body = bytes(response.data)
            response.release_conn()
            return body

    def head(self, key: str) -> int:
        """stat_object."""
        return int(self.client.stat_object(bucket_name=self.endpoint.bucket, object_name=key).size)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Its Objects."""
        for found in self.client.list_objects(bucket_name=self.endpoint.bucket, prefix=prefix, recursive=True):
            yield found.object_name, found.size

    def put(self, key: str, pieces: Iterable[bytes]) -> None:
        """A file that can only be read."""
        self.client.put_object(bucket_name=self.endpoint.bucket, object_name=key, data=Pieces(pieces), length=-1, part_size=PART)
