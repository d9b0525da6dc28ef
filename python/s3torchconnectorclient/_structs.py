"""What operations answer with: plain records that print, pickle and compare as upstream's do (contract §4).

Owns: ObjectInfo, HeadObjectResult, RestoreStatus, ListObjectResult. Refuses to know: where they come from.
"""

from __future__ import annotations

import unicodedata
from typing import Optional, final

from ._arguments import U128, flag, signed, text, text_or_none, unsigned, unsigned_or_none
from ._mechanics import Result, Value

# As the engine's replies have them (docs/design/0004-json.md).
RestoreReply = Optional[tuple[bool, Optional[int]]]
ObjectReply = tuple[str, str, int, int, Optional[str], RestoreReply]


@final
class RestoreStatus(Value):
    """Whether an archived object is being restored, and until when a restored one stays, in ms since the epoch."""

    __slots__ = ("_expiry", "_in_progress")
    _in_progress: bool
    _expiry: int | None

    def __new__(cls, in_progress: bool, expiry: int | None = None) -> RestoreStatus:  # noqa: FBT001 - upstream's
        self = super().__new__(cls)
        self._in_progress = flag("in_progress", in_progress)
        self._expiry = unsigned_or_none("expiry", expiry, U128)
        return self

    @property
    def in_progress(self) -> bool:
        """Is the object still being restored?"""
        return self._in_progress

    @property
    def expiry(self) -> int | None:
        """When the restored copy goes, in ms since the epoch."""
        return self._expiry

    def __getnewargs__(self) -> tuple[bool, int | None]:
        return self._in_progress, self._expiry

    def __repr__(self) -> str:
        return f"PyRestoreStatus {{ in_progress: {str(self._in_progress).lower()}, expiry: {_option(self._expiry)} }}"


class _Metadata(Value):
    """What listings and HEAD both tell of an object."""

    __slots__ = ("_etag", "_last_modified", "_restore_status", "_size", "_storage_class")
    _etag: str
    _size: int
    _last_modified: int
    _storage_class: str | None
    _restore_status: RestoreStatus | None

    def _set(
        self, etag: str, size: int, last_modified: int, storage_class: str | None, restore_status: RestoreStatus | None
    ) -> None:
        self._etag = text("etag", etag)
        self._size = unsigned("size", size)
        self._last_modified = signed("last_modified", last_modified)
        self._storage_class = text_or_none("storage_class", storage_class)
        self._restore_status = _restore_argument(restore_status)

    @property
    def etag(self) -> str:
        """The ETag as S3 sent it, with its quotes."""
        return self._etag

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    @property
    def last_modified(self) -> int:
        """UTC seconds since the epoch."""
        return self._last_modified

    @property
    def storage_class(self) -> str | None:
        """The storage class where S3 names one: listings always do, HEAD does not name STANDARD."""
        return self._storage_class

    @property
    def restore_status(self) -> RestoreStatus | None:
        """A fresh copy at each access, as upstream's."""
        return _copied(self._restore_status)

    def __getnewargs__(self) -> tuple[object, ...]:
        return self._etag, self._size, self._last_modified, self._storage_class, self._restore_status

    def _debug(self) -> str:
        return (
            f"etag: {_debug(self._etag)}, size: {self._size}, last_modified: {self._last_modified}, "
            f"storage_class: {_option(self._storage_class)}, restore_status: {_option(self._restore_status)}"
        )


@final
class ObjectInfo(_Metadata):
    """One object of a listing."""

    __slots__ = ("_key",)
    _key: str

    def __new__(  # noqa: PLR0917 - upstream's signature
        cls,
        key: str,
        etag: str,
        size: int,
        last_modified: int,
        storage_class: str | None = None,
        restore_status: RestoreStatus | None = None,
    ) -> ObjectInfo:
        self = super().__new__(cls)
        self._key = text("key", key)
        self._set(etag, size, last_modified, storage_class, restore_status)
        return self

    @property
    def key(self) -> str:
        """The object's name."""
        return self._key

    def __getnewargs__(self) -> tuple[object, ...]:
        return self._key, *super().__getnewargs__()

    def __repr__(self) -> str:
        return f"PyObjectInfo {{ key: {_debug(self._key)}, {self._debug()} }}"


@final
class HeadObjectResult(_Metadata):
    """What S3 knows of one object."""

    __slots__ = ()

    def __new__(
        cls,
        etag: str,
        size: int,
        last_modified: int,
        storage_class: str | None = None,
        restore_status: RestoreStatus | None = None,
    ) -> HeadObjectResult:
        self = super().__new__(cls)
        self._set(etag, size, last_modified, storage_class, restore_status)
        return self

    def __repr__(self) -> str:
        return f"PyHeadObjectResult {{ {self._debug()} }}"


@final
class ListObjectResult(Result):
    """One page of a listing."""

    __slots__ = ("_objects", "_prefixes")
    _objects: list[ObjectReply]
    _prefixes: list[str]

    @classmethod
    def _of(cls, objects: list[ObjectReply], prefixes: list[str]) -> ListObjectResult:
        self = object.__new__(cls)
        self._objects, self._prefixes = objects, prefixes
        return self

    @property
    def object_info(self) -> list[ObjectInfo]:
        """The objects of the page: a fresh list of fresh objects at each access."""
        return [_object_info(*reply) for reply in self._objects]

    @property
    def common_prefixes(self) -> list[str]:
        """The "folders" of the page: a fresh list at each access."""
        return list(self._prefixes)

    def __repr__(self) -> str:
        prefixes = ", ".join(map(_debug, self._prefixes))
        return f"PyListObjectResult {{ object_info: {self.object_info!r}, common_prefixes: [{prefixes}] }}"


def restore_of(reply: RestoreReply) -> RestoreStatus | None:
    """Make the status that a reply of the engine describes."""
    return None if reply is None else RestoreStatus(*reply)


def _object_info(  # noqa: PLR0917 - without __new__'s checks: the engine has just made these, a thousand at a time
    key: str, etag: str, size: int, last_modified: int, storage_class: str | None, restore: RestoreReply
) -> ObjectInfo:
    self = object.__new__(ObjectInfo)
    self._key, self._etag, self._size, self._last_modified = key, etag, size, last_modified
    self._storage_class = storage_class
    self._restore_status = restore_of(restore)
    return self


def _restore_argument(value: RestoreStatus | None) -> RestoreStatus | None:
    if value is not None and not isinstance(value, RestoreStatus):
        raise TypeError(f"argument 'restore_status': '{type(value).__name__}' object cannot be cast as 'RestoreStatus'")
    return _copied(value)


def _copied(value: RestoreStatus | None) -> RestoreStatus | None:
    return None if value is None else RestoreStatus(value.in_progress, value.expiry)


# Rust's Debug format, in which upstream prints its records.


def _option(value: str | int | RestoreStatus | None) -> str:
    if value is None:
        return "None"
    return f"Some({_debug(value) if isinstance(value, str) else repr(value)})"


_ESCAPES = {"\0": "\\0", "\t": "\\t", "\r": "\\r", "\n": "\\n", '"': '\\"', "\\": "\\\\"}


def _debug(value: str) -> str:
    return '"' + "".join(_ESCAPES.get(char) or (char if _shown(char) else f"\\u{{{ord(char):x}}}") for char in value) + '"'


def _shown(char: str) -> bool:
    """Is the character shown as it is? Rust also escapes what would combine with the character before it."""
    return (char.isascii() and char.isprintable()) or (char.isprintable() and unicodedata.category(char) not in ("Mn", "Me"))
