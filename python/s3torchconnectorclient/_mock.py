"""MockMountpointS3Client: an S3 inside the engine, for tests without a network (contract §7).

Owns: filling that S3 by hand, and carrying what it holds over a fork. Refuses to know: how it behaves (go/fakes3).

A mocked client is a real one whose wire is memory: scheduler, buffers and streams are those of production.
"""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Sequence
from typing import SupportsIndex, final

from ._arguments import text
from ._client import DEFAULT_PART_BYTES, MountpointS3Client, checked
from ._connection import PLAIN, Connection, Memory, Settings
from ._errors import S3Exception, failed
from ._mechanics import Unpicklable
from ._op import call

LEAST_PUT_PART_BYTES = 8 << 20  # a mock's part_size may be one byte; an upload has 10,000 parts at most
DUMP_S = 30.0  # what a fork may wait for a mock; a few MiB take milliseconds, on a machine with nothing else to do


class _Store(Memory):
    """The memory of a mock. It lives as long as anybody refers to it, and its content outlives forks.

    The child's engine knows nothing of the parent's memory. So before each fork the content is dumped into this process,
    where the child finds it.
    """

    __slots__ = ("_keeper", "_lost")

    def __init__(self, bucket: str) -> None:
        super().__init__(uuid.uuid4().hex, [bucket], "mock")
        self._lost = ""  # why the content could not be carried over the latest fork
        # The engine forgets a store with its last client. This one lasts as long as we do.
        self._keeper = Connection(PLAIN, Memory(self.name, self.buckets, self.rules))

    def prepare(self) -> None:
        """Open the keeper first: were a short-lived client the first one in a forked child, its end would empty the store."""
        if self._lost and self._keeper.opened() is None:
            raise failed(
                f"Client error: the mock's objects could not be carried into this forked process: {self._lost}", "canceled"
            )
        self._keeper.native()

    def dump(self) -> None:
        """Keep the content for a child."""
        native, memory = self._keeper.opened(), self._keeper.memory
        if native is not None and memory is not None:  # else nothing is newer than what we inherited
            self._lost = "the fork was interrupted"
            memory.objects = []
            try:
                memory.objects = call(native, {"op": "dump"}, DUMP_S)["objects"]
            except S3Exception as error:
                self._lost = str(error)
            else:
                self._lost = ""

    def drop(self) -> None:
        """Forget it in the parent."""
        memory = self._keeper.memory
        if memory is not None and self._keeper.opened() is not None:
            memory.objects = []
            self._lost = ""


_stores: weakref.WeakSet[_Store] = weakref.WeakSet()


def _before_fork() -> None:  # what it raises is printed by Python, and the fork goes on
    for store in list(_stores):
        store.dump()


def _after_fork_in_parent() -> None:
    for store in list(_stores):
        store.drop()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent)


@final
class MockMountpointS3Client(Unpicklable):
    """One bucket in memory, and clients that see it."""

    __slots__ = ("_own", "_settings", "_store")
    _settings: Settings
    _store: _Store
    _own: MountpointS3Client

    def __new__(  # noqa: PLR0917 - upstream's signature
        cls,
        region: str,
        bucket: str,
        throughput_target_gbps: float = 10.0,
        part_size: int = DEFAULT_PART_BYTES,
        user_agent_prefix: str = "mock_client",
        unsigned: bool = False,  # noqa: FBT001, FBT002 - upstream's signature
        force_path_style: bool = False,  # noqa: FBT001, FBT002 - upstream's signature
        max_attempts: int = 10,
    ) -> MockMountpointS3Client:
        settings = checked(
            region, user_agent_prefix, throughput_target_gbps, part_size, None, unsigned, None, force_path_style, max_attempts
        )
        if settings.part_size == 0:
            raise ValueError("part_size must be at least 1")
        self = super().__new__(cls)
        self._store = _Store(text("bucket", bucket))
        self._settings = settings
        self._own = self.create_mocked_client()
        _stores.add(self._store)
        return self

    @property
    def region(self) -> str:
        """As passed."""
        return self._settings.region

    @property
    def throughput_target_gbps(self) -> float:
        """As passed."""
        return self._settings.throughput_target_gbps

    @property
    def part_size(self) -> int:
        """As passed."""
        return self._settings.part_size

    @property
    def user_agent_prefix(self) -> str:
        """As passed."""
        return self._settings.user_agent_prefix

    @property
    def unsigned(self) -> bool:
        """As passed."""
        return self._settings.unsigned

    @property
    def force_path_style(self) -> bool:
        """As passed."""
        return self._settings.force_path_style

    @property
    def max_attempts(self) -> int:
        """As passed."""
        return self._settings.max_attempts

    def create_mocked_client(self) -> MountpointS3Client:
        """Make a client that sees the bucket."""
        connection = Connection(self._settings, self._store)
        part_size = max(self._settings.part_size, LEAST_PUT_PART_BYTES)
        return MountpointS3Client._over(connection, part_size)  # noqa: SLF001 - the other way to make one

    def add_object(self, key: str, data: bytes | Sequence[SupportsIndex]) -> None:
        """Store an object, in the place of one that has this key."""
        stream = self._own.put_object(self._store.buckets[0], key)
        stream.write(_bytes(data))
        stream.close()

    def remove_object(self, key: str) -> None:
        """Remove an object. A missing one is fine."""
        self._own.delete_object(self._store.buckets[0], key)


def _bytes(data: object) -> bytes:
    """Take any sequence of numbers from 0 to 255, and no str."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        raise TypeError("argument 'data': Can't extract `str` to `Vec`")
    if not isinstance(data, Sequence):
        raise TypeError(f"argument 'data': '{type(data).__name__}' object cannot be cast as 'Sequence'")
    try:
        return bytes(data) if isinstance(data, bytearray) else bytes(list(data))
    except ValueError:
        raise OverflowError("out of range integral type conversion attempted") from None
