"""Do Amazon's client and ours do the same? The same programs on both, on one MinIO and on both mocks, compared line by line.

What differs on purpose is in upstream_differences.py and nowhere else. A program that fails is printed as a script that runs
alone, on either client. `--full` tries twenty times as many programs.
"""

from __future__ import annotations

import inspect
import itertools
import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import upstream_driver
from upstream_differences import DIFFERENCES, Difference, agree, canonical
from upstream_fixed import FIXED_MOCK, FIXED_STORE
from upstream_programs import PART, mock_programs, store_programs

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES, FULL_EXAMPLES = 100, 2000
DRIVER = Path(upstream_driver.__file__)

HEAD = '''\
"""What two clients did not do alike. Run it with each of them: the value of every line is printed.
{needs}"""

import copy, gc, os, pickle, re, time, zlib
from urllib.parse import quote

import s3torchconnectorclient
from s3torchconnectorclient import _mountpoint_s3_client as client_module
from s3torchconnectorclient._mountpoint_s3_client import *

Any, LONG, RECENT_S = object, {long}, {recent}
'''
NEEDS = """\
It needs AWS_ENDPOINT_URL and credentials for it in the environment, and a bucket there: {bucket!r}. Without a store at hand:
python -m s3torchconnectorclient serve --bucket {bucket}
"""


