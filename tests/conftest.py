"""Where the tests find a store, and what every one of them is held to.

Owns: the stores (MinIO, and the S3 inside our own library), the bucket of a test, the leak check, the command line.
Refuses to know: what is tested.

Every test runs with no AWS settings but these: credentials of the store, no metadata service, no profile files. `--full` (or
`build.py test --full`) also runs what is marked `full`. A test marked `leaks` leaves something behind on purpose.
"""

from __future__ import annotations

import gc
import os
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from helpers import engine_stats, eventually, nothing_held
from minio_server import Minio
from raw_s3 import RawS3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

SERVE_SECONDS = 60  # until the embedded S3 has said where it listens
DRAIN_SECONDS = 30  # aborts of uploads included; the engine itself gives up an abort after 20


@dataclass(frozen=True)
class Store:
    """An S3 to test against: where it is, and how to look into it."""

    name: str
    endpoint: str
    region: str
    access_key: str
    secret_key: str

    @property
    def raw(self) -> RawS3:
        """Tell the store's own view, past the client under test."""
        return RawS3(self.endpoint, self.access_key, self.secret_key, self.region)

    def client(self, **options: Any) -> MountpointS3Client:
        """Make a client of ours for this store; `options` as the constructor takes them."""
        from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client  # noqa: PLC0415 - not before a test asks

        return MountpointS3Client(
            **{"region": self.region, "endpoint": self.endpoint, "force_path_style": True, **options},
        )


# The command line, the environment.


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="take longer, look harder: also what is marked `full`")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: a long version of other tests; only with --full")
    config.addinivalue_line("markers", "leaks: leaves ops or loans behind on purpose")
    quick = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow], "print_blob": True}
    hypothesis.settings.register_profile("dev", max_examples=30, **quick)
    hypothesis.settings.register_profile("ci", max_examples=300, **quick)
    hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if full_run(config) else "dev"))
    isolate_environment()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if full_run(config):
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    if left_out:
        items[:] = [item for item in items if not item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left_out)


def full_run(config: pytest.Config) -> bool:
    return bool(config.getoption("--full") or os.environ.get("S3E_TEST_FULL") == "1")


def isolate_environment() -> None:
    """Leave nothing of the developer's own AWS settings, and no proxy before the loopback."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "S3_TORCH_CONNECTOR_")) or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID=os.environ.get("S3E_TEST_MINIO_ACCESS_KEY", "AKIDTESTS"),
        AWS_SECRET_ACCESS_KEY=os.environ.get("S3E_TEST_MINIO_SECRET_KEY", "of no account"),
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )


measurements = pytest.StashKey[list[str]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note a number that people may want to see: `pytest -v` shows them all at the end."""
    notes = request.config.stash.setdefault(measurements, [])
    return lambda what: notes.append(f"{request.node.name}: {what}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    notes = config.stash.get(measurements, [])
    if notes and config.get_verbosity() > 0:
        terminalreporter.section("measured")
        for note in notes:
            terminalreporter.write_line(note)


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether to take longer and look harder."""
    return full_run(request.config)


# The stores.


@pytest.fixture(scope="session")
def minio() -> Iterator[Store]:
    """A MinIO for the whole run: the one build.py started, else one of our own. Its credentials become the environment's."""
    if "S3E_TEST_MINIO_ENDPOINT" in os.environ:
        given = (os.environ[f"S3E_TEST_MINIO_{name}"] for name in ("ENDPOINT", "REGION", "ACCESS_KEY", "SECRET_KEY"))
        yield Store("minio", *given)
        return
    try:
        server = Minio()
    except FileNotFoundError as missing:
        pytest.fail(str(missing), pytrace=False)
    with server:
        os.environ.update(AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret_key)
        yield Store("minio", server.endpoint, server.region, server.access_key, server.secret_key)


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """The endpoint of the S3 inside our library, served by a process of its own for the whole run."""
    with embedded_s3() as endpoint:
        yield endpoint


class embedded_s3:  # noqa: N801 - used as a function
    """`with embedded_s3() as endpoint`: a fresh, empty one. It checks no signatures."""

    def __enter__(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "s3torchconnectorclient", "serve", "--port", "0", "--bucket", "test"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests, whose clients then end before their server
        )
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.append(self._process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(SERVE_SECONDS)
        if not lines or not lines[0].startswith("http://"):
            self.__exit__()
            pytest.fail(f"the embedded S3 does not say where it listens, but {lines!r}", pytrace=False)
        return lines[0].strip()

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(params=["embedded", "minio"])
def store(request: pytest.FixtureRequest) -> Store:
    """A store to test against: each test runs on both kinds."""
    if request.param == "minio":
        return request.getfixturevalue("minio")
    return store_at(request.getfixturevalue("embedded"))


@pytest.fixture
def embedded_store(embedded: str) -> Store:
    """The embedded store alone, for tests to which the store makes no difference."""
    return store_at(embedded)


def store_at(endpoint: str) -> Store:
    """The embedded S3 as a Store; it takes whatever credentials the environment has."""
    return Store("embedded", endpoint, "us-east-1", os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh bucket of the test's store. Afterwards no multipart upload may be open in it, and its objects are removed."""
    where: Store = request.getfixturevalue("store" if "store" in request.fixturenames else "embedded_store")
    name = f"t-{secrets.token_hex(8)}"
    where.raw.create_bucket(name)
    yield name
    if clean_end_expected(request.node):
        gc.collect()  # a stream in a cycle aborts its upload only then
        eventually(lambda: not where.raw.open_uploads(name), lambda: f"open: {where.raw.open_uploads(name)}", DRAIN_SECONDS)
    for key in where.raw.keys(name):
        where.raw.delete(name, key)


# What every test is held to.


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After the test the engine holds no op that it did not hold before, and no byte of anybody's memory."""
    before = engine_stats()["ops"]
    yield
    if clean_end_expected(request.node):
        eventually(lambda: nothing_held(before), lambda: f"{before} ops before, now {engine_stats()}", DRAIN_SECONDS)


failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.stash[failed] = item.stash.get(failed, False) or report.failed
    return report


def clean_end_expected(item: pytest.Item) -> bool:
    """Not of a test that leaks on purpose, nor of one that failed: its traceback keeps its streams alive."""
    return not (item.get_closest_marker("leaks") or item.stash.get(failed, False))
