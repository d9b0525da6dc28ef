"""Programs that are hard on their libraries: daemons, changing environments, closed pipes.

Owns: what a host process may do to its descriptors, environment and streams. Refuses to know: servers that misbehave (go/engine).
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Store

DAEMON = """
import os, resource, sys
from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client, S3Exception
client = MountpointS3Client("us-east-1", endpoint="http://127.0.0.1:9", force_path_style=True, unsigned=True, max_attempts=1)
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if hasattr(os, "waitstatus_to_exitcode") else 0)
os.closerange(3, 256)
mine = [os.open(sys.argv[1], os.O_RDWR | os.O_CREAT) for _ in range(60)] if sys.argv[2] == "reuse" else []
try:
    client.head_object("b", "k")
except S3Exception as error:
    assert error.kind == "network", error
for number in mine:
    assert os.write(number, b"still mine") == 10
os._exit(0)
"""


@pytest.mark.parametrize("way", ["close", "reuse"])
def test_a_daemon_may_close_and_reuse_all_descriptors(tmp_path: object, way: str) -> None:
    """A forked child that closes what it inherited works, and no descriptor of the program's own is loaded or closed by us."""
    done = subprocess.run(
        [sys.executable, "-c", DAEMON, f"{tmp_path}/log", way], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


PIPE = """
import sys
from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client, S3Exception
for _ in range(50):
    client = MountpointS3Client("us-east-1", endpoint="http://127.0.0.1:9", force_path_style=True, unsigned=True, max_attempts=1)
    try:
        client.head_object("b", "k")
    except S3Exception:
        pass
sys.stderr.write("alive")
"""


def test_a_log_that_nobody_reads_does_not_end_the_program() -> None:
    """`job | head` with logging on goes on when head has gone: a log line never raises SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    env = {**os.environ, "S3_TORCH_CONNECTOR_DEBUG_LOGS": "trace"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", PIPE], stdout=writing, stderr=subprocess.PIPE, text=True, check=False, env=env, timeout=60
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "alive")


ENVIRONMENT = """
import os, sys
from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client
client = MountpointS3Client("us-east-1", force_path_style=True)
client.head_object(sys.argv[1], "k")
os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
os.environ["AWS_ACCESS_KEY_ID"] = "somebody else"
child = os.fork()
if child == 0:
    try:
        client.head_object(sys.argv[1], "k")
        os._exit(0)
    except BaseException as error:
        print(error, file=sys.stderr)
        os._exit(1)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_client_stays_the_same_in_a_child(store: Store, bucket: str) -> None:
    """Endpoint and credentials are read at construction (contract §3): a child does not read a changed environment instead."""
    stream = store.client().put_object(bucket, "k")
    stream.write(b"x")
    stream.close()
    env = {
        **os.environ,
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
    }
    done = subprocess.run(
        [sys.executable, "-c", ENVIRONMENT, bucket], capture_output=True, text=True, check=False, env=env, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
