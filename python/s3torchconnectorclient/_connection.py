"""A client's configuration, and the opened client in whichever process asks for it.

Owns: the JSON that opens a client (docs/design/0004-json.md), the environment and the user agent in it, opening it again after a
fork. Refuses to know: requests.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from . import _engine
from ._logging_filter import LOG
from ._op import as_json
from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

# Go sees the environment of exec, not os.environ: what decides about credentials, endpoints, proxies and trust is handed over.
_ENVIRONMENT = frozenset(
    ["HOME", "USERPROFILE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
    + [case for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") for case in (name, name.lower())]
)
_NOT_IN_A_HEADER = dict.fromkeys(c for c in (*range(0x20), 0x7F) if c != ord("\t"))
_NAME = f"s3torchconnectorclient/{__version__}"
_MOST_ATTEMPTS = (1 << 31) - 1  # upstream takes 64 bits; Go's int may have 32


class Settings(NamedTuple):
    """What a client was constructed with, in upstream's order."""

    region: str
    user_agent_prefix: str
    throughput_target_gbps: float
    part_size: int
    profile: str | None
    unsigned: bool
    endpoint: str | None
    force_path_style: bool
    max_attempts: int
    requester_pays: bool


# For clients of our own, whose wire is memory.
PLAIN = Settings(
    region="us-east-1",
    user_agent_prefix="",
    throughput_target_gbps=10.0,
    part_size=8 << 20,
    profile=None,
    unsigned=True,
    endpoint=None,
    force_path_style=True,
    max_attempts=1,
    requester_pays=False,
)


class Memory:
    """An S3 inside the library: which one, and what it holds when it is made."""

    __slots__ = ("__weakref__", "buckets", "name", "objects", "rules")

    def __init__(self, name: str, buckets: list[str], rules: str) -> None:
        self.name = name
        self.buckets = buckets
        self.rules = rules
        self.objects: list[object] = []  # as the op "dump" has them

    def prepare(self) -> None:
        """Be ready for a client to open. For those whose memory outlives a fork."""


class Connection:
    """Opens a client with these settings once in each process that uses it."""

    __slots__ = ("_env", "_native", "memory", "settings")

    def __init__(self, settings: Settings, memory: Memory | None = None) -> None:
        self.settings = settings
        self.memory = memory
        # As it is now (contract §3): a forked child opens the same client again, whatever the environment has become by then.
        self._env = environment(os.environ)
        self._native: _engine.NativeClient | None = None

    def native(self) -> _engine.NativeClient:
        """Return this process's client, opened where it is not open yet."""
        native = self._native
        if native is None or not native.engine.alive:
            if self.memory is not None:
                self.memory.prepare()
            engine = _engine.current()
            # Two threads may both come here first. Each opens a client, one is kept; the other closes when its streams end.
            native = self._native = _engine.NativeClient(engine, as_json(self._configuration(engine.version)))
        return native

    def opened(self) -> _engine.NativeClient | None:
        """Return this process's client, if it is open."""
        native = self._native
        return native if native is not None and native.engine.alive else None

    def _configuration(self, engine_version: str) -> dict[str, object]:
        settings, memory = self.settings, self.memory
        return {
            "wire": "http" if memory is None else "memory",
            "region": settings.region,
            "user_agent": user_agent(settings.user_agent_prefix, engine_version),
            "throughput_target_gbps": settings.throughput_target_gbps,
            "part_size": settings.part_size,
            "profile": settings.profile,
            "unsigned": settings.unsigned,
            "endpoint": settings.endpoint,
            "force_path_style": settings.force_path_style,
            "max_attempts": min(settings.max_attempts, _MOST_ATTEMPTS),
            "requester_pays": settings.requester_pays,
            "env": self._env,
            "log": LOG,
            "memory": memory
            and {"store": memory.name, "buckets": memory.buckets, "rules": memory.rules, "objects": memory.objects},
        }


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """Choose what the engine needs to know of the environment, as it is now."""
    return {
        name: value
        for name, value in env.items()
        # Bytes that are no UTF-8 are surrogates in os.environ and cannot cross; Go then goes by what it saw at exec.
        if (name.startswith("AWS_") or name in _ENVIRONMENT) and _is_utf8(value) and _is_utf8(name)
    }


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def user_agent(prefix: str, engine_version: str) -> str:
    """Build the User-Agent header: upstream's frame, and an honest word on who is behind it."""
    prefix = prefix.translate(_NOT_IN_A_HEADER).strip()
    name = "" if prefix.endswith(_NAME) else _NAME
    return " ".join(part for part in (prefix, name, f"go-engine/{engine_version}") if part)
