"""What the programs in NAME_scripts.py have in common: transfers to make, children to fork, a verdict to print.

Owns: forked children and their answers, traffic in the background. Refuses to know: what is tried.

A child gives its answer as JSON through a pipe and its verdict as its exit status; one that outlives its deadline shows all its
stacks and dies of SIGALRM.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, Callable

from helpers import MIB, eventually, pattern, sha256

from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

PART = 5 * MIB  # the smallest that a real client takes
CHILD_SECONDS = 40
DATA = 2 * PART + 1000  # bytes of the object "data"

faulthandler.register(signal.SIGALRM, chain=True)  # works in a process that hangs in C, too


def client_of(endpoint: str) -> MountpointS3Client:
    return MountpointS3Client("us-east-1", endpoint=endpoint, force_path_style=True, part_size=PART)


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Child:
    """A forked child doing some work."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._answer, inside = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid:
            os.close(inside)
            return
        os.close(self._answer)
        status = 70
        try:
            signal.alarm(CHILD_SECONDS)
            os.write(inside, json.dumps(work()).encode())
            status = 0
        except BaseException:  # noqa: BLE001 - told to the parent by the exit status
            traceback.print_exc()
        finally:
            os._exit(status)

    def answer(self) -> Any:
        """Wait for its end, which must be a good one."""
        with open(self._answer, "rb") as pipe:  # noqa: PTH123 - a descriptor
            text = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert status == 0, f"child {self.pid} ended with {status}"
        return json.loads(text)


def read(client: MountpointS3Client, bucket: str, key: str = "data") -> str:
    return sha256(b"".join(client.get_object(bucket, key)))


def write(client: MountpointS3Client, bucket: str, key: str, data: bytes) -> None:
    stream = client.put_object(bucket, key)
    stream.write(data)
    stream.close()


def use(client: MountpointS3Client, bucket: str) -> str:
    """Read, write, and read what was written; the hash of the object "data"."""
    own = pattern(PART + 10, os.getpid())
    key = f"child-{os.getpid()}-{id(client)}"
    digest = read(client, bucket)
    write(client, bucket, key, own)
    assert read(client, bucket, key) == sha256(own), "read back what was written"
    client.delete_object(bucket, key)
    return digest


class Traffic:
    """Threads of the parent, always in the middle of some transfer."""

    def __init__(self, client: MountpointS3Client, bucket: str) -> None:
        self._client, self._bucket = client, bucket
        self._over = threading.Event()
        self.expected = read(client, bucket)
        self.reads = self.writes = 0
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=work) for work in (self._read, self._read, self._write)]
        for thread in self._threads:
            thread.start()

    def wait_for_more(self) -> None:
        """Wait until transfers begun from now on have ended: the parent goes on."""
        reads, writes = self.reads, self.writes
        eventually(lambda: self.errors or (self.reads > reads + 1 and self.writes > writes), "the parent's transfers go on")

    def end(self) -> dict[str, Any]:
        """Stop; what was moved and what went wrong."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return {"reads": self.reads, "writes": self.writes, "errors": self.errors}

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                digest = read(self._client, self._bucket)
            except BaseException as error:  # noqa: BLE001 - the verdict tells it
                self.errors.append(repr(error))
                return
            if digest != self.expected:
                self.errors.append(f"read {digest}")
            self.reads += 1

    def _write(self) -> None:
        while not self._over.is_set():
            data = pattern(PART + 1, self.writes % 10)
            try:
                write(self._client, self._bucket, "written", data)
                digest = read(self._client, self._bucket, "written")
            except BaseException as error:  # noqa: BLE001 - the verdict tells it
                self.errors.append(repr(error))
                return
            if digest != sha256(data):
                self.errors.append(f"wrote {digest}")
            self.writes += 1


def descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
