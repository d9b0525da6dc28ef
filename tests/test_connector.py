"""The published s3torchconnector 1.5.0, unchanged, on top of our client: what its users do, on MinIO.

Owns: contract §0 ("sits on top unchanged"), §8 and §10 as far as the connector's public classes show them. Refuses to know: the
client's own face.
"""

from __future__ import annotations

import importlib.metadata
import io
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers import MIB, eventually, pattern
from packaging.requirements import Requirement

import s3torchconnectorclient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

torch = pytest.importorskip("torch")
connector = pytest.importorskip("s3torchconnector")

from s3torchconnector import S3Checkpoint, S3ClientConfig, S3IterableDataset, S3MapDataset, S3ReaderConstructor  # noqa: E402
from s3torchconnector._s3client import S3Client  # noqa: E402
from s3torchconnector.dcp import HexPrefixStrategy, S3FileSystem, S3StorageReader, S3StorageWriter  # noqa: E402
from torch.utils.data import ChainDataset, ConcatDataset, DataLoader  # noqa: E402

REGION = "us-east-1"
CONFIG = S3ClientConfig(force_path_style=True, part_size=5 * MIB)
ROOT = Path(__file__).resolve().parent.parent
OBJECTS = {f"data/{n:02}": pattern(size, n) for n, size in enumerate((0, 1, 1000, 5 * MIB, 5 * MIB + 1, 11 * MIB, 7, 8, 9))}
READERS = {"sequential": S3ReaderConstructor.sequential(), "ranged": S3ReaderConstructor.range_based(buffer_size=MIB)}

pytestmark = [
    pytest.mark.timeout(300),
    # Python >= 3.12 says so at every fork of a process with threads; that it works is what we test.
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
    # Others' warnings about each other are not our subject.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:torch.*"),
    pytest.mark.filterwarnings("ignore:torch.distributed is disabled"),
    pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning"),
]

# The fork server imports once what each worker would; the workers are then forks of a process that has our package.
multiprocessing.get_context("forkserver").set_forkserver_preload(["s3torchconnector", "test_connector"])


