"""What callers may pass: checks that read like upstream's (contract §1, "argument errors").

Owns: types and number ranges of arguments. Refuses to know: which values make sense for which argument.
"""

from __future__ import annotations

import math
import operator
from typing import SupportsFloat, SupportsIndex, cast

U64 = 64
U128 = 128


def text(name: str, value: object) -> str:
    """Take a str that UTF-8 can carry: a lone surrogate is a UnicodeEncodeError here and not a different key in S3."""
    if not isinstance(value, str):
        raise _cannot_cast(name, value, "str")
    if not value.isascii():
        str.encode(value)
    return value if type(value) is str else str.__str__(value)


def text_or_none(name: str, value: object) -> str | None:
    """Take a str or None."""
    return None if value is None else text(name, value)


def flag(name: str, value: object) -> bool:
    """Take a real bool: unsigned="no" would otherwise switch signing off."""
    if not isinstance(value, bool):
        raise _cannot_cast(name, value, "bool")
    return value


def unsigned(name: str, value: object, bits: int = U64) -> int:
    """Take an integer from 0 to 2**bits - 1."""
    number = _integer(name, value)
    if number < 0:
        raise OverflowError("can't convert negative int to unsigned")
    if number >> bits:
        raise OverflowError("int too big to convert")
    return number


def unsigned_or_none(name: str, value: object, bits: int = U64) -> int | None:
    """Take such an integer or None."""
    return None if value is None else unsigned(name, value, bits)


def signed(name: str, value: object) -> int:
    """Take a 64-bit integer with a sign."""
    number = _integer(name, value)
    if not -(1 << 63) <= number < 1 << 63:
        raise OverflowError("Python int too large to convert to C long")
    return number


def real(name: str, value: object) -> float:
    """Take a number; unlike float() not a str."""
    try:
        return math.ldexp(cast("SupportsFloat | SupportsIndex", value), 0)
    except TypeError as error:
        raise TypeError(f"argument '{name}': {error}") from None


def _integer(name: str, value: object) -> int:
    try:
        return operator.index(cast("SupportsIndex", value))
    except TypeError as error:
        raise TypeError(f"argument '{name}': {error}") from None


def _cannot_cast(name: str, value: object, wanted: str) -> TypeError:
    return TypeError(f"argument '{name}': '{type(value).__name__}' object cannot be cast as '{wanted}'")
