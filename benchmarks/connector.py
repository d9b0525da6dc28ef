"""One measurement through the published s3torchconnector, whose client is whichever this process finds: ours or upstream's.

Owns: what each of its classes does between the two clock readings. Refuses to know: which client is below.

    python connector.py SPEC    as child.py

The connector takes the endpoint of its DCP classes from AWS_ENDPOINT_URL alone; measure.py sets it.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import zlib
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed.checkpoint as dcp
from child import Clock
from s3torchconnector import S3Checkpoint, S3ClientConfig, S3MapDataset
from s3torchconnector.dcp import S3StorageReader, S3StorageWriter
from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3torchconnector import S3Reader

    Spec = dict[str, Any]

CONFIG = S3ClientConfig(force_path_style=True)  # the rest as it is by default
TENSOR = 64 << 20  # bytes of each in a checkpoint


def length(reader: S3Reader) -> int:
    """Read an object in the worker; what goes to the main process is small, for its way there is nobody's client."""
    return len(reader.read())


def checksum(reader: S3Reader) -> int:
    """As length, for the check."""
    return zlib.crc32(reader.read())


def map_dataset(spec: Spec) -> dict[str, Any]:
    """All objects of a prefix by a DataLoader with one worker; the worker's start and the listing are part of it."""
    uri = f"s3://{spec['endpoint']['bucket']}/{spec['size']}/"
    transform: Callable[[S3Reader], int] = checksum if spec["check"] else length
    with Clock(children=True) as clock:
        dataset = S3MapDataset.from_prefix(uri, region=spec["endpoint"]["region"], transform=transform, s3client_config=CONFIG)
        found = [int(each) for each in DataLoader(dataset, batch_size=None, num_workers=1)]
    with open(spec["data"], "rb") as data:  # noqa: PTH123 - as everybody writes it
        wanted = [zlib.crc32(data.read(spec["size"])) if spec["check"] else spec["size"] for _ in range(spec["count"])]
    if found != wanted:
        raise SystemExit(f"{len(found)} objects came, or not the right ones")
    return clock.result


def state(spec: Spec) -> dict[str, torch.Tensor]:
    """A model's worth of tensors, the same every time."""
    torch.manual_seed(0)
    return {f"layer{i}": torch.rand(TENSOR // 4) for i in range(max(1, spec["size"] // TENSOR))}


def expect(got: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """All of it, bit for bit."""
    if got.keys() != wanted.keys() or not all(torch.equal(got[name], wanted[name]) for name in wanted):
        raise SystemExit("what was loaded is not what was saved")


def uri(spec: Spec, name: str) -> str:
    """Where this client's checkpoint is."""
    return f"s3://{spec['endpoint']['bucket']}/{spec['client']}/{name}"


def dcp_save(spec: Spec) -> dict[str, Any]:
    """torch.distributed.checkpoint.save."""
    content = state(spec)
    with Clock() as clock:
        writer = S3StorageWriter(spec["endpoint"]["region"], uri(spec, "dcp"), s3client_config=CONFIG)
        dcp.save(content, storage_writer=writer, no_dist=True)
    if spec["check"]:
        dcp_load(spec)
    return clock.result


def dcp_load(spec: Spec) -> dict[str, Any]:
    """torch.distributed.checkpoint.load into tensors that are there already."""
    if spec["check"] and spec["verb"] == "dcp_load":
        dcp_save({**spec, "check": None})
    content = {name: torch.zeros_like(tensor) for name, tensor in state(spec).items()}
    with Clock() as clock:
        reader = S3StorageReader(spec["endpoint"]["region"], uri(spec, "dcp"), s3client_config=CONFIG)
        dcp.load(content, storage_reader=reader, no_dist=True)
    expect(content, state(spec))
    return clock.result


def checkpoint_save(spec: Spec) -> dict[str, Any]:
    """torch.save into S3Checkpoint's writer."""
    content = state(spec)
    with Clock() as clock:
        checkpoint = S3Checkpoint(spec["endpoint"]["region"], s3client_config=CONFIG)
        with checkpoint.writer(uri(spec, "checkpoint")) as writer:
            torch.save(content, writer)
    if spec["check"]:
        checkpoint_load(spec)
    return clock.result


def checkpoint_load(spec: Spec) -> dict[str, Any]:
    """torch.load from S3Checkpoint's reader."""
    if spec["check"] and spec["verb"] == "checkpoint_load":
        checkpoint_save({**spec, "check": None})
    with Clock() as clock:
        checkpoint = S3Checkpoint(spec["endpoint"]["region"], s3client_config=CONFIG)
        with checkpoint.reader(uri(spec, "checkpoint")) as reader:
            content = torch.load(reader, weights_only=True)
    expect(content, state(spec))
    return clock.result


VERBS = {
    "map_dataset": map_dataset,
    "dcp_save": dcp_save,
    "dcp_load": dcp_load,
    "checkpoint_save": checkpoint_save,
    "checkpoint_load": checkpoint_load,
}


def main() -> None:
    """As child.main."""
    spec = json.loads(sys.argv[1])
    result = VERBS[spec["verb"]](spec)
    result["stack"] = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("s3torchconnector", "torch"))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
