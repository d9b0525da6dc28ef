"""s3fs: files over aiobotocore.

Owns: its settings. Refuses to know: other clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import MANY, PART, Client, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from . import Take


class S3FS(Client):
    """open and read; cat for small objects."""

    DISTRIBUTION = "s3fs"
    DOCS = "https://s3fs.readthedocs.io/en/latest/api.html"
    SETTINGS = "open() with its default read-ahead, read 8 MiB at a time; cat for small objects; files written in blocks of 8 MiB"

    def __init__(self, endpoint: Endpoint) -> None:
        import s3fs

        super().__init__(endpoint)
        self.files: Any = s3fs.S3FileSystem(
            endpoint_url=endpoint.url,
            key=endpoint.access_key,
            secret=endpoint.secret_key,
            client_kwargs={"region_name": endpoint.region, "verify": endpoint.ca},
            config_kwargs={
                "max_pool_connections": MANY,
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
                "s3": {"addressing_style": "path"},
            },
            skip_instance_cache=True,
            use_listings_cache=False,
        )

    def path(self, key: str) -> str:
        """In its words."""
        return f"{self.endpoint.bucket}/{key}"

    def get_iter(self, key: str, take: Take) -> None:
        """A file."""
        with self.files.open(self.path(key), "rb") as file:
            while piece := file.read(PART):
                take(piece)

    def get_into(self, key: str, buffer: memoryview, take: Take) -> None:
        """A file, readinto."""
        with self.files.open(self.path(key), "rb") as file:
            while n := file.readinto(buffer):
                take(buffer[:n])

    def get_small(self, key: str) -> bytes:
        """cat_file."""
        return bytes(self.files.cat_file(self.path(key)))

    def get_small_many(self, keys: Sequence[str], take: Take) -> None:
        """cat, whose requests run side by side."""
        bodies = self.files.cat([self.path(key) for key in keys])
        for key in keys:
            take(bodies[self.path(key)])

    def head(self, key: str) -> int:
        """info."""
        return int(self.files.info(self.path(key), refresh=True)["size"])

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """find, which gives a dictionary of dictionaries."""
        for name, info in self.files.find(self.path(prefix), detail=True).items():
            yield name, info["size"]

    def put(self, key: str, pieces: Iterable[bytes]) -> None:
        """A file."""
        with self.files.open(self.path(key), "wb", block_size=PART) as file:
            for piece in pieces:
                file.write(piece)
