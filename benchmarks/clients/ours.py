"""This project's s3torchconnectorclient: upstream's face, so upstream's verbs.

Owns: what ours has beyond upstream. Refuses to know: the rest (upstream.py).
"""

from __future__ import annotations

from .upstream import Upstream


class Ours(Upstream):
    """The checkout's, or with PYTHONPATH another revision's."""

    DOCS = "https://github.com/awslabs/s3-connector-for-pytorch/tree/main/s3torchconnectorclient"
    SYSTEM_TRUST_ONLY = False
