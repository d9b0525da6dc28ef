"""Which upstream release this package stands in for. Owns: that number. Refuses to know: our own releases (pyproject.toml)."""

from __future__ import annotations

__version__ = "1.5.0"