class Oracle:
    """Amazon's client in a process of its own."""

    def __init__(self, python: str) -> None:
        self.process = subprocess.Popen(
            [python, DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where it prints the traces of its panics
            text=True,
            start_new_session=True,
            # A PYTHONPATH that leads to ours would make the comparison one of ours with itself.
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
        (native,) = self.run([], ["client_module.__file__.endswith('.so')"])
        assert native == "True", f"{python} has no client of Amazon's, which is an extension module"

    def run(self, setup: list[str], program: list[str]) -> list[str]:
        """Give the outcomes of a program's lines."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"setup": setup, "program": program}) + "\n")
        self.process.stdin.flush()
        return list(json.loads(self.process.stdout.readline()))

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def upstream_python() -> str:
    """The Python that has Amazon's client; build.py names it where there is one."""
    python = os.environ.get("S3E_TEST_UPSTREAM_PYTHON")
    if not python:
        pytest.skip("no Python with Amazon's client: S3E_TEST_UPSTREAM_PYTHON names one")
    return python


@pytest.fixture(scope="module")
def oracle(upstream_python: str) -> Iterator[Oracle]:
    """Amazon's client for programs on the mock."""
    oracle = Oracle(upstream_python)
    yield oracle
    oracle.stop()


class Arena:
    """The two clients on one MinIO: a bucket for each, and the same prefix for both, new for each program."""

    def __init__(self, oracle: Oracle, setups: tuple[list[str], list[str]]) -> None:
        self.oracle, self.setups = oracle, setups
        self.kept: dict[tuple[str, ...], dict[str, Any]] = {}
        self.numbers = itertools.count()

    def run(self, program: list[str]) -> tuple[list[str], list[str], list[str]]:
        """Give the program as it was run, and the outcomes on Amazon's client and on ours."""
        program = [f"P = 'x{next(self.numbers)}/'", *program]
        theirs = self.oracle.run(self.setups[0], program)
        ours = upstream_driver.run(self.setups[1], program, self.kept)
        return program, theirs, ours


@pytest.fixture(scope="module")
def arena(minio: Any, upstream_python: str) -> Iterator[Arena]:
    """Both clients, with the smallest parts, on MinIO."""
    oracle = Oracle(upstream_python)  # after `minio`, whose credentials are in the environment from then on
    setups = []
    for side in ("theirs", "ours"):
        bucket = f"{side}-{secrets.token_hex(4)}"
        minio.raw.create_bucket(bucket)
        client = f"MountpointS3Client({minio.region!r}, endpoint={minio.endpoint!r}, force_path_style=True, part_size={PART})"
        setups.append([f"c = {client}", f"B = {bucket!r}"])
    yield Arena(oracle, (setups[0], setups[1]))
    oracle.stop()


def on_mocks(oracle: Oracle, program: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Run a program on both mocks."""
    setup = ["B = 'bucket'"]
    return program, oracle.run(setup, program), upstream_driver.run(setup, program)


def compare(setup: list[str], program: list[str], theirs: list[str], ours: list[str]) -> None:
    """Fail with a script if the outcomes differ other than on purpose."""
    theirs, ours = [masked(line) for line in theirs], [masked(line) for line in ours]
    bad = [number for number, line in enumerate(program) if not agree(line, theirs[number], ours[number])]
    if not bad:
        return
    told = [f"{program[n]}\n    Amazon's: {canonical(theirs[n])}\n    ours:     {ours[n]}" for n in bad]
    raise AssertionError("\n".join(["they differ:", *told, "", "the script:", "", script(setup, program)]))


def masked(text: str) -> str:
    """An outcome without the bucket's name, which is another for each side."""
    return re.sub(r"(theirs|ours)-[0-9a-f]{8}", "BUCKET", text)


def script(setup: list[str], program: list[str]) -> str:
    """Write a program down so that it needs nothing of these tests."""
    bucket = next(line for line in setup if line.startswith("B = "))
    store = len(setup) > 1
    needs = NEEDS.format(bucket=bucket[len("B = ") :].strip("'")) if store else ""
    lines = [HEAD.format(needs=needs, long=upstream_driver.LONG, recent=upstream_driver.RECENT_S), bucket]
    tools = ("data", "read", "upload", "pages", "fields", "recent", "show", "outcome")
    lines += [inspect.getsource(getattr(upstream_driver, name)) for name in tools]
    if store:
        lines.append(f"c = MountpointS3Client('us-east-1', force_path_style=True, part_size={PART})")
    lines.append("for line in (")
    lines += [f"    {line!r}," for line in program]
    lines += ["):", "    print(f'{line}\\n    {outcome(line, globals())}')", ""]
    return "\n".join(lines)


def explore(full: bool, strategy: Any, try_one: Any) -> None:  # noqa: FBT001 - the fixture's value
    """Let hypothesis try programs; it shrinks the one that fails."""
    count = FULL_EXAMPLES if full else EXAMPLES
    hypothesis.settings(max_examples=count)(hypothesis.given(strategy)(try_one))()


def test_mocks_do_the_same(oracle: Oracle, full: bool) -> None:  # noqa: FBT001
    """Any program on the mock does on ours what it does on Amazon's (contract 7, and 2 to 6 where the mock shows it)."""

    def try_one(program: list[str]) -> None:
        compare(["B = 'bucket'"], *on_mocks(oracle, program))

    explore(full, mock_programs(), try_one)


@pytest.mark.timeout(3000)
def test_clients_do_the_same(arena: Arena, full: bool) -> None:  # noqa: FBT001
    """Any program on MinIO does with ours what it does with Amazon's (contract 2 to 6)."""

    def try_one(program: list[str]) -> None:
        compare(arena.setups[1], *arena.run(program))

    explore(full, store_programs(), try_one)


@pytest.mark.parametrize("name", FIXED_MOCK)
def test_mocks_do_the_same_in(name: str, oracle: Oracle) -> None:
    """What random programs seldom say: arguments, pickles, attributes, texts (contract 1, 2, 3, 4, 7)."""
    compare(["B = 'bucket'"], *on_mocks(oracle, FIXED_MOCK[name].strip().splitlines()))


@pytest.mark.parametrize("name", FIXED_STORE)
def test_clients_do_the_same_in(name: str, arena: Arena) -> None:
    """What random programs seldom say, on MinIO: part boundaries, bad keys, bad buckets, states (contract 2, 4, 5, 6)."""
    compare(arena.setups[1], *arena.run(FIXED_STORE[name].strip().splitlines()))


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.why.split(":")[0].replace(" ", "-"))
def test_a_listed_difference_is_real(row: Difference, request: pytest.FixtureRequest) -> None:
    """No row of the table outlives what it describes (contract 0)."""
    if row.on == "mock":
        setup = ["m = MockMountpointS3Client('us-east-1', B, part_size=4)", "c = m.create_mocked_client()"]
        program, theirs, ours = on_mocks(request.getfixturevalue("oracle"), [*setup, *row.example])
    else:
        program, theirs, ours = request.getfixturevalue("arena").run(list(row.example))
    assert row.covers(program[-1], canonical(theirs[-1]), ours[-1]), (canonical(theirs[-1]), ours[-1])
    assert canonical(theirs[-1]) != ours[-1]


def test_a_failing_program_prints_as_a_script_that_runs_alone(upstream_python: str, tmp_path: Path) -> None:
    """The printed script needs no file of these tests, and shows on each client what the comparison saw."""
    program = ["m = MockMountpointS3Client('r', B, part_size=4)", "c = m.create_mocked_client()", "m.add_object('k', bytes(9))"]
    program += ["read(c.get_object(B, 'k', 0, 6))", "read(c.get_object(B, 'k', 6, 5))"]
    with pytest.raises(AssertionError) as failure:
        compare(["B = 'bucket'"], program, ["None", "None", "None", "[4]", "x"], ["None", "None", "None", "[6]", "x"])
    text = str(failure.value)
    alone = tmp_path / "alone.py"
    alone.write_text(text[text.index('"""What two') :], encoding="utf-8")
    for python, last in ((sys.executable, "S3Exception"), (upstream_python, "PanicException")):
        told = subprocess.run([python, alone], capture_output=True, text=True, check=True, cwd=tmp_path).stdout.splitlines()
        assert told[7].strip() == r"[0, b'\x00\x00\x00\x00', 4, b'\x00\x00', 6]"
        assert told[9].strip().startswith(last)
