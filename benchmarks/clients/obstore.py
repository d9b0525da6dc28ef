"""obstore: Rust's object_store from Python.

Owns: its settings, three ways to read with it. Refuses to know: other clients.

It gives its own Bytes, a view of Rust's memory. Ranged and Streamed hand those on, which is the least work any caller can ask
of it; RangedBytes makes them Python's bytes, which is what ours and upstream deliver.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from . import CONNECTIONS, PART, Client, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from . import Take


class Ranged(Client):
    """Reads ranges from a pool of threads, which is what its documentation advises for one large object."""

    DISTRIBUTION = "obstore"
    DOCS = "https://developmentseed.org/obstore/latest/api/get/"
    SETTINGS = (
        f"get_range of {PART >> 20} MiB in {CONNECTIONS} threads after a head; small objects: one get; its own Bytes, no copy"
    )

    def __init__(self, endpoint: Endpoint) -> None:
        from obstore.store import S3Store

        super().__init__(endpoint)
        self.store = S3Store(
            endpoint.bucket,
            endpoint=endpoint.url,
            access_key_id=endpoint.access_key,
            secret_access_key=endpoint.secret_key,
            region=endpoint.region,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "timeout": "600 seconds"},
        )
        self.pool = ThreadPoolExecutor(CONNECTIONS)

    def get_iter(self, key: str, take: Take) -> None:
        """At most CONNECTIONS ranges ahead of the caller."""
        size = self.head(key)
        starts = iter(range(0, size, PART))
        ahead: deque[Any] = deque()
        for start in starts:
            ahead.append(self.pool.submit(self.part, key, start, min(PART, size - start)))
            if len(ahead) == CONNECTIONS:
                break
        while ahead:
            piece = ahead.popleft().result()
            for start in starts:
                ahead.append(self.pool.submit(self.part, key, start, min(PART, size - start)))
                break
            take(piece)
            del piece

    def part(self, key: str, start: int, length: int) -> Any:  # noqa: ANN401 - its Bytes is no bytes for a type checker
        """One range."""
        return self.store.get_range(key, start=start, length=length)

    def get_small(self, key: str) -> Any:  # noqa: ANN401 - as part
        """One request."""
        return self.store.get(key).bytes()

    def head(self, key: str) -> int:
        """Its ObjectMeta."""
        return int(self.store.head(key)["size"])

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Lists of its ObjectMeta."""
        for page in self.store.list(prefix, chunk_size=1000):
            for meta in page:
                yield meta["path"], meta["size"]

    def put(self, key: str, pieces: Iterable[bytes]) -> None:
        """Its writer, with parts of our size."""
        import obstore

        with obstore.open_writer(self.store, key, buffer_size=PART, max_concurrency=CONNECTIONS) as writer:
            for piece in pieces:
                writer.write(piece)


class RangedBytes(Ranged):
    """The same, and Python's bytes come out."""

    SETTINGS = f"get_range of {PART >> 20} MiB in {CONNECTIONS} threads after a head; to_bytes() of each"

    def part(self, key: str, start: int, length: int) -> bytes:
        """One range."""
        return bytes(self.store.get_range(key, start=start, length=length).to_bytes())

    def get_small(self, key: str) -> bytes:
        """One request."""
        return bytes(self.store.get(key).bytes().to_bytes())


class Streamed(Ranged):
    """One request, whose body is handed on as it comes."""

    SETTINGS = "get().stream(), 10 MiB pieces at least, which is its default; its own Bytes, no copy"

    def get_iter(self, key: str, take: Take) -> None:
        """Its stream."""
        for piece in self.store.get(key).stream():
            take(piece)
