"""The boundary: header, library and Python say the same, and misuse is an error, never a crash.

Owns: what gcc cannot see of go/abi/s3engine.h, and its rules as a caller meets them. Refuses to know: S3.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from s3torchconnectorclient import _abi, _engine, _library
from s3torchconnectorclient._buffers import uninitialised
from s3torchconnectorclient._connection import PLAIN, Connection, Memory
from s3torchconnectorclient._engine import Lib, NativeClient, memory
from s3torchconnectorclient._errors import S3Exception
from s3torchconnectorclient._op import Op

ROOT = Path(__file__).resolve().parent.parent
HEADER = (ROOT / "go" / "abi" / "s3engine.h").read_text(encoding="utf-8")
PROTOTYPES = re.findall(r"^u?int32_t (s3e_\w+)\((.*?)\);", HEADER, re.MULTILINE | re.DOTALL)
ffi: Any = _abi.ffi


@pytest.fixture
def lib() -> Any:
    return _engine.current().lib


@pytest.fixture
def client() -> NativeClient:
    return Connection(PLAIN, Memory(uuid.uuid4().hex, ["b"], "s3")).native()


def test_the_header_has_its_ten_functions() -> None:
    """The aim is to keep it ten: what only one caller needs has no place here."""
    assert len(PROTOTYPES) == 10


@pytest.mark.parametrize(("name", "parameters"), PROTOTYPES)
def test_every_function_is_exported_and_typed(name: str, parameters: str, lib: Any) -> None:
    """A prototype without an export builds; only looking the symbol up shows it. The Protocol has it with as many arguments."""
    function = ffi.typeof(getattr(lib, name))
    arguments = [] if parameters == "void" else parameters.split(",")
    typed = list(inspect.signature(getattr(Lib, name)).parameters.values())[1:]
    assert len(function.args) == len(arguments) == len(typed)
    for ctype, parameter in zip(function.args, typed):
        assert (ctype.kind == "primitive") == (parameter.annotation == "int"), (name, parameter)


def test_the_protocol_has_no_more_than_the_header() -> None:
    """Nor does the type checker know functions that are not there."""
    assert {name for name in vars(Lib) if name.startswith("s3e_")} == {name for name, _ in PROTOTYPES}


def test_the_library_has_the_headers_version(lib: Any) -> None:
    """It is compared with the generated module's at every load."""
    assert f"#define S3E_ABI_VERSION {lib.s3e_abi_version()}" in HEADER
    assert lib.s3e_abi_version() == ffi.integer_const("S3E_ABI_VERSION")


def test_a_stale_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """ImportError says which of the two files is older, before anything else is called."""

    class Old:
        def s3e_abi_version(self) -> int:
            return 0

    monkeypatch.setattr(_library, "load", Old)
    process = _engine._Process()
    with pytest.raises(ImportError, match=rf"{re.escape(str(_library.PATH))} is stale"):
        process.begin()


@pytest.mark.parametrize(("struct", "size"), [("s3e_event", 40), ("s3e_error", 1224)])
def test_structs_have_their_sizes(struct: str, size: int) -> None:
    """Flat C: the same on every platform."""
    assert ffi.sizeof(struct) == size


