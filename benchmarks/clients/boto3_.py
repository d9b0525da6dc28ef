"""boto3, the reference.

Owns: its settings. Refuses to know: other clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import MANY, PART, Client, Endpoint
from .streams import Pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from . import Take


class Boto3(Client):
    """get_object and its body; the transfer manager for writing."""

    DISTRIBUTION = "boto3"
    DOCS = "https://docs.aws.amazon.com/boto3/latest/guide/s3.html"
    SETTINGS = "one request for each GET, read in 1 MiB pieces; upload_fileobj in 8 MiB parts, 10 threads (its defaults)"

    def __init__(self, endpoint: Endpoint) -> None:
        import boto3
        from botocore.config import Config

        super().__init__(endpoint)
        config = Config(
            max_pool_connections=MANY,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        )
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint.url,
            region_name=endpoint.region,
            aws_access_key_id=endpoint.access_key,
            aws_secret_access_key=endpoint.secret_key,
            verify=endpoint.ca,
            config=config,
        )

    def get_iter(self, key: str, take: Take) -> None:
        """One request."""
        for piece in self.client.get_object(Bucket=self.endpoint.bucket, Key=key)["Body"].iter_chunks(1 << 20):
            take(piece)

    def get_into(self, key: str, buffer: memoryview, take: Take) -> None:
        """One request, readinto."""
        body = self.client.get_object(Bucket=self.endpoint.bucket, Key=key)["Body"]
        while n := body.readinto(buffer):
            take(buffer[:n])

    def get_small(self, key: str) -> bytes:
        """read()."""
        return bytes(self.client.get_object(Bucket=self.endpoint.bucket, Key=key)["Body"].read())

    def head(self, key: str) -> int:
        """ContentLength."""
        return int(self.client.head_object(Bucket=self.endpoint.bucket, Key=key)["ContentLength"])

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Its paginator's dictionaries."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.endpoint.bucket, Prefix=prefix):
            for entry in page["Contents"]:
                yield entry["Key"], entry["Size"]

    def put(self, key: str, pieces: Iterable[bytes]) -> None:
        """A file that can only be read."""
        from boto3.s3.transfer import TransferConfig

        config = TransferConfig(multipart_chunksize=PART)
        self.client.upload_fileobj(Pieces(pieces), self.endpoint.bucket, key, Config=config)
