"""Pictures of the figures, as SVG.

Owns: what is drawn and how. Refuses to know: arithmetic (figures.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def draw(told: dict[str, Any], folder: Path) -> dict[str, Path]:
    """A file for each job that has a picture."""
    del told, folder
    return {}