@pytest.mark.parametrize("handle", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("call", ["start", "lend", "finish", "wait", "reply", "close"])
def test_bad_handles_are_refused(call: str, handle: int, lib: Any) -> None:
    """Any number that is no live handle is BAD_HANDLE: never a crash, never a neighbour's op."""
    error, event, cell, out = ffi.new("s3e_error *"), ffi.new("s3e_event *"), ffi.new("s3e_handle *"), ffi.new("uint8_t[8]")
    arguments = {
        "start": (b'{"op":"dump"}', 13, cell),
        "lend": (1, out, 8),
        "finish": (),
        "wait": (0, 0, event),
        "reply": (out, 8),
        "close": (),
    }[call]
    assert getattr(lib, f"s3e_{call}")(handle, *arguments, error) == ffi.integer_const("S3E_BAD_HANDLE")
    assert ffi.string(error.message)


def test_a_client_is_no_op_and_an_op_no_client(client: NativeClient) -> None:
    """Handles carry their kind."""
    op = Op(client, {"op": "dump"})
    error, cell = _engine.new_failure(), _engine.new_cell()
    assert client.engine.lib.s3e_finish(client.handle, error) == ffi.integer_const("S3E_BAD_HANDLE")
    start = client.engine.lib.s3e_start(op.loans.handle[0], b'{"op":"dump"}', 13, cell, error)
    assert start == ffi.integer_const("S3E_BAD_HANDLE")


@pytest.mark.parametrize(
    "request_",
    [b"", b"{", b'{"op":"dance"}', b'{"op":"dump","extra":1}', b'{"op":"head","bucket":1}', b"\xff", b'{"op":"dump"}x'],
)
def test_malformed_requests_are_refused(request_: bytes, client: NativeClient) -> None:
    """A misspelt field is an error and not a default."""
    error, cell = _engine.new_failure(), _engine.new_cell()
    kind = client.engine.lib.s3e_start(client.handle, request_, len(request_), cell, error)
    assert kind == ffi.integer_const("S3E_INVALID")
    assert cell[0] == 0


def test_a_misspelt_configuration_is_refused() -> None:
    """And the message says which field."""
    with pytest.raises(S3Exception, match="regoin"):
        NativeClient(_engine.current(), json.dumps({"regoin": "r"}).encode())


def test_events_repeat_until_acknowledged(client: NativeClient) -> None:
    """W2: an interrupt between s3e_wait and its caller's assignment loses nothing."""
    op = Op(client, {"op": "list", "bucket": "b", "prefix": "", "delimiter": "", "max_keys": 1, "continuation_token": None})
    first = op.wait()
    seen = (first.kind, first.seq, first.length)
    assert seen[0] == _engine.DONE
    for _ in range(3):
        again = op.wait()
        assert (again.kind, again.seq, again.length) == seen
    assert op.reply(again) == {"objects": [], "common_prefixes": [], "continuation_token": None}


def test_errors_repeat_for_ever(client: NativeClient) -> None:
    """Once its events are acknowledged, a failed op reports its error at every wait."""
    op = Op(client, {"op": "head", "bucket": "b", "key": "none"})
    for _ in range(3):
        with pytest.raises(S3Exception, match="The object was not found"):
            op.wait()


def test_a_closed_op_drains_once(client: NativeClient) -> None:
    """L3: DRAINED is reported once, then the handle is dead; closing twice is fine."""
    op = Op(client, {"op": "dump"})
    op.wait()
    loans, lib = op.loans, client.engine.lib
    assert lib.s3e_close(loans.handle[0], loans.failure) == _engine.OK
    assert lib.s3e_close(loans.handle[0], loans.failure) in (_engine.OK, ffi.integer_const("S3E_BAD_HANDLE"))
    assert client.engine.wait(loans.handle[0], 0, loans.event, loans.failure, 10)
    assert loans.event.kind == _engine.DRAINED
    assert lib.s3e_wait(loans.handle[0], 0, 0, loans.event, loans.failure) == ffi.integer_const("S3E_BAD_HANDLE")
    assert loans.drained()


def test_loans_are_counted_until_they_are_back(client: NativeClient) -> None:
    """s3e_stats sees every lent byte; closing gives all of them back."""
    engine = client.engine
    put = Op(client, {"op": "put", "bucket": "b", "key": "k", "storage_class": None})
    put.loans.acked = put.wait().seq
    before = engine.stats()["lent_bytes"]
    assert put.loans.lend(b"x" * 1000, 0, 1000)
    event = put.wait()
    assert (event.kind, event.token, event.length) == (_engine.RETURNED, 1, 1000)
    assert engine.stats()["lent_bytes"] == before + 1000  # acknowledged is what counts
    put.loans.settle(event)
    put.close()
    put.loans.drained(10)
    assert engine.stats()["lent_bytes"] == before
    assert put.loans not in engine.loans


def test_a_refused_loan_is_not_lent(client: NativeClient) -> None:
    """Lending to an op that takes no loans is an error, and the memory is the caller's."""
    op = Op(client, {"op": "dump"})
    op.wait()
    assert op.loans.lend(bytearray(8), 0, 8) is False
    assert op.loans.made == 0
    assert op.loans.pins == {}
    assert op.loans.refusal is not None


@pytest.mark.parametrize("length", [1, 2, 4096, 1 << 20])
def test_uninitialised_bytes_belong_to_one_owner(length: int) -> None:
    """Never a shared one-byte object: what the engine writes there would change every b"x" of the process."""
    one, other = uninitialised(length), uninitialised(length)
    assert len(one) == length
    assert one is not other
    ffi.memmove(memory(one), b"\x01" * length, length)
    ffi.memmove(memory(other), b"\x02" * length, length)
    assert one == b"\x01" * length
    assert bytes(range(3)) == b"\x00\x01\x02"


def test_stats_fit_any_buffer(lib: Any) -> None:
    """The length needed is told also where the buffer is too small for it."""
    length, error, out = ffi.new("uint64_t *"), ffi.new("s3e_error *"), ffi.new("uint8_t[1]")
    assert lib.s3e_stats(out, 1, length, error) == _engine.OK
    assert length[0] > 1
    assert out[0] == 0
    assert {"clients", "ops", "lent_bytes", "version"} <= set(_engine.current().stats())


def test_the_generated_module_is_the_headers(tmp_path: Path) -> None:
    """_abi.py regenerates identically: nobody edits it, nobody forgets to build."""
    fresh = tmp_path / "_abi.py"
    environ = {"PYTHONPATH": str(ROOT / "tools"), "PATH": ""}
    subprocess.run([sys.executable, "-m", "s3build.abi", str(fresh)], check=True, env=environ, capture_output=True)
    generated = Path(_abi.__file__ or "").read_text(encoding="utf-8")
    assert generated == fresh.read_text(encoding="utf-8")
