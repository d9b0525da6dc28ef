"""Listings: one request a page, resumable from anywhere.

Owns: ListObjectStream and its state. Refuses to know: XML, and how pages are made.
"""

from __future__ import annotations

from typing import final

from ._arguments import flag, text, text_or_none, unsigned
from ._connection import Connection
from ._mechanics import Stream
from ._op import call
from ._structs import ListObjectResult


@final
class ListObjectStream(Stream):
    """Iterates over the pages of a listing. A page that fails leaves the state, so the next next() asks for it again."""

    __slots__ = ("_bucket", "_connection", "_delimiter", "_max_keys", "_prefix", "_state")
    _connection: Connection
    _bucket: str
    _prefix: str
    _delimiter: str
    _max_keys: int
    _state: tuple[str | None, bool]  # continuation token and complete, changed in one step

    @classmethod
    def _open(cls, connection: Connection, bucket: str, prefix: str, delimiter: str, max_keys: int) -> ListObjectStream:
        self = object.__new__(cls)
        self._connection, self._bucket, self._prefix, self._delimiter = connection, bucket, prefix, delimiter
        self._max_keys = max_keys
        self._state = None, False
        self._borrower = {}
        return self

    @staticmethod
    def _from_state(  # noqa: PLR0917 - upstream's signature
        client: object,
        bucket: str,
        prefix: str,
        delimiter: str,
        max_keys: int,
        continuation_token: str | None,
        complete: bool,  # noqa: FBT001 - upstream's signature
    ) -> ListObjectStream:
        """Resume a listing. The client may also be s3torchconnector's S3Client, which passes itself when it unpickles."""
        stream = ListObjectStream._open(
            _connection_of(client),
            text("bucket", bucket),
            text("prefix", prefix),
            text("delimiter", delimiter),
            unsigned("max_keys", max_keys),
        )
        state = text_or_none("continuation_token", continuation_token), flag("complete", complete)
        stream._state = state  # noqa: SLF001 - ours
        return stream

    @property
    def bucket(self) -> str:
        """The bucket that is listed."""
        self._look()
        return self._bucket

    @property
    def prefix(self) -> str:
        """What keys must begin with."""
        self._look()
        return self._prefix

    @property
    def delimiter(self) -> str:
        """What ends a common prefix."""
        self._look()
        return self._delimiter

    @property
    def max_keys(self) -> int:
        """Keys and common prefixes a page."""
        self._look()
        return self._max_keys

    @property
    def continuation_token(self) -> str | None:
        """Where the next page begins; None at the beginning and at the end."""
        self._look()
        return self._state[0]

    @property
    def complete(self) -> bool:
        """Was that the last page?"""
        self._look()
        return self._state[1]

    def __iter__(self) -> ListObjectStream:
        self._look()
        return self

    def __next__(self) -> ListObjectResult:
        me, before = object(), None
        try:
            self._borrow(me)
            token, complete = self._state
            if complete:
                self._borrower = {}
                raise StopIteration
            before = self._state
            page = call(
                self._connection.native(),
                {
                    "op": "list",
                    "bucket": self._bucket,
                    "prefix": self._prefix,
                    "delimiter": self._delimiter,
                    "max_keys": self._max_keys,
                    "continuation_token": token,
                },
            )
            result = ListObjectResult._of(  # noqa: SLF001 - only listings make pages
                page["objects"], page["common_prefixes"]
            )
            token = page["continuation_token"]
            self._borrower = {}
            self._state = token, token is None
            return result  # noqa: TRY300 - the except clause is about this very line
        except BaseException:
            if self._borrower == {0: me}:
                self._borrower = {}
            if before is not None:
                self._state = before  # interrupted: nobody has seen the page
            raise


def _connection_of(client: object) -> Connection:
    """Find a client's connection; s3torchconnector's S3Client has its client in `_client`, made at the first look."""
    for candidate in (client, getattr(client, "_client", None)):
        connection = getattr(candidate, "_connection", None)
        if isinstance(connection, Connection):
            return connection
    raise TypeError(f"argument 'client': '{type(client).__name__}' object cannot be cast as 'MountpointS3Client'")
