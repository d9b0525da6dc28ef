"""Train on images in S3, with checkpoints in S3: the published s3torchconnector, unchanged, on this project's engine.

Run it with `python3 build.py demo`. What happens, in the order of main():

    upload      scikit-learn's handwritten digits, one PNG an object, the label in the key; a few threads
    train       S3MapDataset, shuffled, in a DataLoader whose workers are forked while this process has S3 clients open
    save        the model and its optimizer after every epoch with S3Checkpoint (torch.save), at the end with
                torch.distributed.checkpoint (DCP) too
    reload      each into a fresh model; weights and predictions must be exactly those of the trained one
    evaluate    S3IterableDataset, sharded over forked workers; more than 90 % must be right
    report      a table here and a plot of loss and MB/s over time in demo-output/

Owns: the training and its checks. local_s3.py owns where, report.py owns how it is shown.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed.checkpoint as dcp
from local_s3 import DemoError, Store, open_store
from PIL import Image
from report import MB, Report
from s3torchconnector import S3Checkpoint, S3Exception, S3IterableDataset, S3MapDataset, S3Reader
from s3torchconnector.dcp import S3StorageReader, S3StorageWriter
from sklearn.datasets import load_digits
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 0
STORED = 224  # pixels a side in S3: about 11 KB a PNG, the size of a thumbnail; the 8 x 8 originals would be 120 bytes
SEEN = 32  # pixels a side that the model sees
EVERY_FIFTH = 5  # image is held out for evaluation
MUST_REACH = 0.90

Sample = tuple[str, torch.Tensor, int, int]  # key, pixels, label, bytes fetched


# Images.


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """One digit (8 x 8, 0..16) as the PNG that goes to S3."""
    image = Image.fromarray((pixels * 255 / 16).astype(np.uint8)).resize((STORED, STORED), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def decode(reader: S3Reader) -> Sample:
    """The datasets' transform, run in the workers: fetch an object, make it a tensor, take the label from its key."""
    data = reader.read()
    image = Image.open(io.BytesIO(data)).resize((SEEN, SEEN), Image.Resampling.BOX)
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).unsqueeze(0)
    return reader.key, pixels, int(reader.key.split("/")[-2]), len(data)


def upload(store: Store, report: Report) -> dict[str, int]:
    """Write train/LABEL/NUMBER.png and eval/LABEL/NUMBER.png; returns the bytes of each of the two."""
    digits = load_digits()
    writers = S3Checkpoint(store.region, s3client_config=store.config)  # the connector's public way to write an object

    def one(number: int) -> tuple[str, int]:
        part = "eval" if number % EVERY_FIFTH == 0 else "train"
        with writers.writer(f"{store.root}/{part}/{digits.target[number]}/{number:04}.png") as writer:
            return part, writer.write(png(digits.images[number]))

    sizes = {"train": 0, "eval": 0}
    count = len(digits.images)
    pool = ThreadPoolExecutor(8)
    try:
        with report.phase("upload", "upload images") as phase:
            for part, size in tqdm(pool.map(one, range(count)), "upload", count, unit="image", disable=None):
                sizes[part] += size
                phase.add(size, images=1)
    finally:
        pool.shutdown(cancel_futures=True)
    return sizes


# The model.


