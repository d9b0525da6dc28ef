"""go/abi/s3engine.h -> python/s3torchconnectorclient/_abi.py.

Owns: what of the header cffi gets to see. Refuses to know: what the functions mean.

The one part of the build that needs a package (cffi), so it can be run alone in a Python that has it:
`PYTHONPATH=tools python -m s3build.abi FILE`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from . import GO, PACKAGE

HEADER = GO / "abi" / "s3engine.h"
MODULE = PACKAGE / "_abi.py"
CONSTANT = re.compile(r"#define S3E_[A-Z0-9_]+ -?[0-9]+\b")


def cdef(header: str) -> str:
    """The header as cffi reads it: of the preprocessor's lines only the integer constants."""
    return "\n".join(line for line in header.splitlines() if not line.startswith("#") or CONSTANT.match(line)) + "\n"


def write(out: Path = MODULE) -> None:
    """Generate the out-of-line ABI-mode module: types and prototypes parsed now, so that importing needs no C parser."""
    from cffi import FFI  # noqa: PLC0415 - here alone, so that the rest of the build runs without it

    ffi = FFI()
    ffi.cdef(cdef(HEADER.read_text(encoding="utf-8")))
    ffi.set_source("s3torchconnectorclient._abi", None)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        generated = Path(folder, out.name)
        ffi.emit_python_code(str(generated))
        generated.replace(out)  # whole or not at all: someone may be importing it


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:]))
