"""Upstream's face: the names of its extension module, and the address they are pickled by.

Owns: __all__, __module__, join_all_managed_threads. Refuses to know: anything else.
"""

from __future__ import annotations

from . import _engine
from ._arguments import real
from ._buffers import sweep
from ._client import MountpointS3Client
from ._errors import S3Exception
from ._get import GetObjectStream
from ._list import ListObjectStream
from ._mock import MockMountpointS3Client
from ._put import PutObjectStream
from ._structs import HeadObjectResult, ListObjectResult, ObjectInfo, RestoreStatus
from ._version import __version__

__all__ = [
    "GetObjectStream",
    "HeadObjectResult",
    "ListObjectResult",
    "ListObjectStream",
    "MockMountpointS3Client",
    "MountpointS3Client",
    "ObjectInfo",
    "PutObjectStream",
    "RestoreStatus",
    "S3Exception",
    "__version__",
    "join_all_managed_threads",
]

for _class in (
    MountpointS3Client,
    MockMountpointS3Client,
    GetObjectStream,
    ListObjectStream,
    PutObjectStream,
    ListObjectResult,
    ObjectInfo,
    HeadObjectResult,
    RestoreStatus,
    S3Exception,
):
    _class.__module__ = __name__

_JOIN_S = 0.4


def join_all_managed_threads(timeout_secs: float) -> None:
    """Wait until what was cancelled has let go of its buffers, for timeout_secs and never longer than 0.4 s.

    Upstream waits for all threads of its engine to end, because none may live across a fork, and raises a RuntimeError if they
    do not. Ours may: a forked child loads an engine of its own (_library.py), and the parent's goes on. So live clients and
    streams are no reason to wait or to fail, and s3torchconnector's hook before each fork, which calls this, costs nothing.
    """
    timeout = real("timeout_secs", timeout_secs)
    engine = _engine.loaded()
    if engine is not None:
        sweep(engine, min(timeout, _JOIN_S) if timeout > 0 else _JOIN_S)
