"""Which Python runs a client.

Owns: the environments, another revision's checkout. Refuses to know: what runs in them.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import clients
from s3build.console import StepError, quietly, say, step
from s3build.environments import BENCH_REQUIREMENTS, borrow_packages, environment

from . import OUT, ROOT

if TYPE_CHECKING:
    from .jobs import Job


@dataclass(frozen=True)
class Runtime:
    """A Python, and what it finds first."""

    python: Path
    path: Path | None = None

    def environment(self) -> dict[str, str]:
        """Little of ours goes in: no proxies, no AWS settings of the user's, no search for credentials on the network."""
        env = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR", "S3E_MINIO_BINARY") if name in os.environ}
        env.update(
            AWS_ACCESS_KEY_ID="bench",
            AWS_SECRET_ACCESS_KEY="benchmarks",  # noqa: S106 - checked by nobody
            AWS_REGION="us-east-1",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_EC2_METADATA_DISABLED="true",
            AWS_CONFIG_FILE=os.devnull,
            AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        )
        if self.path is not None:
            env.update(PYTHONPATH=str(self.path), S3BENCH_OURS="1")
        return env


class Runtimes:
    """name of a client -> Runtime, made when first asked for."""

    def __init__(self) -> None:
        self.worktrees: list[Path] = []
        self.made: dict[str, Runtime | None] = {}
        self.packages: dict[str, Path] = {"": snapshot()}

    def close(self) -> None:
        """Remove the checkouts that were made."""
        for folder in self.worktrees:
            quietly(["git", "worktree", "remove", "--force", folder], cwd=ROOT)

    def of(self, client: str, job: Job) -> Runtime | None:
        """What a job needs."""
        return self.runtime(client) if job.program == "child.py" else self.connector(client)

    def runtime(self, client: str) -> Runtime | None:
        """None where it cannot be installed on this machine, which has been said."""
        if client not in self.made:
            base, _, revision = client.partition("@")
            name = f"bench-{clients.CLIENTS[base][2]}"
            try:
                # runai needs torch, which is borrowed from .venv (see its .excludes).
                finish = (lambda made: borrow_packages(made, Path(sys.executable))) if base == "runai" else None
                python = environment(name, finish, requirements=BENCH_REQUIREMENTS)
            except StepError:
                say(f"{client}: its environment cannot be made here, it is left out")
                self.made[client] = None
                return None
            self.made[client] = Runtime(python, self.packages[revision] if base == "ours" else None)
        return self.made[client]

    def connector(self, client: str) -> Runtime | None:
        """The environments with torch and the published connector, which build.py makes."""
        base, _, revision = client.partition("@")
        if base == "ours":
            return Runtime(Path(sys.executable), self.packages[revision])
        found = os.environ.get("S3E_TEST_UPSTREAM_PYTHON")
        return Runtime(Path(found)) if found else None

    def add_revision(self, revision: str) -> str:
        """Check a revision out, build it by its own build.py, and return the client's name."""
        commit = quietly(["git", "rev-parse", "--short=10", f"{revision}^{{commit}}"], cwd=ROOT).strip()
        folder = ROOT / "build" / f"bench-{commit}"
        if not folder.exists():
            with step(f"git worktree {folder.relative_to(ROOT)}"):
                quietly(["git", "worktree", "prune"], cwd=ROOT)
                quietly(["git", "worktree", "add", "--detach", folder, commit], cwd=ROOT)
            self.worktrees.append(folder)
        with step(f"{revision}: its build.py build"):
            quietly([sys.executable, folder / "build.py", "build"], cwd=folder)
        self.packages[revision] = folder / "python"
        return f"ours@{revision}"


def snapshot() -> Path:
    """The checkout's package as it is now: somebody may build it anew while it is measured."""
    copy = OUT / "ours"
    shutil.rmtree(copy, ignore_errors=True)
    name = "s3torchconnectorclient"
    shutil.copytree(ROOT / "python" / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def dirty() -> bool:
    """Has the checkout changes that no commit has?"""
    return bool(quietly(["git", "status", "--porcelain", "go", "python"], cwd=ROOT).strip())


def revision() -> str:
    """What ours was built from."""
    return quietly(["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT).strip() + (" with changes" if dirty() else "")
