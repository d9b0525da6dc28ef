"""The rules of this house that a program can check (CONTRIBUTING.md; docs/design).

Owns: sizes, docstrings, names, who may import what, which symbols leave the library. Refuses to know: behaviour.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import s3torchconnectorclient
from s3torchconnectorclient import _library

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "s3torchconnectorclient"
HEADER = ROOT / "go" / "abi" / "s3engine.h"
GENERATED = {PACKAGE / "_abi.py"}
MOST_LINES = 400
BANNED = {"util", "utils", "common", "helper", "helpers", "manager", "base", "impl", "inner", "misc"}


def sources(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> list[Path]:
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*")) if file.suffix in suffixes]
    return [file for file in files if file not in GENERATED and not {"vendor", "__pycache__", "out"} & set(file.parts)]


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


PYTHON = [*sources("python", "tests", "tools", "examples", "benchmarks"), ROOT / "build.py"]
GO = sources("go", suffixes=(".go",))
CODE = [*PYTHON, *GO, HEADER]


def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(text(file))))


def opening(file: Path) -> str:
    return "\n".join(text(file).splitlines()[:40])


def test_files_are_short() -> None:
    """A file of more than 400 lines has two responsibilities."""
    assert [named(file) for file in CODE if len(text(file).splitlines()) > MOST_LINES] == []


def test_modules_have_docstrings() -> None:
    """Every Python file says what it is for."""
    assert [named(file) for file in PYTHON if not ast.get_docstring(ast.parse(text(file)))] == []


def test_what_is_shipped_says_what_it_owns() -> None:
    """And what it refuses to know: that is where the next change must not go."""
    spoken = re.compile(r"\bowns?\b|// Package|// Command|// See ")
    silent = [file for file in sources("python", "tools") if not re.search(r"\bOwns\b.*\bRefuses to\b", opening(file), re.DOTALL)]
    silent += [file for file in GO if file.name[-8:] != "_test.go" and not spoken.search(opening(file))]
    assert [named(file) for file in silent] == []


def test_tests_are_sentences() -> None:
    """Every test says in its docstring what is promised."""
    silent = [
        f"{named(file)}: {node.name}"
        for file in sources("tests")
        for node in nodes(file)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_tests_do_not_sleep() -> None:
    """They wait for a condition: sleeping is slow on a good day, and wrong on a bad one."""
    asleep = [
        f"{named(file)}:{node.lineno}"
        for file in sources("tests")
        for node in nodes(file)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "sleep")
    ]
    assert asleep == []


def test_cgo_and_signals_stay_where_they_belong() -> None:
    """Only go/abi crosses to C, where nothing can be tested or raced; signals are the host's."""
    assert [named(file) for file in GO if 'import "C"' in text(file) and file.parent.name != "abi"] == []
    assert [named(file) for file in GO if '"os/signal"' in text(file) and file.parent.name != "serve"] == []


def test_names_say_something() -> None:
    """No util, common, helper, manager, base, impl or inner: such names collect what belongs nowhere."""
    shipped = [file for file in [*sources("python", "tools"), *GO] if not file.name.endswith("_test.go")]
    names = [(named(file), set(re.split(r"[_.]", file.name))) for file in shipped]
    for file in shipped:
        if file.suffix == ".py":
            classes = [node.name for node in nodes(file) if isinstance(node, ast.ClassDef)]
            names += [
                (f"{named(file)}: {name}", set(re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", name).lower())))
                for name in classes
            ]
    assert [where for where, words in names if BANNED & words] == []


# Who may import whom: later ones know earlier ones, never the reverse.
LAYERS = [
    {"_version", "_errors", "_arguments", "_logger_patch", "_abi"},
    {"_mechanics", "_library", "_logging_filter"},
    {"_engine", "_structs"},
    {"_buffers"},
    {"_op"},
    {"_connection", "_get", "_put"},
    {"_list"},
    {"_client", "_config"},
    {"_mock"},
    {"_mountpoint_s3_client"},
    {"__init__", "__main__"},
]


def imports(file: Path) -> set[str]:
    """Our modules that a module imports at run time; a type checker may look up."""
    everything = nodes(file)
    for_types = {
        id(part)
        for node in everything
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for part in ast.walk(statement)
    }
    found = [node for node in everything if isinstance(node, ast.ImportFrom) and node.level == 1 and id(node) not in for_types]
    return {module for node in found for module in ([node.module] if node.module else [alias.name for alias in node.names])}


def test_layers_know_only_what_is_below() -> None:
    """client -> streams -> buffers -> engine -> library: each can be read without those above it."""
    rank = {name: level for level, names in enumerate(LAYERS) for name in names}
    modules = sources("python")
    assert {file.stem for file in modules} | {"_abi"} == set(rank), "a new module: give it its layer"
    looks_up = [f"{file.stem} -> {module}" for file in modules for module in imports(file) if rank[module] >= rank[file.stem]]
    assert looks_up == []


def test_few_files_touch_native_code() -> None:
    """cffi and ctypes are for _library, _engine and _buffers alone."""
    native = re.compile(r"^\s*(import ctypes|from \._abi import|from \. import _abi)|\bffi\.", re.MULTILINE)
    touching = {file.stem for file in sources("python") if native.search(text(file))}
    assert touching == {"_library", "_engine", "_buffers"}


def test_the_engine_is_waited_for_in_one_place() -> None:
    """One loop serves signals, one shutdown ends the process; a second one would forget something."""
    code = "".join(text(file) for file in sources("python"))
    assert code.count(".s3e_wait(") == 1
    assert code.count(".s3e_shutdown(") == 1


def test_nothing_but_the_headers_functions_leaves_the_library() -> None:
    """After a fork several copies live in one process, and must not find each other's helpers."""
    nm = shutil.which("nm")
    if nm is None or _library.PATH.suffix != ".so":
        pytest.skip("needs nm and an ELF library")
    listing = subprocess.run([nm, "-D", "--defined-only", _library.PATH], check=True, capture_output=True, text=True).stdout
    symbols = {line.split()[-1].partition("@")[0] for line in listing.splitlines()}
    header = text(HEADER)
    assert symbols == set(re.findall(r"^u?int32_t (s3e_\w+)\(", header, re.MULTILINE))


def test_every_function_of_the_header_is_described_and_exported() -> None:
    """A stranger can write a binding with the header alone."""
    header = text(HEADER)
    exports = text(HEADER.with_name("exports.go"))
    described = re.findall(r"\*/\nu?int32_t (s3e_\w+)\(", header)
    assert described == re.findall(r"^u?int32_t (s3e_\w+)\(", header, re.MULTILINE)
    assert described == re.findall(r"^//export (s3e_\w+)$", exports, re.MULTILINE)


def test_the_version_is_upstreams_and_ours() -> None:
    """pyproject.toml's is the public one with our local part behind it, so that s3torchconnector's pin is met (§1)."""
    declared = re.search(r'^version = "(.+)"', text(ROOT / "pyproject.toml"), re.MULTILINE)
    assert declared is not None
    assert declared[1].partition("+")[0] == s3torchconnectorclient.__version__


def test_the_package_says_that_it_is_typed() -> None:
    """py.typed is shipped (§1)."""
    assert (PACKAGE / "py.typed").is_file()
