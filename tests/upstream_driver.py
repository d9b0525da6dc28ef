"""Runs programs on whatever s3torchconnectorclient this interpreter has, and tells what every line of them did.

A program is a list of lines of Python. `run` gives one text for each line: the value of an expression, or the exception. So
the same program on Amazon's client and on ours gives two lists to compare, and a program that fails is a script already.

Owns: how values become texts that can be compared. Refuses to know: what should come out (test_upstream.py). Imports nothing but
the standard library and s3torchconnectorclient, because it also runs where nothing else is: as a program it reads one JSON
object a line, {"setup": [line, ...], "program": [line, ...]}, and answers each with a JSON list of texts.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import re
import sys
import time
import zlib
from typing import Any
from urllib.parse import quote

import s3torchconnectorclient
from s3torchconnectorclient import _mountpoint_s3_client as client_module

RECENT_S = 86_400  # a time this close to now is the time of the test
LONG = 48  # bytes beyond which a value is told as length and checksum


def data(size: int, seed: int = 0) -> bytes:
    """Bytes that differ at every offset that a wrong part boundary could confuse: prime period, seed mixed in."""
    pattern = bytes((i * 31 + seed * 7) % 251 for i in range(251))
    return (pattern * (size // len(pattern) + 1))[:size]


def read(stream: Any) -> list[Any]:
    """Everything that comes out of a get: [tell, chunk, tell, chunk, ..., tell]."""
    told: list[Any] = [stream.tell()]
    for chunk in stream:
        told += [chunk, stream.tell()]
    return told


def upload(stream: Any, *pieces: bytes) -> None:
    """Write the pieces and close."""
    for piece in pieces:
        stream.write(piece)
    stream.close()


def pages(stream: Any) -> list[Any]:
    """Everything that comes out of a list, page by page, with the stream's state after each."""
    return [(page, stream.continuation_token is None, stream.complete) for page in stream]


def fields(thing: Any) -> list[Any]:
    """The public attributes that are no methods."""
    names = [name for name in dir(thing) if not name.startswith("_")]
    return [(name, getattr(thing, name)) for name in names if not callable(getattr(thing, name))]


def show(value: Any) -> str:  # noqa: PLR0911 - a case each
    """A value as text, the same for equal values of the two clients."""
    if isinstance(value, bytes) and len(value) > LONG:
        return f"<{len(value)} bytes, crc {zlib.crc32(value):08x}>"
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, tuple):
        if len(value) == 2 and value[0] == "last_modified" and recent(value[1]):  # the two clients stored it one after the other
            return "('last_modified', now)"
        return "(" + ", ".join(map(show, value)) + ")"
    kind = type(value).__name__
    if isinstance(value, client_module.ListObjectResult):
        return f"{kind}({show(value.object_info)}, {show(value.common_prefixes)})"
    if isinstance(value, (client_module.ObjectInfo, client_module.HeadObjectResult, client_module.RestoreStatus)):
        told = [f"{name}={'now' if name == 'last_modified' and recent(item) else show(item)}" for name, item in fields(value)]
        return f"{kind}({', '.join(told)})"
    if kind in ("MountpointS3Client", "MockMountpointS3Client", "GetObjectStream", "PutObjectStream", "ListObjectStream"):
        return f"<{kind}>"
    if isinstance(value, str):
        return repr(re.sub(r"(last_modified: )(\d+)", lambda m: m[1] + ("now" if recent(int(m[2])) else m[2]), value))
    return repr(value)


def recent(seconds: int) -> bool:
    """Is it about now?"""
    return abs(time.time() - seconds) < RECENT_S


def outcome(line: str, names: dict[str, Any]) -> str:
    """Run one line; what came of it."""
    try:
        code = compile(line, "<program>", "eval")
    except SyntaxError:
        code = compile(line, "<program>", "exec")
    try:
        value = eval(code, names)  # noqa: S307 - the programs are the tests' own; of a statement it gives None
        return show(value)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return f"{type(error).__name__}: {error}"


def run(setup: list[str], program: list[str], kept: dict[tuple[str, ...], dict[str, Any]] | None = None) -> list[str]:
    """The outcomes of the program's lines. `setup` runs before, and only once for each `kept`."""
    kept = {} if kept is None else kept
    names = kept.get(tuple(setup))
    if names is None:
        names = {name: getattr(client_module, name) for name in client_module.__all__}
        names.update(data=data, read=read, upload=upload, pages=pages, fields=fields, pickle=pickle, copy=copy, gc=gc, os=os)
        names.update(time=time, quote=quote, client_module=client_module, s3torchconnectorclient=s3torchconnectorclient)
        for line in setup:
            exec(line, names)  # noqa: S102 - as above
        kept[tuple(setup)] = names
    names = dict(names)
    try:
        return [outcome(line, names) for line in program]
    finally:
        names.clear()  # live streams end here, and not in the middle of the next program


def main() -> None:
    """Serve until the other side hangs up."""
    kept: dict[tuple[str, ...], dict[str, Any]] = {}
    for request in sys.stdin:
        told = run(**json.loads(request), kept=kept)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
