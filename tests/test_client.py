"""MountpointS3Client and the package around it: construction, validation, pickling, importing.

Owns: contract §1, §3, §8 and §9 as far as no server is needed. Refuses to know: transfers.
"""

# ruff: noqa: S301 - the pickles are our own

from __future__ import annotations

import importlib
import os
import pickle
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import s3torchconnectorclient
from s3torchconnectorclient import S3Exception, _mountpoint_s3_client
from s3torchconnectorclient._connection import environment, user_agent
from s3torchconnectorclient._logging_filter import configuration, directives
from s3torchconnectorclient._mountpoint_s3_client import (
    GetObjectStream,
    ListObjectStream,
    MockMountpointS3Client,
    MountpointS3Client,
    PutObjectStream,
    join_all_managed_threads,
)

MIB = 1 << 20
ATTRIBUTES = (
    "region",
    "user_agent_prefix",
    "throughput_target_gbps",
    "part_size",
    "profile",
    "unsigned",
    "endpoint",
    "force_path_style",
    "max_attempts",
)


def python(program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter that imports the same package."""
    paths = os.pathsep.join([str(Path(s3torchconnectorclient.__file__).parent.parent), *sys.path])
    env = {**os.environ, "PYTHONPATH": paths, **environ}
    return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=False)


# Construction.


def test_attributes_are_what_was_passed() -> None:
    """All nine are readable, as given; a throughput becomes a float (§3)."""
    given_values = ("eu-west-1", "me/1", 25, 5 * MIB, None, True, "http://127.0.0.1:9", True, 3)
    client = MountpointS3Client(*given_values)
    assert tuple(getattr(client, name) for name in ATTRIBUTES) == given_values
    assert isinstance(client.throughput_target_gbps, float)
    assert client.requester_pays is False


def test_defaults_are_upstreams() -> None:
    """Only the region is needed (§3)."""
    client = MountpointS3Client("us-east-1")
    assert tuple(getattr(client, name) for name in ATTRIBUTES) == (
        "us-east-1", "", 10.0, 8 * MIB, None, False, None, False, 10,
    )  # fmt: skip


@given(prefix=st.text(), throughput=st.floats(0, 1e6), part_size=st.integers(5 * MIB, 5 << 30), path_style=st.booleans())
@settings(max_examples=50, deadline=None)
def test_any_sensible_client_can_be_made_and_pickled(prefix: str, throughput: float, part_size: int, *, path_style: bool) -> None:
    """No text is too strange for a user agent, no part size allocates anything; pickled clients are equal, not the same (§3)."""
    client = MountpointS3Client("r", prefix, throughput, part_size, force_path_style=path_style)
    twin = pickle.loads(pickle.dumps(client))
    assert twin is not client
    assert type(twin) is MountpointS3Client
    assert client.user_agent_prefix == prefix
    assert twin.__getnewargs__() == client.__getnewargs__() == (
        "r", prefix, throughput, part_size, None, False, None, path_style, 10,
    )  # fmt: skip


def test_requester_pays_is_the_tenth_argument() -> None:
    """It is pickled where it is set; where not, pickles stay those of upstream's nine arguments (§0)."""
    client = MountpointS3Client("r", "", 10.0, 8 * MIB, None, False, None, False, 10, True)  # noqa: FBT003
    assert client.requester_pays is True
    assert client.__getnewargs__()[9:] == (True,)
    assert pickle.loads(pickle.dumps(client)).requester_pays is True
    with pytest.raises(ValueError, match="requester_pays needs signed requests"):
        MountpointS3Client("r", unsigned=True, requester_pays=True)


@pytest.mark.parametrize("part_size", [1, 5 * MIB - 1, (5 << 30) + 1, True])
def test_part_sizes_out_of_range_are_refused(part_size: int) -> None:
    """The constructor refuses what S3 would, with upstream's text (§2)."""
    with pytest.raises(S3Exception, match=r"^invalid configuration: part size must be at between 5MiB and 5GiB$"):
        MountpointS3Client("r", part_size=part_size)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"region": None}, TypeError),
        ({"region": "r\ud800"}, UnicodeEncodeError),
        ({"user_agent_prefix": 1}, TypeError),
        ({"throughput_target_gbps": "1"}, TypeError),
        ({"throughput_target_gbps": float("nan")}, ValueError),
        ({"throughput_target_gbps": 10**400}, OverflowError),
        ({"throughput_target_gbps": -1.0}, S3Exception),
        ({"part_size": 8.0 * MIB}, TypeError),
        ({"part_size": -1}, OverflowError),
        ({"part_size": 1 << 64}, OverflowError),
        ({"profile": 1}, TypeError),
        ({"unsigned": 1}, TypeError),
        ({"unsigned": None}, TypeError),
        ({"force_path_style": "yes"}, TypeError),
        ({"endpoint": b"http://x"}, TypeError),
        ({"max_attempts": 0}, ValueError),
        ({"max_attempts": -1}, OverflowError),
        ({"no_such_option": 1}, TypeError),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    """Each with the exception type that upstream has, and never a panic (§1, §3)."""
    with pytest.raises(error):
        MountpointS3Client(**{"region": "us-east-1", **options})


