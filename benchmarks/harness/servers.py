"""The servers that the clients talk to.

Owns: building the light one, starting and ending both, the file behind the light one's objects. Refuses to know: jobs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from s3build.console import quietly, step

from . import BENCHMARKS, OUT, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3build.toolchain import Toolchain

    from .jobs import Job

DATA_SIZE = 2 << 30
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True)
class Server:
    """One that is up."""

    url: str
    pid: int
    access_key: str = "bench"
    secret_key: str = "benchmarks"  # noqa: S105 - checked by nobody
    region: str = "us-east-1"
    ca: str | None = None
    light: bool = True

    def stats(self) -> dict[str, int]:
        """What the light one has counted; nothing from MinIO."""
        if not self.light:
            return {}
        return fetch_json(f"{self.url}/-/stats", self.ca)

    def cpu(self) -> float:
        """Seconds of CPU it has spent."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Stage:
    """What a job is run on. What is put can be checked on `store` alone: the light server keeps nothing."""

    server: Server
    data: Path
    store: Server | None = None


def fetch_json(url: str, ca: str | None) -> dict[str, int]:
    """GET, past any proxy."""
    import ssl

    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if ca is not None:
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)))
    with urllib.request.build_opener(*handlers).open(url, timeout=30) as answer:
        return dict(json.load(answer))


def build(tools: Toolchain) -> Path:
    """Compile the light server."""
    OUT.mkdir(exist_ok=True)
    binary = OUT / "s3bench"
    with step("benchmarks/server: go build"):
        command: list[str | Path] = [tools.go, "build", "-trimpath", "-buildvcs=false", "-o", binary, "."]
        quietly(command, cwd=BENCHMARKS / "server", env={**tools.environment(), "CGO_ENABLED": "0"})
    return binary


def data_file(binary: Path) -> Path:
    """The file whose windows are the objects, made once, and read so that it is in the page cache."""
    data = OUT / "data"
    if not data.exists() or data.stat().st_size != DATA_SIZE:
        with step(f"{data.relative_to(ROOT)}: {DATA_SIZE >> 20} MiB of noise"):
            quietly([binary, "-make", data, "-size", str(DATA_SIZE)])
    with data.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass
    return data


@contextmanager
def light(binary: Path, data: Path, job: Job) -> Iterator[Server]:
    """The light server with a job's settings, for as long as the block runs. It ends when its stdin closes, come what may."""
    with tempfile.TemporaryDirectory(prefix="s3bench-") as folder:
        command = [str(binary), "-data", str(data), "-latency", f"{job.latency_ms}ms", "-rate", str(job.rate)]
        if job.tls:
            command += ["-tls", folder]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101 - for the type checker
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError("the benchmarks' server does not start")
            yield Server(url, process.pid, ca=trusted(folder) if job.tls else None)
        finally:
            process.stdin.close()
            process.wait()
            process.stdout.close()


def trusted(folder: str) -> str:
    """One file with the server's authority and the machine's own."""
    bundle = Path(folder, "bundle.pem")
    own = Path(folder, "ca.pem").read_text(encoding="ascii")
    system = next((Path(name) for name in SYSTEM_BUNDLES if Path(name).exists()), None)
    bundle.write_text(own + (system.read_text(encoding="utf-8") if system else ""), encoding="utf-8")
    return str(bundle)


@contextmanager
def minio(job: Job) -> Iterator[Server]:
    """MinIO, started as the tests start it, with the job's bucket."""
    sys.path.insert(0, str(ROOT / "tests"))
    from minio_server import Minio
    from raw_s3 import RawS3

    with Minio() as up:
        process = up._process  # noqa: SLF001 - the helper tells everything but its process
        assert process is not None  # noqa: S101 - for the type checker
        RawS3(up.endpoint, up.access_key, up.secret_key, up.region).request("PUT", f"/n{job.keys}")
        yield Server(up.endpoint, process.pid, up.access_key, up.secret_key, up.region, light=False)
