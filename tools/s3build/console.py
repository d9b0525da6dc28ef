"""What the person at the terminal sees: one line a step with its time, and all of its output only when it fails.

Owns: the shape of those lines, running a child quietly. Refuses to know: what the steps do.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

from contextlib import contextmanager


class StepError(Exception):
    """A step failed and has said why; `status` is for the shell."""

    def __init__(self, status: int = 1) -> None:
        super().__init__(f"exit status {status}; the output is above")
        self.status = status


def say(text: str) -> None:
    """One line, out at once, so that it stands before what a child prints next."""
    print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, then say how long it took. The title comes first: some steps take minutes when nothing is cached."""
    print(f"· {title} …", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print(f" failed after {time.monotonic() - began:.1f} s", flush=True)
        raise
    print(f" {time.monotonic() - began:.1f} s", flush=True)


def quietly(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, nice: bool = False
) -> str:
    """Run a command and return what it printed. If it fails, show that and raise StepError with its status."""
    words = [str(word) for word in command]
    if nice and shutil.which("nice"):  # for the long builds: the machine may be doing something else as well
        words = ["nice", "-n", "10", *words]
    done = subprocess.run(
        words,
        check=False,
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        print(f"\n$ {shlex.join(words)}\n{done.stdout}", file=sys.stderr, flush=True)
        raise StepError(done.returncode)
    return done.stdout


def foreground(command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path | None = None) -> int:
    """Run a command at the terminal, as if the shell had; returns its status.

    Ctrl-C reaches it as well as us, and it has a report to print or a server to stop, so it decides when that is over.
    """
    with subprocess.Popen([str(word) for word in command], env=dict(env), cwd=cwd) as child:
        while True:
            try:
                status = child.wait()
            except KeyboardInterrupt:
                continue
            return status if status >= 0 else 128 - status  # as shells tell a death by signal
