"""The clients, a file each, and what they have in common.

Owns: the verbs and their meaning, where a client connects. Refuses to know: jobs, clocks, how results are shown.

A client that lacks a verb leaves it out, and its cell in the table stays empty. Settings are the client's defaults except where
its SETTINGS says otherwise and why; CHECKSUMS of bodies are off for all, because not all have the same ones.
"""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Take = Callable[[bytes | memoryview], None]

PART = 8 << 20  # the part size of those that have one: the default of ours, upstream's and boto3's
THREADS = 16  # of get_small_many
CONNECTIONS = 8  # of those that have to be told how many ranges at once: the parts that ours has under way by default
MANY = 32  # connections of a pool that would otherwise hold fewer than THREADS


@dataclass(frozen=True)
class Endpoint:
    """Where a client connects."""

    url: str
    bucket: str
    region: str = "us-east-1"
    access_key: str = "bench"
    secret_key: str = "benchmarks"  # noqa: S105 - the server checks nothing
    ca: str | None = None  # the certificate to trust, for https


class AbsentError(NotImplementedError):
    """The client has no such thing."""


class Client:
    """The verbs. Objects are named by key; the bucket is the endpoint's."""

    DISTRIBUTION: ClassVar[str] = ""  # whose version is reported
    DOCS: ClassVar[str] = ""
    SETTINGS: ClassVar[str] = ""
    SYSTEM_TRUST_ONLY: ClassVar[bool] = False  # takes no certificate to trust but the system's

    SIGNS: ClassVar[bool] = True  # False: no real store would listen

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def get_iter(self, key: str, take: Take) -> None:
        """Hand an object's bytes to `take` in order, in pieces of the client's choice."""
        raise AbsentError

    def get_into(self, key: str, buffer: memoryview, take: Take) -> None:
        """Read an object through the caller's buffer, filled again and again; `take` is given each filling as a part of it."""
        raise AbsentError

    def get_small(self, key: str) -> bytes:
        """One small object as one piece."""
        pieces: list[bytes | memoryview] = []
        self.get_iter(key, pieces.append)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)  # type: ignore[return-value]

    def get_small_many(self, keys: Sequence[str], take: Take) -> None:
        """Many small objects, in order: THREADS threads that share this client, or its own batch call."""
        with ThreadPoolExecutor(THREADS) as pool:
            for body in pool.map(self.get_small, keys):
                take(body)

    def head(self, key: str) -> int:
        """An object's size."""
        raise AbsentError

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Key and size of every object under a prefix."""
        raise AbsentError

    def put(self, key: str, pieces: Iterable[bytes]) -> None:
        """Write an object of unknown length, piece by piece."""
        raise AbsentError

    def drop_put(self, key: str, pieces: Iterable[bytes]) -> None:
        """Write the pieces and drop the stream, without finishing it or telling it to give up."""
        raise AbsentError


# name -> (module, class, environment). One environment a distribution, whatever number of ways to use it.
CLIENTS = {
    "limit": ("limit", "Sockets", "ours"),
    "ours": ("ours", "Ours", "ours"),
    "upstream": ("upstream", "Upstream", "upstream"),
    "obstore": ("obstore", "Ranged", "obstore"),
    "obstore-bytes": ("obstore", "RangedBytes", "obstore"),
    "obstore-stream": ("obstore", "Streamed", "obstore"),
    "boto3": ("boto3_", "Boto3", "boto3"),
    "boto3-crt": ("boto3_crt", "Boto3CRT", "boto3-crt"),
    "s3fs": ("s3fs_", "S3FS", "s3fs"),
    "minio": ("minio_", "MinIO", "minio"),
    "runai": ("runai", "RunAI", "runai"),
}


def load(name: str) -> type[Client]:
    """Import one client. "ours@REV" is ours from another checkout, which PYTHONPATH points at."""
    module, cls, _ = CLIENTS[name.partition("@")[0]]
    found: type[Client] = getattr(importlib.import_module(f"clients.{module}"), cls)
    return found


# What a verb of child.py takes, where it is not a method of the same name.
NEEDS = {"get_small": "get_iter", "get_small_many": "get_small", "first_byte": "get_iter", "idle": "get_small"}


def has(cls: type[Client], verb: str) -> bool:
    """Does the client have it, itself or by what the base class makes of it?"""
    if verb == "construct" or getattr(cls, verb, None) is not getattr(Client, verb, None):
        return True
    return verb in NEEDS and has(cls, NEEDS[verb])
