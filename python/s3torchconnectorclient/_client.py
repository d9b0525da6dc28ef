"""MountpointS3Client: upstream's signature, and the verbs.

Owns: argument checks, what is picked from replies. Refuses to know: how anything is done (_get.py, _put.py, _list.py).
"""

from __future__ import annotations

import math
from typing import Any, final

from ._arguments import flag, real, text, text_or_none, unsigned, unsigned_or_none
from ._connection import Connection, Settings
from ._errors import failed
from ._get import GetObjectStream
from ._list import ListObjectStream
from ._mechanics import Value
from ._op import call
from ._put import PutObjectStream
from ._structs import HeadObjectResult, restore_of

LEAST_PART_BYTES = 5 << 20
MOST_PART_BYTES = 5 << 30
DEFAULT_PART_BYTES = 8 << 20


@final
class MountpointS3Client(Value):
    """Reads and writes S3. Many threads may use one client, and so may processes that are forked from this one."""

    __slots__ = ("_connection", "_put_part_size")
    _connection: Connection
    _put_part_size: int

    def __new__(  # noqa: PLR0917 - upstream's signature
        cls,
        region: str,
        user_agent_prefix: str = "",
        throughput_target_gbps: float = 10.0,
        part_size: int = DEFAULT_PART_BYTES,
        profile: str | None = None,
        unsigned: bool = False,  # noqa: FBT001, FBT002 - upstream's signature
        endpoint: str | None = None,
        force_path_style: bool = False,  # noqa: FBT001, FBT002 - upstream's signature
        max_attempts: int = 10,
        requester_pays: bool = False,  # noqa: FBT001, FBT002 - upstream's signature, after 1.5.0
    ) -> MountpointS3Client:
        settings = checked(
            region,
            user_agent_prefix,
            throughput_target_gbps,
            part_size,
            profile,
            unsigned,
            endpoint,
            force_path_style,
            max_attempts,
            requester_pays,
        )
        if not LEAST_PART_BYTES <= settings.part_size <= MOST_PART_BYTES:
            raise failed("invalid configuration: part size must be at between 5MiB and 5GiB", "invalid")
        return cls._over(Connection(settings), settings.part_size)

    @classmethod
    def _over(cls, connection: Connection, put_part_size: int) -> MountpointS3Client:
        self = object.__new__(cls)
        self._connection, self._put_part_size = connection, put_part_size
        connection.native()  # configuration errors are raised here; no request is made
        return self

    @property
    def region(self) -> str:
        """The signing region."""
        return self._connection.settings.region

    @property
    def user_agent_prefix(self) -> str:
        """What the User-Agent header begins with."""
        return self._connection.settings.user_agent_prefix

    @property
    def throughput_target_gbps(self) -> float:
        """How fast to be: decides the number of connections."""
        return self._connection.settings.throughput_target_gbps

    @property
    def part_size(self) -> int:
        """Bytes of a part."""
        return self._connection.settings.part_size

    @property
    def profile(self) -> str | None:
        """The profile whose credentials are used; None: the default chain."""
        return self._connection.settings.profile

    @property
    def unsigned(self) -> bool:
        """Are requests sent without credentials?"""
        return self._connection.settings.unsigned

    @property
    def endpoint(self) -> str | None:
        """The endpoint as it was passed."""
        return self._connection.settings.endpoint

    @property
    def force_path_style(self) -> bool:
        """Is the bucket in the path, and not in the host's name?"""
        return self._connection.settings.force_path_style

    @property
    def max_attempts(self) -> int:
        """How often a request is tried."""
        return self._connection.settings.max_attempts

    @property
    def requester_pays(self) -> bool:
        """Does the account that asks pay for requests?"""
        return self._connection.settings.requester_pays

    def get_object(self, bucket: str, key: str, start: int | None = None, end: int | None = None) -> GetObjectStream:
        """Open an object, or bytes [start, end) of it, for reading. A missing one is an S3Exception here."""
        return GetObjectStream._open(  # noqa: SLF001 - only clients open streams
            self._connection.native(),
            text("bucket", bucket),
            text("key", key),
            unsigned_or_none("start", start),
            unsigned_or_none("end", end),
            self.part_size,
        )

    def put_object(self, bucket: str, key: str, storage_class: str | None = None) -> PutObjectStream:
        """Begin to write an object. It appears, whole, when the stream is closed."""
        return PutObjectStream._open(  # noqa: SLF001 - only clients open streams
            self._connection.native(),
            text("bucket", bucket),
            text("key", key),
            text_or_none("storage_class", storage_class),
            self._put_part_size,
        )

    def list_objects(self, bucket: str, prefix: str = "", delimiter: str = "", max_keys: int = 1000) -> ListObjectStream:
        """List a bucket page by page. No request is made before the first page is asked for."""
        return ListObjectStream._open(  # noqa: SLF001 - only clients open streams
            self._connection,
            text("bucket", bucket),
            text("prefix", prefix),
            text("delimiter", delimiter),
            unsigned("max_keys", max_keys),
        )

    def head_object(self, bucket: str, key: str) -> HeadObjectResult:
        """Ask what S3 knows of an object."""
        reply = self._call("head", bucket=text("bucket", bucket), key=text("key", key))
        return HeadObjectResult(
            reply["etag"], reply["size"], reply["last_modified"], reply["storage_class"], restore_of(reply["restore_status"])
        )

    def delete_object(self, bucket: str, key: str) -> None:
        """Delete an object. Deleting what does not exist is a success."""
        self._call("delete", bucket=text("bucket", bucket), key=text("key", key))

    def copy_object(self, src_bucket: str, src_key: str, dst_bucket: str, dst_key: str) -> None:
        """Copy an object inside S3. src_key may be percent-encoded, as s3torchconnector passes it."""
        self._call(
            "copy",
            src_bucket=text("src_bucket", src_bucket),
            src_key=text("src_key", src_key),
            dst_bucket=text("dst_bucket", dst_bucket),
            dst_key=text("dst_key", dst_key),
        )

    def _call(self, op: str, **request: object) -> dict[str, Any]:
        return call(self._connection.native(), {"op": op, **request})

    def __getnewargs__(self) -> tuple[object, ...]:
        settings = self._connection.settings
        return tuple(settings) if settings.requester_pays else tuple(settings)[:-1]  # upstream's nine, where that is all


def checked(  # noqa: PLR0917 - as the constructor
    region: object,
    user_agent_prefix: object,
    throughput_target_gbps: object,
    part_size: object,
    profile: object,
    unsigned_: object,
    endpoint: object,
    force_path_style: object,
    max_attempts: object,
    requester_pays: object = False,  # noqa: FBT002 - as the constructor
) -> Settings:
    """Check the arguments that clients and mocks have in common."""
    settings = Settings(
        text("region", region),
        text("user_agent_prefix", user_agent_prefix),
        real("throughput_target_gbps", throughput_target_gbps),
        unsigned("part_size", part_size),
        text_or_none("profile", profile),
        flag("unsigned", unsigned_),
        text_or_none("endpoint", endpoint),
        flag("force_path_style", force_path_style),
        unsigned("max_attempts", max_attempts),
        flag("requester_pays", requester_pays),
    )
    if not math.isfinite(settings.throughput_target_gbps):
        raise ValueError(f"throughput_target_gbps must be a finite number, not {settings.throughput_target_gbps}")
    if settings.max_attempts < 1:
        raise ValueError("max_attempts must be at least 1: the first attempt counts")
    if settings.unsigned and settings.requester_pays:
        raise ValueError("requester_pays needs signed requests: S3 must know who pays")
    return settings
