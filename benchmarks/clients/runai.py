"""NVIDIA Run:ai Model Streamer.

Owns: its settings, putting its pieces in order. Refuses to know: other clients.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import PART, Client, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from . import Take


class RunAI(Client):
    """A list of files and ranges in, tensors of a buffer of its own out, in the order in which they come."""

    DISTRIBUTION = "runai-model-streamer"
    DOCS = "https://github.com/run-ai/runai-model-streamer/blob/master/docs/src/usage.md"
    SETTINGS = "ranges of 8 MiB, handed out as views of its buffer when their turn comes; it reads as far ahead as it likes"

    def __init__(self, endpoint: Endpoint) -> None:
        os.environ.update(
            AWS_ENDPOINT_URL=endpoint.url, RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING="0", RUNAI_STREAMER_LOG_LEVEL="ERROR"
        )
        from runai_model_streamer import FileStreamer
        from runai_model_streamer.file_streamer.requests_iterator import FileChunks

        super().__init__(endpoint)
        self.chunks: Any = FileChunks
        self.streamer: Any = FileStreamer().__enter__()

    def path(self, key: str) -> str:
        """In its words."""
        return f"s3://{self.endpoint.bucket}/{key}"

    def get_iter(self, key: str, take: Take) -> None:
        """The size stands in the key; a caller of its own knows it from the file's header."""
        size = int(key.partition("/")[0])
        sizes = [PART] * (size // PART) + ([size % PART] if size % PART else [])
        self.stream([self.chunks.contiguous(0, self.path(key), 0, sizes)], take)

    def get_small_many(self, keys: Sequence[str], take: Take) -> None:
        """All in one call, which is what it is for."""
        sizes = [int(key.partition("/")[0]) for key in keys]
        self.stream([self.chunks.contiguous(i, self.path(key), 0, [sizes[i]]) for i, key in enumerate(keys)], take)

    def stream(self, wanted: list[Any], take: Take) -> None:
        """In order: what comes early waits, in memory that the streamer holds anyway."""
        order = iter([(each.id, index) for each in wanted for index in range(len(each.sizes))])
        turn, early = next(order), {}
        self.streamer.stream_files(wanted)
        for file, index, tensor in self.streamer.get_chunks():
            early[file, index] = tensor
            while turn in early:
                take(memoryview(early.pop(turn).numpy()).cast("B"))
                turn = next(order, (-1, -1))

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """list_files."""
        yield from self.streamer.list_files(self.path(prefix))
