"""Programs of their own for what cannot be tried inside the test process: forks, signals, the end of the interpreter.

Owns: starting one, its deadline, its verdict. Refuses to know: what it tries.

A program is a function in one of the modules NAME_scripts.py. It gets its arguments by keyword and prints its verdict, one JSON
object, as its last line of output. One that outlives its deadline shows all its threads' stacks, then dies with its children.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

SECONDS = 60.0  # ordinary ones take one or two; a machine with busy cores takes longer
LAST_WORDS_SECONDS = 5.0

# -X faulthandler: SIGABRT, which the deadline sends, prints the stacks of all threads.
START = [sys.executable, "-X", "faulthandler", "-c"]
MAIN = "import json, sys; name, arguments = sys.argv[1:]; import {module}; getattr({module}, name)(**json.loads(arguments))"


@dataclass
class Outcome:
    """How a program ended."""

    status: int
    out: str
    err: str

    @property
    def verdict(self) -> dict[str, Any]:
        """What it said in its last line."""
        lines = self.out.strip().splitlines()
        assert lines, f"no verdict; stderr: {self.err}"
        found: dict[str, Any] = json.loads(lines[-1])
        return found


class Script:
    """A running program; `with` ends it and its children, whatever happens."""

    def __init__(self, script: str, arguments: Mapping[str, Any], env: Mapping[str, str] | None = None) -> None:
        module, _, name = script.partition(".")
        self._out: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - files, not pipes: nobody needs to read meanwhile
        self._err: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [*START, MAIN.format(module=module), name, json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=self._out,
            stderr=self._err,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
            start_new_session=True,  # a group of its own: our Ctrl-C is not its, and its children end with it
        )

    def said(self, what: str) -> Any:
        """Wait until it has printed an object that has something of this name; what?"""

        def look() -> dict[str, Any] | None:
            ended = self.process.poll() is not None
            lines = [json.loads(line) for line in _content(self._out).splitlines(keepends=True) if line.endswith("\n")]
            found = next((line for line in lines if what in line), None)
            assert found or not ended, f"it ended without a word on {what}: {self.wait()}"
            return found

        return (eventually(look, lambda: f"it says {what}; so far {_content(self._out)!r}, {_content(self._err)!r}") or {})[what]

    def go_on(self) -> None:
        """Send it the line that it waits for on its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def wait(self, seconds: float = SECONDS) -> Outcome:
        """Wait for its end; past the deadline it shows its stacks and is killed."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LAST_WORDS_SECONDS)
            self.kill()
            told = f"{_content(self._out)}\n{_content(self._err)}"
            raise AssertionError(f"not over within {seconds:g} s; what it said:\n{told}") from None
        return Outcome(status, _content(self._out), _content(self._err))

    def kill(self) -> None:
        """End it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Script:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        self._out.close()
        self._err.close()


def run(
    script: str,
    *,
    status: int = 0,
    quiet: bool = True,
    seconds: float = SECONDS,
    env: Mapping[str, str] | None = None,
    **arguments: Any,
) -> Outcome:
    """Run a program to its end, which must have this exit status and, if `quiet`, nothing on stderr."""
    with Script(script, arguments, env) as running:
        outcome = running.wait(seconds)
    assert outcome.status == status, f"exit status {outcome.status}\n{outcome.out}\n{outcome.err}"
    if quiet:
        assert outcome.err == "", outcome.err
    return outcome


def _content(file: IO[str]) -> str:
    # Through another file position: the program writes at this descriptor's.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")
