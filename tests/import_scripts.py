"""Programs for which it matters when the package is imported; scripts.py says how they are run."""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def cost() -> None:
    """Import, and say what that took and made."""
    before = set(sys.modules)
    began = time.process_time()
    import _cffi_backend  # noqa: F401, PLC0415

    with_cffi = time.process_time()
    import s3torchconnectorclient._mountpoint_s3_client  # noqa: F401, PLC0415

    took = time.process_time() - with_cffi
    import threading  # noqa: PLC0415

    sockets = tasks = 0
    if sys.platform == "linux":
        tasks = len(list(Path("/proc/self/task").iterdir())) - 1
        files = [file for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]  # not the one that listed them
        sockets = sum(str(file.readlink()).startswith("socket:") for file in files)
    say(
        cffi_ms=round(1000 * (with_cffi - began), 1),
        ms=round(1000 * took, 1),
        threads=tasks + threading.active_count() - 1,
        sockets=sockets,
        torch="torch" in set(sys.modules) - before,
    )


def hooks_of_others(endpoint: str, bucket: str) -> None:
    """Use a client, and collect a stream, in a fork hook that is older than the package: it runs before the package's own."""
    client: MountpointS3Client | None = None
    pipe = os.pipe()
    garbage: list[Any] = []

    def in_child() -> None:
        signal.alarm(20)
        garbage.clear()
        gc.collect()
        if client is not None:
            os.write(pipe[1], json.dumps(client.head_object(bucket, "data").size).encode())

    os.register_at_fork(after_in_child=in_child)
    from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client  # noqa: PLC0415

    client = MountpointS3Client("us-east-1", endpoint=endpoint, force_path_style=True)
    stream = client.get_object(bucket, "data")
    cycle: list[Any] = [client.put_object(bucket, "dropped")]
    cycle.append(cycle)
    garbage.append(cycle)
    del cycle
    pid = os.fork()
    if pid == 0:
        size = client.head_object(bucket, "data").size
        os._exit(0 if size else 3)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(pipe[1])
    with open(pipe[0], "rb") as answers:  # noqa: PTH123 - a descriptor
        in_hook = answers.read().decode()
    say(child=status, in_hook=in_hook, read=len(b"".join(stream)))


def older_atexit(endpoint: str, bucket: str) -> None:
    """Use a client in atexit functions, one older than the package, and in a finalizer when all else has gone."""
    client: MountpointS3Client | None = None

    def look(which: str) -> None:
        assert client is not None
        os.write(1, (json.dumps({which: client.head_object(bucket, "data").size}) + "\n").encode())
        stream = client.get_object(bucket, "data")  # left as it is
        next(stream)
        kept.append(stream)

    atexit.register(look, "older")
    from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client  # noqa: PLC0415

    client = MountpointS3Client("us-east-1", endpoint=endpoint, force_path_style=True)
    atexit.register(look, "newer")
    kept.append(Last(look))


kept: list[Any] = []


class Last:
    """Does something when it is collected."""

    def __init__(self, act: Any) -> None:
        self._act = act

    def __del__(self) -> None:
        self._act("finalizer")
