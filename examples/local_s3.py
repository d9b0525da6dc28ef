"""Which S3 the example talks to: the one inside the package, started here and ended here, or one the user names.

Owns: the server's process, the environment variables that point clients at it, the run's unique prefix and its removal.
Refuses to know: images, models, training.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s3torchconnector import S3ClientConfig, S3IterableDataset, S3Reader
from s3torchconnector.dcp import S3FileSystem

if TYPE_CHECKING:
    from collections.abc import Iterator


class DemoError(Exception):
    """A check of the example that did not hold; the text is for the user."""


@dataclass(frozen=True)
class Store:
    """Everything a client needs to reach this run's corner of an S3.

    The endpoint is in AWS_ENDPOINT_URL: the connector's DCP classes take it from nowhere else, and one way for all is simpler
    than two.
    """

    root: str  # s3://bucket/prefix, unique to this run
    region: str
    config: S3ClientConfig
    name: str  # for people

    def keys(self) -> list[str]:
        """The keys under `root`. A reader fetches nothing before its first read, so this costs the listing only."""
        everything = S3IterableDataset.from_prefix(
            f"{self.root}/", region=self.region, s3client_config=self.config, transform=_key
        )
        return list(everything)

    def remove(self) -> int:
        """Delete every object under `root`, look that none is left, and return how many there were."""
        files = S3FileSystem(self.region, s3client_config=self.config)
        bucket = self.root.split("/")[2]
        keys = self.keys()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: files.rm_file(f"s3://{bucket}/{key}"), keys))
        if left := len(self.keys()):
            raise DemoError(f"{left} of {len(keys)} objects are still under {self.root}")
        return len(keys)


def _key(reader: S3Reader) -> str:
    return reader.key


@contextmanager
def open_store(bucket: str | None, endpoint: str | None, region: str, prefix: str) -> Iterator[Store]:
    """The user's S3 when a bucket is named, else the embedded one for as long as the block runs."""
    run = "/".join(part for part in (prefix.strip("/"), f"run-{uuid.uuid4().hex[:8]}") if part)
    if bucket is not None:
        if endpoint is not None:
            os.environ["AWS_ENDPOINT_URL"] = endpoint
        own = os.environ.get("AWS_ENDPOINT_URL")  # MinIO and most others have no host name per bucket
        config = S3ClientConfig(force_path_style=own is not None)
        yield Store(f"s3://{bucket}/{run}", region, config, own or f"Amazon S3, {region}")
        return
    with _embedded_server("demo") as url:
        # Any credentials will do there; the user's own must not be sent to it.
        os.environ.update(
            AWS_ENDPOINT_URL=url,
            AWS_ACCESS_KEY_ID="demo",
            AWS_SECRET_ACCESS_KEY="demo",  # noqa: S106 - checked by nobody, see above
            AWS_EC2_METADATA_DISABLED="true",
        )
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
            os.environ.pop(name, None)
        yield Store(f"s3://demo/{run}", region, S3ClientConfig(force_path_style=True), f"embedded, {url}")


@contextmanager
def _embedded_server(bucket: str) -> Iterator[str]:
    """`python -m s3torchconnectorclient serve` on a free loopback port; yields its URL, which is its first line.

    It runs in a session of its own, so that Ctrl-C reaches this process alone and the clients end before their server. Its
    standard input ends with us, and it with that: killed, we leave no server behind.
    """
    command = [sys.executable, "-m", "s3torchconnectorclient", "serve", "--port", "0", "--bucket", bucket, "--until-eof"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert server.stdin is not None and server.stdout is not None  # noqa: PT018, S101 - for the type checker: asked for
    try:
        url = server.stdout.readline().strip()
        if not url.startswith("http://127.0.0.1:"):
            raise DemoError(
                f"the embedded S3 did not start: `{' '.join(command[1:])}` said {url!r}. "
                "Is the installed s3torchconnectorclient this project's?"
            )
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        server.stdin.close()
        server.stdout.close()
