"""The TRACE level of Python's logging. Owns: its number and name. Refuses to know: our engine's log (_logging_filter.py)."""

from __future__ import annotations

import logging

TRACE = 5


def _install_trace_logging() -> None:
    logging.addLevelName(TRACE, "TRACE")