def network() -> nn.Module:
    """A small convolutional classifier; 4.2 million weights, so that a checkpoint is several parts long."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * (SEEN // 4) ** 2, 1024), nn.ReLU(), nn.Dropout(0.25), nn.Linear(1024, 10),
    )  # fmt: skip


def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
    """An untrained model and its optimizer."""
    model = network()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def batches(dataset: Dataset[Sample], args: argparse.Namespace, *, shuffle: bool, seed: int = SEED) -> Iterator[Any]:
    """A DataLoader with forked workers. Nothing is closed, dropped or re-opened around the fork: that is the point."""
    fork = "fork" if args.workers and sys.platform == "linux" else None
    order = torch.Generator().manual_seed(seed)
    return iter(
        DataLoader(
            dataset, args.batch_size, shuffle=shuffle, num_workers=args.workers, multiprocessing_context=fork, generator=order
        )
    )


def train(store: Store, report: Report, args: argparse.Namespace, size: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Fit a fresh model. Every epoch forks its workers anew, must bring `size` bytes, and ends with a checkpoint."""
    images = S3MapDataset.from_prefix(f"{store.root}/train/", region=store.region, s3client_config=store.config, transform=decode)
    model, optimizer = fresh()
    model.train()
    for epoch in range(args.epochs):
        report.epoch()
        with (
            report.phase("train", f"train x {args.epochs}") as phase,
            tqdm(total=len(images), desc=f"epoch {epoch + 1}/{args.epochs}", unit="image", disable=None) as bar,
        ):
            for keys, pixels, labels, sizes in batches(images, args, shuffle=True, seed=SEED + epoch):
                phase.add(int(sizes.sum()), images=len(keys))
                loss = nn.functional.cross_entropy(model(pixels), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                report.loss(loss.item())
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
                bar.update(len(keys))
        check(phase.nbytes == size, f"epoch {epoch + 1} read {phase.nbytes} bytes of images where {size} were stored")
        save(store, report, model, optimizer)
    return model, optimizer


def predict(model: nn.Module, store: Store, report: Report, args: argparse.Namespace, what: str) -> dict[str, tuple[int, int]]:
    """{key: (prediction, label)} of the held-out images, which the workers share out among themselves."""
    images = S3IterableDataset.from_prefix(
        f"{store.root}/eval/", region=store.region, s3client_config=store.config, transform=decode, enable_sharding=True
    )
    model.eval()
    found: dict[str, tuple[int, int]] = {}
    with (
        report.phase("evaluate", "evaluate x 3") as phase,
        torch.inference_mode(),
        tqdm(desc=f"evaluate {what}", unit="image", disable=None) as bar,
    ):
        for keys, pixels, labels, sizes in batches(images, args, shuffle=False):
            phase.add(int(sizes.sum()), images=len(keys))
            found.update(zip(keys, zip(model(pixels).argmax(1).tolist(), labels.tolist())))
            bar.update(len(keys))
    return found


# Checkpoints: the same state by two roads.


def save(store: Store, report: Report, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """torch.save to one object, replaced after every epoch."""
    checkpoint = S3Checkpoint(store.region, s3client_config=store.config)
    with report.phase("save", "S3Checkpoint save") as phase, checkpoint.writer(f"{store.root}/last.pt") as writer:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, writer)
        phase.nbytes = tensor_bytes(model, optimizer)


def reload(store: Store, report: Report) -> nn.Module:
    """torch.load of what `save` left, into a fresh model."""
    checkpoint = S3Checkpoint(store.region, s3client_config=store.config)
    model, optimizer = fresh()
    with report.phase("load", "S3Checkpoint load") as phase, checkpoint.reader(f"{store.root}/last.pt") as reader:
        state = torch.load(reader, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    phase.nbytes = tensor_bytes(model, optimizer)
    return model


def through_dcp(store: Store, report: Report, model: nn.Module, optimizer: torch.optim.Optimizer) -> nn.Module:
    """torch.distributed.checkpoint of a single process: shards and metadata under one prefix."""
    where: dict[str, Any] = {
        "region": store.region, "path": f"{store.root}/dcp", "s3client_config": store.config
    }  # fmt: skip
    size = tensor_bytes(model, optimizer)
    weights, moments = get_state_dict(model, optimizer)
    with report.phase("save", "DCP save") as phase:
        dcp.save({"model": weights, "optimizer": moments}, storage_writer=S3StorageWriter(**where), no_dist=True)
        phase.nbytes = size
    model, optimizer = fresh()
    weights, moments = get_state_dict(model, optimizer)
    with report.phase("load", "DCP load") as phase:
        dcp.load({"model": weights, "optimizer": moments}, storage_reader=S3StorageReader(**where), no_dist=True)
        phase.nbytes = size
    set_state_dict(model, optimizer, model_state_dict=weights, optim_state_dict=moments)
    return model


def tensor_bytes(model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """The payload of a checkpoint."""
    moments = [value for state in optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
    return sum(t.numel() * t.element_size() for t in [*model.state_dict().values(), *moments])


# The whole.


def check(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Stop with a message unless it holds."""
    if not holds:
        raise DemoError(otherwise)


def demo(store: Store, args: argparse.Namespace) -> None:
    """The run itself, from upload to plot."""
    engine = f"s3torchconnectorclient {version('s3torchconnectorclient')}"
    print(f"  {engine} under s3torchconnector {version('s3torchconnector')}; S3: {store.name}")
    report = Report()
    sizes = upload(store, report)
    model, optimizer = train(store, report, args, sizes["train"])
    predictions = predict(model, store, report, args, "the trained model")
    accuracy = sum(guess == label for guess, label in predictions.values()) / len(predictions)
    for road, again in (
        ("S3Checkpoint", reload(store, report)),
        ("DCP", through_dcp(store, report, model, optimizer)),
    ):
        same = all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))
        check(same, f"weights reloaded by {road} differ from the saved ones")
        check(predict(again, store, report, args, f"after {road}") == predictions, f"predictions differ after {road}")
    plot = args.output / "training.png"
    report.plot(plot, f"Digits from S3 · {engine} · {args.workers} workers · {accuracy:.1%} right")
    print(f"\n{report.table()}")
    print(f"\n  {len(predictions)} held-out images: {accuracy:.2%} right; the same after both reloads, weight for weight")
    print(f"  checkpoint: {tensor_bytes(model, optimizer) / MB:.1f} MB; plot: {plot}")
    check(accuracy > MUST_REACH, f"accuracy {accuracy:.1%} is not above {MUST_REACH:.0%}")


def at_least(least: int) -> Callable[[str], int]:
    """A type for the command line: an integer from `least`."""

    def integer(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
        return int(text)

    return integer


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="build.py demo",
        description="Train a small model on images in S3 and keep its checkpoints there. Needs nothing: without --bucket it "
        "starts an S3 of its own on this machine, in memory.",
        epilog="Credentials for your own S3 come from the usual places (AWS_* variables, profiles, roles). Everything this "
        "run writes lies under PREFIX/run-XXXXXXXX/ and is removed at the end.",
    )
    parser.add_argument("--bucket", help="use this existing bucket of yours")
    parser.add_argument("--endpoint", metavar="URL", help="of a MinIO or other S3; default: AWS_ENDPOINT_URL, else Amazon's")
    parser.add_argument("--region", default="us-east-1", help="of the bucket (default: %(default)s)")
    parser.add_argument("--prefix", default="s3torch-demo", help="where in the bucket to work (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the objects there")
    parser.add_argument("--epochs", type=at_least(1), default=5, help="(default: %(default)s)")
    parser.add_argument(
        "--workers", type=at_least(0), default=2, help="processes that load images; 0: none (default: %(default)s)"
    )
    parser.add_argument("--batch-size", type=at_least(1), default=32, help="(default: %(default)s)")
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="DIR", help="for the plot (default: %(default)s)"
    )
    args = parser.parse_args()
    if args.endpoint and not args.bucket:
        parser.error("--endpoint needs --bucket")
    return args


def main() -> int:
    """Run, then tidy up whatever happened. Exit status: 0 all checks held, 1 one did not, 130 Ctrl-C, 143 SIGTERM."""
    args = arguments()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # the same sums on every machine, and cores left for the workers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # tidy up then, too
    tqdm.monitor_interval = 0  # no helper thread: this process forks
    warnings.filterwarnings("ignore", message="torch.distributed is disabled")  # a single process is what we want
    try:
        with open_store(args.bucket, args.endpoint, args.region, args.prefix) as store:
            try:
                demo(store, args)
            finally:
                if args.keep and args.bucket:
                    print(f"  kept: {store.root}/")
                else:
                    print(f"  removed: {store.remove()} objects")
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except S3Exception as error:
        print(f"demo: {error} (S3: {args.endpoint or 'default endpoint'}, bucket: {args.bucket or 'demo'})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
