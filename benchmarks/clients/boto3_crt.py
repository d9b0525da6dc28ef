"""boto3's transfer manager on Amazon's C client.

Owns: its settings. Refuses to know: other clients.

Made by hand, because boto3 itself does not hand endpoint_url on to it (https://github.com/boto/boto3/issues/4839).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import PART, Client, Endpoint
from .boto3_ import Boto3
from .streams import Pieces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from . import Take

TARGET = 1_250_000_000  # bytes a second: 10 Gbps, as ours and upstream


class Boto3CRT(Boto3):
    """download into an object that is written to, upload from one that is read; the rest is plain boto3's."""

    DISTRIBUTION = "awscrt"
    DOCS = "https://awslabs.github.io/aws-crt-python/api/s3.html"
    SETTINGS = "CRTTransferManager, 10 Gbps target, 8 MiB parts; HEAD and LIST are boto3's"

    def __init__(self, endpoint: Endpoint) -> None:
        from awscrt.auth import AwsCredentialsProvider
        from botocore.session import Session
        from s3transfer.crt import BotocoreCRTRequestSerializer, CRTTransferManager, create_s3_crt_client

        super().__init__(endpoint)
        client = create_s3_crt_client(
            endpoint.region,
            AwsCredentialsProvider.new_static(endpoint.access_key, endpoint.secret_key),
            target_throughput=TARGET,
            part_size=PART,
            use_ssl=endpoint.url.startswith("https"),
            verify=endpoint.ca,
        )
        settings = {"region_name": endpoint.region, "endpoint_url": endpoint.url}
        self.manager: Any = CRTTransferManager(client, BotocoreCRTRequestSerializer(Session(), settings))

    def get_iter(self, key: str, take: Take) -> None:
        """Its threads call `take`."""
        self.manager.download(self.endpoint.bucket, key, _Sink(take)).result()

    def get_small(self, key: str) -> bytes:
        """The same."""
        pieces: list[bytes] = []
        self.manager.download(self.endpoint.bucket, key, _Sink(pieces.append)).result()
        return b"".join(pieces)

    get_into = Client.get_into  # not boto3's, which would be plain boto3

    def put(self, key: str, pieces: Iterable[bytes]) -> None:
        """A file that can only be read."""
        self.manager.upload(Pieces(pieces), self.endpoint.bucket, key).result()


class _Sink:
    """What download writes to."""

    def __init__(self, take: Any) -> None:  # noqa: ANN401 - gets bytes alone
        self.write = take
