"""Amazon's s3torchconnectorclient, the one that ours replaces.

Owns: its settings, the verbs in its words. Refuses to know: anything about ours, which has the same face (ours.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from . import Client, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from . import Take


class Upstream(Client):
    """The raw client, without the Python that s3torchconnector puts above it."""

    DISTRIBUTION = "s3torchconnectorclient"
    DOCS: ClassVar[str] = "https://github.com/awslabs/s3-connector-for-pytorch/tree/main/s3torchconnectorclient"
    SETTINGS: ClassVar[str] = "defaults (10 Gbps target, 8 MiB parts), path style"
    SYSTEM_TRUST_ONLY: ClassVar[bool] = True  # https://github.com/awslabs/s3-connector-for-pytorch/issues/409

    def __init__(self, endpoint: Endpoint) -> None:
        from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

        super().__init__(endpoint)
        self.client = MountpointS3Client(endpoint.region, endpoint=endpoint.url, force_path_style=True)

    def get_iter(self, key: str, take: Take) -> None:
        """Parts as they are."""
        for part in self.client.get_object(self.endpoint.bucket, key):
            take(part)

    def head(self, key: str) -> int:
        """Its HeadObjectResult."""
        return self.client.head_object(self.endpoint.bucket, key).size

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Pages of its ObjectInfo."""
        for page in self.client.list_objects(self.endpoint.bucket, prefix):
            for info in page.object_info:
                yield info.key, info.size

    def put(self, key: str, pieces: Iterable[bytes]) -> None:
        """write, close."""
        stream = self.client.put_object(self.endpoint.bucket, key)
        for piece in pieces:
            stream.write(piece)
        stream.close()

    def drop_put(self, key: str, pieces: Iterable[bytes]) -> None:
        """write, and no close."""
        stream = self.client.put_object(self.endpoint.bucket, key)
        for piece in pieces:
            stream.write(piece)
