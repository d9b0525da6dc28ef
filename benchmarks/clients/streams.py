"""Pieces as a file, for clients that read from one instead of being written to.

Owns: that adaptor. Refuses to know: clients.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer


class Pieces(io.RawIOBase):
    """A readable file that gives pieces as they are where the reader asks for as much, so that nothing is copied here."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        """For io."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """For those who bring their own memory: one copy, theirs by design."""
        view = memoryview(buffer)
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def read(self, size: int = -1) -> bytes:
        """Return as many bytes as asked for, fewer at the end alone."""
        got: list[bytes] = []
        left = size if size >= 0 else 1 << 62
        while left:
            piece = self._rest or next(self._pieces, b"")
            if not piece:
                break
            if len(piece) > left:
                piece, self._rest = piece[:left], piece[left:]
            else:
                self._rest = b""
            got.append(piece)
            left -= len(piece)
        return got[0] if len(got) == 1 else b"".join(got)
