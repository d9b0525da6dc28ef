"""A MinIO of one's own: started on a free loopback port, gone afterwards.

Owns: the server's process, its folder, its credentials. Refuses to know: where the program comes from beyond looking for it
(build.py builds it), what is tested against it. Standard library only: build.py uses it before anything is installed.

    with Minio() as minio:
        client(minio.endpoint, minio.access_key, minio.secret_key, minio.region)
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

START_ATTEMPTS = 3  # the free port found may be taken by someone else before the server has it
START_SECONDS = 60  # a second is usual; a machine building something on all its cores needs more


class Minio:
    """A running server. `folder` is where its data go, kept afterwards; by default a temporary one that is removed."""

    region = "us-east-1"  # MinIO's when none is configured

    def __init__(self, folder: str | Path | None = None) -> None:
        """Return when the server answers."""
        self.access_key = secrets.token_hex(8)
        self.secret_key = secrets.token_hex(16)
        self._remove = folder is None
        self._folder = Path(tempfile.mkdtemp(prefix="s3e-minio-") if folder is None else folder)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)
        try:
            self.endpoint = self._start(find_binary())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server and remove what it wrote. Again is fine."""
        atexit.unregister(self.stop)
        if self._process is not None:
            self._process.kill()  # nothing of it is needed again, so no time is lost on a graceful end
            self._process.wait()
            self._process = None
        if self._remove:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Minio:
        """For `with`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def _start(self, binary: Path) -> str:
        data, log = self._folder / "data", self._folder / "log"
        data.mkdir(parents=True, exist_ok=True)
        for _ in range(START_ATTEMPTS):
            address = f"127.0.0.1:{_free_port()}"
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    [binary, "server", "--quiet", "--address", address, "--certs-dir", self._folder / "certs", data],
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # In a session of its own: Ctrl-C is for the tests, whose clients then end before their server.
                    start_new_session=True,
                )
            if _answers(f"http://{address}/minio/health/cluster", self._process):
                return f"http://{address}"
            self._process.kill()
            self._process.wait()
        raise RuntimeError(f"MinIO does not start; its last words:\n{log.read_text(errors='replace')[-4000:]}")

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("MINIO_")}
        env.update(
            MINIO_ROOT_USER=self.access_key,
            MINIO_ROOT_PASSWORD=self.secret_key,
            MINIO_BROWSER="off",  # no console, hence no second port
            MINIO_UPDATE="off",  # asks nobody on the network for a newer one
            MINIO_CI_CD="on",  # the temporary folder may be on the root file system
            HOME=str(self._folder),  # where it would make ~/.minio
        )
        return env


def find_binary() -> Path:
    """$S3E_MINIO_BINARY, or the newest that `build.py test` left in the cache folder."""
    named = os.environ.get("S3E_MINIO_BINARY")
    if named:
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "s3torchconnectorclient")
    built = sorted(cache.glob("minio-v*"))
    if not built:
        raise FileNotFoundError("no MinIO: `python3 build.py test` builds it; S3E_MINIO_BINARY names another")
    return built[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy in the environment is not for loopback
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            pass  # not listening, or not ready yet
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break  # it has ended
    return False
