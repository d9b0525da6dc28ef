"""Upstream's two logging variables, read once at import (contract §9).

Owns: the filter's syntax, that of tracing-subscriber's EnvFilter. Refuses to know: what is logged, and where to.

    S3_TORCH_CONNECTOR_DEBUG_LOGS=debug,awscrt=off      everything at DEBUG, nothing of the targets that begin with awscrt
    S3_TORCH_CONNECTOR_LOGS_DIR_PATH=/some/folder       hourly files there instead of stdout
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ._errors import failed

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEVELS = ("off", "error", "warn", "info", "debug", "trace")
_TRACE = len(_LEVELS) - 1
_DIRECTIVE = re.compile(
    r"""
    (?P<target> [\w:-] [^\[=]* )?  # the beginning of a target
    (?P<span> \[ [^\[\]]* \] )?    # a span and its fields: our lines have none, so such a directive never applies
    (?P<level> = .* )?
    """,
    re.VERBOSE,
)
_BAD_LEVEL = 'error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5'
_BAD_DIRECTIVE = "invalid filter directive"


def directives(text: str) -> list[list[object]]:
    """Parse a filter into [target prefix, level] pairs; the engine goes by the longest prefix that fits."""
    found: list[list[object]] = []
    for part in filter(None, map(str.strip, text.split(","))):  # upstream stumbles over "debug, awscrt=off"
        level = _level(part)
        if level is not None:
            found.append(["", level])
            continue
        match = _DIRECTIVE.fullmatch(part)
        if match is None or (match["target"] is None and match["span"] is None):
            raise failed(": ".join([_BAD_DIRECTIVE] * 2), "invalid")
        wanted = (match["level"] or "")[1:].strip()
        level = _level(wanted) if wanted else _TRACE  # a target alone stands for all its lines
        if level is None:
            raise failed(": ".join([_BAD_LEVEL] * 3), "invalid")
        if match["target"] is not None and match["span"] is None:
            found.append([match["target"].strip(), level])
    return found


def _level(text: str) -> int | None:
    if text in ("0", "1", "2", "3", "4", "5"):
        return int(text)
    return _LEVELS.index(text.lower()) if text.lower() in _LEVELS else None


def configuration(env: Mapping[str, str]) -> dict[str, object] | None:
    """Build the field `log` of a client's configuration; None where nothing is to be logged at all."""
    text = env.get("S3_TORCH_CONNECTOR_DEBUG_LOGS")
    if text is None:
        return None
    return {"directives": directives(text), "directory": env.get("S3_TORCH_CONNECTOR_LOGS_DIR_PATH")}


LOG = configuration(os.environ)