@pytest.mark.parametrize("endpoint", ["INVALID", "", None, "http://h/some/path/"])
def test_any_endpoint_is_kept_as_given(endpoint: str | None) -> None:
    """Also an invalid one, which fails when it is used (§3)."""
    assert MountpointS3Client("r", endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize("endpoint", [None, ""])
def test_a_senseless_aws_endpoint_url_is_refused(endpoint: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_ENDPOINT_URL counts where no endpoint is given, is read from the live environment, and checked at once (§2, §3)."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    with pytest.raises(S3Exception, match=r"^invalid S3 endpoint: invalid URI: URI could not be parsed: "):
        MountpointS3Client("r", endpoint=endpoint)


def test_a_missing_profile_is_refused() -> None:
    """By the constructor, and named (§2)."""
    with pytest.raises(S3Exception, match=r"^invalid AWS credentials: .*nobody-has-this"):
        MountpointS3Client("r", profile="nobody-has-this")


def test_a_profile_is_read_from_the_live_environment(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_CONFIG_FILE set with os.environ just before counts, though Go sees only the environment of exec (§3)."""
    config = tmp_path / "config"
    config.write_text("[profile here]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert MountpointS3Client("r", profile="here").profile == "here"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda c: c.get_object(None, "foo"), TypeError),
        (lambda c: c.get_object("b", "k", -1), OverflowError),
        (lambda c: c.get_object("b", "k", 0, 1 << 64), OverflowError),
        (lambda c: c.get_object("b", "k", "0"), TypeError),
        (lambda c: c.get_object("b", "\ud800"), UnicodeEncodeError),
        (lambda c: c.put_object("b", "k", 1), TypeError),
        (lambda c: c.list_objects("b", max_keys=-1), OverflowError),
        (lambda c: c.list_objects("b", prefix=None), TypeError),
        (lambda c: c.head_object("b"), TypeError),
        (lambda c: c.delete_object("b", b"k"), TypeError),
        (lambda c: c.copy_object("a", "b", "c"), TypeError),
    ],
)
def test_arguments_of_operations_are_checked(call: Any, error: type[Exception]) -> None:
    """Before anything is sent (§1)."""
    client = MockMountpointS3Client("r", "b").create_mocked_client()
    with pytest.raises(error):
        call(client)


@pytest.mark.parametrize("cls", [GetObjectStream, PutObjectStream, ListObjectStream])
def test_streams_are_made_by_clients_alone(cls: type) -> None:
    """And are neither subclassed nor pickled (§1)."""
    text = rf"cannot create 's3torchconnectorclient._mountpoint_s3_client.{cls.__name__}' instances"
    with pytest.raises(TypeError, match=text):
        cls()
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Derived", (cls,), {})
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(object.__new__(cls))


def test_a_thousand_clients_cost_little() -> None:
    """Constructing is cheap and leaves nothing behind (§3: hypothesis tests make hundreds)."""
    before = time.monotonic()
    for _ in range(200):
        MountpointS3Client("us-east-1", unsigned=True)
    assert time.monotonic() - before < 20


# What the engine is told.


def test_the_user_agent_keeps_upstreams_frame() -> None:
    """Prefix, our name once, the engine behind it; what no header can carry is left out (§3)."""
    assert user_agent("", "9") == "s3torchconnectorclient/1.5.0 go-engine/9"
    assert user_agent("app/1", "9") == "app/1 s3torchconnectorclient/1.5.0 go-engine/9"
    assert user_agent("app/1 s3torchconnectorclient/1.5.0", "9") == "app/1 s3torchconnectorclient/1.5.0 go-engine/9"
    assert user_agent("a\r\nb\0é", "9") == "abé s3torchconnectorclient/1.5.0 go-engine/9"


def test_the_environment_handed_over_is_what_matters_to_s3() -> None:
    """AWS settings, homes, proxies and trust, nothing else, and nothing that is no UTF-8 (§3)."""
    env = {"AWS_X": "1", "HOME": "/h", "https_proxy": "p", "PATH": "/bin", "AWS_BAD": "\udcff", "SSL_CERT_FILE": "c"}
    assert environment(env) == {"AWS_X": "1", "HOME": "/h", "https_proxy": "p", "SSL_CERT_FILE": "c"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("off", [["", 0]]),
        ("DeBuG,awscrt=off", [["", 4], ["awscrt", 0]]),
        ("mountpoint_s3_client=trace", [["mountpoint_s3_client", 5]]),
        ("5,a::b=1,", [["", 5], ["a::b", 1]]),
        ("invalid123.&/?", [["invalid123.&/?", 5]]),
        ("debug, awscrt = off ", [["", 4], ["awscrt", 0]]),
        ("foo]=debug", [["foo]", 4]]),
        ("foo=", [["foo", 5]]),
        ("foo[span{a=1", None),
        ("foo[span]=debug", []),
        ("[[[", None),
        ("=debug", None),
    ],
)
def test_log_filters_mean_what_they_did(text: str, expected: list[list[object]] | None) -> None:
    """Users have filters in their job scripts (§9); these outcomes were measured on upstream's wheel."""
    if expected is not None:
        assert directives(text) == expected
        return
    with pytest.raises(S3Exception, match=r"^invalid filter directive: invalid filter directive$"):
        directives(text)


@pytest.mark.parametrize("text", ["awscrt=notalevel", "a=b=c", "awscrt=off="])
def test_bad_levels_are_refused(text: str) -> None:
    """With upstream's text, thrice as upstream has it (§9)."""
    with pytest.raises(S3Exception, match=r'^(error parsing level filter: expected one of "off", .* number 0-5(: )?){3}$'):
        directives(text)


def test_logging_is_configured_by_two_variables() -> None:
    """Without the first there is no log at all, whatever the second says (§9)."""
    assert configuration({"S3_TORCH_CONNECTOR_LOGS_DIR_PATH": "/x"}) is None
    both = {"S3_TORCH_CONNECTOR_DEBUG_LOGS": "info", "S3_TORCH_CONNECTOR_LOGS_DIR_PATH": "/x"}
    assert configuration(both) == {"directives": [["", 3]], "directory": "/x"}


def test_a_bad_filter_fails_at_import() -> None:
    """As upstream's does, with a traceback that ends in its S3Exception (§9)."""
    result = python("import s3torchconnectorclient", S3_TORCH_CONNECTOR_DEBUG_LOGS="[[[")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.endswith("S3Exception: invalid filter directive: invalid filter directive")


# The package.


def test_importing_is_quick_and_quiet() -> None:
    """No thread, no engine, no torch, nothing printed; less than 50 ms of CPU beyond cffi (§1)."""
    program = """
import os, sys, threading, time
import ctypes, logging, unicodedata, uuid, json, platform, _cffi_backend
before = time.process_time()
import s3torchconnectorclient
took = time.process_time() - before
from s3torchconnectorclient import _engine
assert threading.active_count() == 1
assert len(os.listdir("/proc/self/task")) == 1 if os.path.exists("/proc/self/task") else True
assert _engine.loaded() is None
assert not {"torch", "numpy", "s3torchconnector"} & set(sys.modules), sys.modules
print(took)
"""
    times = []
    for _ in range(3):
        result = python(program)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        times.append(float(result.stdout))
    assert min(times) < 0.05


def test_reloading_works_again_and_again() -> None:
    """Upstream's tests reload the package 13 times in one process (§1)."""
    for _ in range(3):
        assert importlib.reload(s3torchconnectorclient) is s3torchconnectorclient
    assert s3torchconnectorclient.S3Exception is _mountpoint_s3_client.S3Exception


def test_deprecated_platforms_are_named() -> None:
    """Two FutureWarnings, each where its platform is, both where both are; a platform that cannot be asked is none (§1)."""
    with (
        patch.object(platform, "system", return_value="Darwin"),
        patch.object(platform, "machine", return_value="x86_64"),
        patch.object(platform, "python_version", return_value="3.8.20"),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        importlib.reload(s3torchconnectorclient)
    assert [warning.category for warning in caught] == [FutureWarning, FutureWarning]
    with patch.object(platform, "system", side_effect=OSError), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        importlib.reload(s3torchconnectorclient)
    assert caught == []


def test_the_face_has_upstreams_names() -> None:
    """Both __all__, and the address that every public class is pickled by (§1)."""
    assert set(s3torchconnectorclient.__all__) == {"LOG_TRACE", "S3ClientConfig", "S3Exception", "__version__"}
    assert s3torchconnectorclient.__version__ == "1.5.0"
    for name in _mountpoint_s3_client.__all__:
        value = getattr(_mountpoint_s3_client, name)
        if isinstance(value, type):
            assert value.__module__ == "s3torchconnectorclient._mountpoint_s3_client"


def test_s3_client_config_is_a_frozen_record() -> None:
    """The package's public quickstart imports it from here; it takes upstream's fields and ours, and pickles (§0)."""
    result = python(
        "import pickle, sys\n"
        "from s3torchconnectorclient import S3ClientConfig\n"
        "c = S3ClientConfig(part_size=10*1024*1024, throughput_target_gbps=5.0, profile=None, requester_pays=True)\n"
        "assert pickle.loads(pickle.dumps(c)) == c\n"
        "assert (c.unsigned, c.force_path_style, c.max_attempts) == (False, False, 10)\n"
        "if 's3torchconnector' in sys.modules:\n"
        "    assert isinstance(c, sys.modules['s3torchconnector'].S3ClientConfig)\n"
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("timeout", [0.5, 0.0, -1, 3, True])
def test_joining_threads_returns_quickly_and_never_fails(timeout: float) -> None:
    """s3torchconnector calls it before each fork and prints a warning if it raises; live streams are no reason to (§8)."""
    mock = MockMountpointS3Client("r", "b", part_size=1)
    mock.add_object("k", b"12345678")
    stream = mock.create_mocked_client().get_object("b", "k")
    before = time.monotonic()
    assert join_all_managed_threads(timeout) is None
    assert time.monotonic() - before < 0.5
    assert b"".join(stream) == b"12345678"


@pytest.mark.parametrize("timeout", ["0.5", None])
def test_joining_threads_takes_a_number(timeout: Any) -> None:
    """Anything else is a TypeError (§8)."""
    with pytest.raises(TypeError):
        join_all_managed_threads(timeout)
