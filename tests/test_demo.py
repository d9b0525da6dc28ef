"""The example runs: what README.md tells a newcomer to try first.

Owns: that it succeeds, says what it did and leaves nothing behind. Refuses to know: training, which checks itself (train.py).
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Store

pytest.importorskip("torch")
pytest.importorskip("sklearn")

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "train.py"
pytestmark = pytest.mark.timeout(500)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the example to its end."""
    return subprocess.run(
        [sys.executable, EXAMPLE, *arguments], capture_output=True, text=True, check=False, timeout=450, stdin=subprocess.DEVNULL
    )


def test_the_example_runs_on_the_embedded_s3(tmp_path: Path) -> None:
    """Forked workers, both kinds of checkpoint, exact reloads, a plot, and nothing left in the store (§0, §8)."""
    told = run("--epochs", "2", "--output", tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "the same after both reloads, weight for weight" in told.stdout
    assert re.search(r"S3: embedded, http://127\.0\.0\.1:\d+$", told.stdout, re.MULTILINE)
    assert re.search(r"removed: 18\d\d objects$", told.stdout, re.MULTILINE)
    assert "Warning" not in told.stdout + told.stderr
    assert (tmp_path / "training.png").stat().st_size > 10_000


def test_the_example_names_what_is_wrong(minio: Store, tmp_path: Path) -> None:
    """A bucket that is not there is one line and exit status 1, not a traceback."""
    told = run("--bucket", "no-such-bucket", "--endpoint", minio.endpoint, "--output", tmp_path)
    assert told.returncode == 1
    (line,) = [line for line in told.stderr.splitlines() if line.startswith("demo: ")]
    assert "no-such-bucket" in line
    assert "Traceback" not in told.stderr


@pytest.mark.full
def test_the_example_runs_on_a_store_of_ones_own(minio: Store, tmp_path: Path) -> None:
    """The same on MinIO with the full number of epochs, without workers."""
    bucket = "demo-bucket"
    minio.raw.create_bucket(bucket)
    told = run("--bucket", bucket, "--endpoint", minio.endpoint, "--workers", "0", "--output", tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "the same after both reloads, weight for weight" in told.stdout
    assert minio.raw.keys(bucket) == []