@pytest.fixture
def store(minio: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """MinIO, where the environment says it is: the connector's DCP classes take an endpoint from nowhere else."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", minio.endpoint)
    return minio


@pytest.fixture
def filled(store: Store, bucket: str) -> Iterator[str]:
    """A bucket with OBJECTS."""
    for key, data in OBJECTS.items():
        store.raw.put(bucket, key, data)
    yield bucket
    s3torchconnectorclient._mountpoint_s3_client.join_all_managed_threads(0.5)


def summary(reader: Any) -> tuple[str, int, int]:
    """A transform that workers run: key, length and checksum of an object; once more after a seek."""
    data = reader.read()
    reader.seek(0)
    assert reader.read(10) == data[:10]
    return reader.key, len(data), sum(data[:5000])


EXPECTED = sorted((key, len(data), sum(data[:5000])) for key, data in OBJECTS.items())


def loaded(dataset: Any, method: str | None, workers: int) -> list[tuple[str, int, int]]:
    """Everything that a DataLoader gives."""
    loader = DataLoader(dataset, batch_size=None, num_workers=workers, multiprocessing_context=method if workers else None)
    return sorted(tuple(item) for item in loader)


WAYS = [(None, 0), ("fork", 2), ("forkserver", 2), ("spawn", 2)]


@pytest.mark.parametrize(("method", "workers"), WAYS)
def test_map_datasets(filled: str, method: str | None, workers: int) -> None:
    """Every object once, whole, by either reader, however workers are started, with a client open before (§8, §10)."""
    options = {"region": REGION, "transform": summary, "s3client_config": CONFIG}
    datasets = [
        S3MapDataset.from_prefix(f"s3://{filled}/data/", reader_constructor=reader, **options) for reader in READERS.values()
    ]
    assert datasets[0][3][:2] == ("data/03", 5 * MIB)
    assert loaded(ConcatDataset(datasets), method, workers) == sorted(EXPECTED * 2)
    assert datasets[0][3][:2] == ("data/03", 5 * MIB)


@pytest.mark.parametrize(("method", "workers"), WAYS)
def test_iterable_datasets(filled: str, method: str | None, workers: int) -> None:
    """Sharded over workers, every object once, however they are started, with a client open before (§8, §10)."""
    options = {"region": REGION, "transform": summary, "s3client_config": CONFIG, "enable_sharding": True}
    datasets = [
        S3IterableDataset.from_prefix(f"s3://{filled}/data/", reader_constructor=reader, **options) for reader in READERS.values()
    ]
    assert sorted(datasets[0]) == EXPECTED
    assert loaded(ChainDataset(datasets), method, workers) == sorted(EXPECTED * 2)


def test_datasets_from_objects_need_no_listing(filled: str) -> None:
    """URIs in the given order; sizes are asked for when a reader needs them (§10)."""
    uris = [f"s3://{filled}/data/02", f"s3://{filled}/data/00"]
    dataset = S3MapDataset.from_objects(uris, region=REGION, s3client_config=CONFIG)
    assert [(reader.bucket, reader.key, len(reader.read())) for reader in dataset] == [
        (filled, "data/02", 1000),
        (filled, "data/00", 0),
    ]


def test_our_config_is_taken_for_theirs(filled: str) -> None:
    """The package's own quickstart imports S3ClientConfig from here; the connector takes it wherever it takes its own (§0)."""
    ours = s3torchconnectorclient.S3ClientConfig(force_path_style=True, part_size=5 * MIB, max_attempts=3)
    assert isinstance(ours, S3ClientConfig)
    dataset = S3MapDataset.from_prefix(f"s3://{filled}/data/", region=REGION, s3client_config=ours)
    assert len(dataset[5].read()) == 11 * MIB
    assert dataset._get_client()._client.max_attempts == 3


def test_readers_seek_and_read_into(filled: str) -> None:
    """Both readers, at any position, into memory of the caller's (§10)."""
    data = OBJECTS["data/05"]
    for reader_constructor in READERS.values():
        dataset = S3MapDataset.from_objects(
            [f"s3://{filled}/data/05"], region=REGION, s3client_config=CONFIG, reader_constructor=reader_constructor
        )
        reader = dataset[0]
        for position, whence in ((7 * MIB, 0), (-3, 2), (5, 0), (MIB, 1)):
            at = reader.seek(position, whence)
            assert reader.tell() == at
            into = bytearray(100)
            count = reader.readinto(into)
            assert bytes(into[:count]) == data[at : at + 100]
        assert reader.seek(0) == 0
        assert reader.read() == data
        assert reader.read(5) == b""


def test_a_missing_object_is_an_s3exception(filled: str) -> None:
    """The connector's, which is ours (§2)."""
    dataset = S3MapDataset.from_objects([f"s3://{filled}/missing"], region=REGION, s3client_config=CONFIG)
    with pytest.raises(connector.S3Exception, match=r"^Service error: The key does not exist$"):
        dataset[0].read()
    assert connector.S3Exception is s3torchconnectorclient.S3Exception


# Checkpoints.


def state() -> dict[str, Any]:
    """A model's and an optimizer's worth of tensors, several parts long."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"weight": (1200, 1300), "bias": (1300,), "empty": (0,), "scalar": ()}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Equal, tensor for tensor?"""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_s3_checkpoint(store: Store, bucket: str) -> None:
    """torch.save and torch.load through the connector's writer and reader (§10)."""
    checkpoint = S3Checkpoint(REGION, s3client_config=CONFIG)
    uri = f"s3://{bucket}/epoch 1/model+é.pt"
    with checkpoint.writer(uri) as writer:
        torch.save(state(), writer)
    with checkpoint.reader(uri) as reader:
        assert same(torch.load(reader, weights_only=True), state())
    assert store.raw.keys(bucket) == ["epoch 1/model+é.pt"]


def test_a_checkpoint_that_fails_leaves_the_old_one(store: Store, bucket: str) -> None:
    """S3Writer does not close on an exception, so the upload is aborted with its stream (§6, dropped without close).

    The writer itself must not be collected unclosed: being an io object it would then close, with upstream's client as with ours,
    and store what had been written.
    """
    store.raw.put(bucket, "model.pt", b"old")
    writer = S3Checkpoint(REGION, s3client_config=CONFIG).writer(f"s3://{bucket}/model.pt")

    def save() -> None:
        with writer:
            writer.write(pattern(6 * MIB))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save()
    assert writer.closed is False
    writer.stream = io.BytesIO()  # the upload's stream is dropped
    eventually(lambda: not store.raw.open_uploads(bucket), "the upload is aborted")
    assert store.raw.get(bucket, "model.pt") == b"old"


@pytest.mark.parametrize(
    "reader", [None, S3ReaderConstructor.sequential(), S3ReaderConstructor.range_based(), S3ReaderConstructor.dcp_optimized(0)],
    ids=["default", "sequential", "ranged", "dcp_optimized"],
)  # fmt: skip
def test_dcp(store: Store, bucket: str, reader: Any) -> None:
    """torch.distributed.checkpoint of one process, whole and in part, by every reader (§10)."""
    import torch.distributed.checkpoint as dcp  # noqa: PLC0415

    path = f"s3://{bucket}/dcp"
    writer = S3StorageWriter(REGION, path, s3client_config=CONFIG, thread_count=2, prefix_strategy=HexPrefixStrategy())
    dcp.save(state(), storage_writer=writer, no_dist=True)
    assert "dcp/.metadata" in store.raw.keys(bucket)
    for names in (list(state()), ["bias"]):
        blank = {name: torch.zeros_like(tensor) for name, tensor in state().items() if name in names}
        dcp.load(
            blank, storage_reader=S3StorageReader(REGION, path, s3client_config=CONFIG, reader_constructor=reader), no_dist=True
        )
        assert same(blank, {name: tensor for name, tensor in state().items() if name in names})


ODD_KEYS = ["a b", "a+b", "a%20b", "é/ü", "a&b=c", "~-._!*'()", "[+re.name]!@£$%^&*_(src)", "😀"]


def test_the_dcp_file_system_renames(store: Store, bucket: str) -> None:
    """By copy and delete, whatever is in the key: the connector gives the source percent-encoded (§4 copy)."""
    files = S3FileSystem(REGION, s3client_config=CONFIG)
    for number, key in enumerate(ODD_KEYS):
        old, new = f"s3://{bucket}/old/{key}", f"s3://{bucket}/new/{key}"
        store.raw.put(bucket, f"old/{key}", b"%d" % number)
        assert (files.exists(old), files.exists(new)) == (True, False)
        files.rename(old, new)
        assert (files.exists(old), files.exists(new)) == (False, True)
        assert store.raw.get(bucket, f"new/{key}") == b"%d" % number
        files.rm_file(new)
        assert files.exists(new) is False
    assert store.raw.keys(bucket) == []
    with pytest.raises(connector.S3Exception, match=r"^Service error: The object was not found$"):
        files.rename(f"s3://{bucket}/missing", f"s3://{bucket}/x")


def test_lightning(store: Store, bucket: str) -> None:
    """A Trainer whose checkpoints go through S3LightningCheckpoint, and come back (§10)."""
    program = """
import sys, warnings; warnings.simplefilter("ignore")
import logging; logging.disable()
import torch
from lightning.pytorch import LightningModule, Trainer
from s3torchconnector import S3ClientConfig
from s3torchconnector.lightning import S3LightningCheckpoint

class Module(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
    def training_step(self, batch, _):
        return self.layer(batch).sum()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

uri = sys.argv[1]
checkpoints = S3LightningCheckpoint("us-east-1", s3client_config=S3ClientConfig(force_path_style=True))
quiet = dict(max_epochs=1, logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
             enable_checkpointing=False, plugins=[checkpoints])
module, trainer = Module(), Trainer(**quiet)
trainer.fit(module, torch.utils.data.DataLoader(torch.ones(8, 3), batch_size=4))
trainer.save_checkpoint(uri)
again = checkpoints.load_checkpoint(uri, weights_only=False)["state_dict"]
assert all(torch.equal(again[name], value) for name, value in module.state_dict().items()), again
Trainer(**{**quiet, "max_epochs": 2}).fit(module, torch.utils.data.DataLoader(torch.ones(8, 3), batch_size=4), ckpt_path=uri)
checkpoints.remove_checkpoint(uri)
try:
    checkpoints.load_checkpoint(uri)
except Exception as error:
    print(type(error).__name__, error)
"""
    outcome = subprocess.run(
        [sys.executable, "-c", program, f"s3://{bucket}/light ning.ckpt"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.splitlines()[-1:] == ["S3Exception Service error: The key does not exist"]
    assert store.raw.keys(bucket) == []


# Forks, seen from the connector.


def test_a_fork_is_silent_and_both_sides_go_on(filled: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Streams open, a client in use: the connector's hook before the fork neither waits nor prints its warning (§8)."""
    client = S3Client(REGION, s3client_config=CONFIG)
    native = client._client
    reading, writing = native.get_object(filled, "data/05"), native.put_object(filled, "w")
    first = next(reading)
    writing.write(b"before ")
    child = os.fork()
    if child == 0:
        good = (
            client.head_object(filled, "data/02").size == 1000
            and client.get_object(filled, "data/02").read() == OBJECTS["data/02"]
        )
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client._native_client is None
    assert first + b"".join(reading) == OBJECTS["data/05"]
    writing.write(b"and after")
    writing.close()
    assert client.get_object(filled, "w").read() == b"before and after"
    assert client._client is not native
    assert capfd.readouterr() == ("", "")


# The package beside the connector.


def test_every_requirement_is_met() -> None:
    """The connector asks for s3torchconnectorclient == 1.5.0, and what we have passes for that; as pip check sees it (§1)."""
    for name in ("s3torchconnector", "s3torchconnectorclient"):
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert requirement.specifier.contains(importlib.metadata.version(requirement.name), prereleases=True), text
    asked = [Requirement(text) for text in importlib.metadata.requires("s3torchconnector") or []]
    assert [str(each.specifier) for each in asked if each.name == "s3torchconnectorclient"] == ["==1.5.0"]
    assert s3torchconnectorclient.__version__ == "1.5.0"


def test_type_checkers_follow_the_connector_into_us(tmp_path: Path) -> None:
    """mypy over `import s3torchconnector`, as the connector's own tests run it (§1 py.typed)."""
    mypy = ROOT / ".venv-lint" / "bin" / "mypy"
    if not mypy.exists():
        pytest.skip("no mypy: `build.py lint` installs it")
    program = tmp_path / "program.py"
    program.write_text(
        "import s3torchconnector\nfrom s3torchconnector import S3MapDataset\n"
        "from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client\n"
        "def use(client: MountpointS3Client) -> bytes:\n"
        "    return b''.join(client.get_object('b', 'k'))\n"
    )
    command = [
        mypy,
        "--python-executable",
        sys.executable,
        "--cache-dir",
        tmp_path / "cache",
        "--config-file",
        os.devnull,
        program,
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
