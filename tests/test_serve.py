"""The embedded S3 as a program: where it listens, and how it ends.

Owns: `python -m s3torchconnectorclient serve` and `version` as processes. Refuses to know: what the S3 answers (go/fakes3).
"""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "s3torchconnectorclient"]


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--bucket", "b", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_it_says_where_it_listens_on_loopback_only() -> None:
    """The first line names the endpoint, on 127.0.0.1 and a port that was free."""
    with serving() as (_, endpoint):
        assert endpoint.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_ends_it(number: signal.Signals, status: int) -> None:
    """Ctrl-C and SIGTERM end the server with the usual status and without a traceback."""
    with serving() as (process, _):
        process.send_signal(number)
        assert process.wait(10) == status
        assert process.stderr.read() == ""


def test_it_ends_with_its_parent() -> None:
    """With --until-eof a server whose parent was killed ends as well, because its standard input does."""
    with serving("--until-eof") as (process, _):
        process.stdin.close()
        assert process.wait(10) == 0
        process.stdin = None  # else communicate() flushes it


def test_a_port_that_is_taken_is_named() -> None:
    """A port in use is one clear line and status 1."""
    with serving() as (_, endpoint):
        port = endpoint.rpartition(":")[2]
        again = subprocess.run([*COMMAND, "serve", "--port", port], capture_output=True, text=True, check=False, timeout=30)
    assert again.returncode == 1
    assert port in again.stderr
    assert "in use" in again.stderr
    assert again.stdout == ""


def test_version_names_what_runs() -> None:
    """`version` tells the distribution, the engine, Go and where the library lies: how a silent swap becomes visible."""
    told = subprocess.run([*COMMAND, "version"], capture_output=True, text=True, check=True, timeout=30).stdout
    assert "1.5.0+go." in told
    assert "go1." in told
    assert "libs3engine" in told
