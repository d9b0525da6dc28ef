"""Two things to do without writing a program.

    python -m s3torchconnectorclient version                     which package and engine this is
    python -m s3torchconnectorclient serve --bucket demo         an S3 in memory, on a loopback port, until Ctrl-C

Owns: the command line. Refuses to know: S3.
"""

from __future__ import annotations

import argparse
import select
import sys
import uuid
from typing import TYPE_CHECKING

from . import _engine, _library
from ._connection import PLAIN, Connection, Memory
from ._engine import OPENED
from ._errors import S3Exception
from ._op import Op
from ._version import __version__

if TYPE_CHECKING:
    from io import BufferedReader

LOOK_S = 0.2  # how often a server looks whether its parent is still there


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m s3torchconnectorclient", description="s3torchconnectorclient, engine in Go")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version", help="print versions and where the engine is")
    serve = commands.add_parser("serve", help="serve an S3 in memory on 127.0.0.1; it checks no credentials")
    serve.add_argument("--port", type=int, default=0, help="default: any free one, printed at start")
    serve.add_argument("--bucket", action="append", default=[], help="a bucket that exists from the start; may be repeated")
    serve.add_argument(
        "--until-eof", action="store_true", help="end with standard input too: a server must not outlive a parent that was killed"
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "version":
            return _version()
        return _serve(options.port, options.bucket, _stdin() if options.until_eof else None)
    except S3Exception as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _version() -> int:
    stats = _engine.current().stats()
    sys.stdout.write(
        f"s3torchconnectorclient {__version__} (stands in for upstream's)\n"
        f"engine {stats['version']} ({stats['go']}, {stats['platform']})\n"
        f"{_library.PATH}\n"
    )
    return 0


def _serve(port: int, buckets: list[str], until: BufferedReader | None) -> int:
    client = Connection(PLAIN, Memory(uuid.uuid4().hex, buckets, "s3")).native()
    op = Op(client, {"op": "serve", "listen": f"127.0.0.1:{port}"})
    event = op.wait()
    op.expect(OPENED, event)
    sys.stdout.write(f"{op.reply(event)['endpoint']}\n")
    sys.stdout.flush()
    op.loans.acked = event.seq
    while until is None or not _ended(until):
        op.poll(LOOK_S)  # until Ctrl-C, or raises why it cannot go on
    return 0


def _stdin() -> BufferedReader:
    return open(0, "rb", closefd=False)


def _ended(stream: BufferedReader) -> bool:
    return bool(select.select([stream], [], [], 0)[0]) and not stream.read1(1 << 16)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
