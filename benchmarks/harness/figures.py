"""Results -> figures: what is compared, its median, its spread, its ratio to a baseline.

Owns: the arithmetic. Refuses to know: how figures are shown (report.py), what they should be (goals.py).
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .jobs import Job

    Result = dict[str, Any]

MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Figure:
    """One number over the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one that is shown."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """Of all rounds."""
        return min(self.values)

    @property
    def high(self) -> float:
        """Of all rounds."""
        return max(self.values)


def cpu(result: Result) -> float:
    """Seconds, the client's process or processes alone."""
    return float(result["user"] + result["system"])


Measure = tuple[str, Callable[[dict[str, Any]], float], bool]
# name -> (what it is called, how it follows from a result, whether more is better)
MEASURES: dict[str, Measure] = {
    "gibs": ("GiB/s", lambda r: r["bytes"] / GIB / r["wall"], True),
    "reqs": ("requests/s", lambda r: r["requests"] / r["wall"], True),
    "keys": ("keys/s", lambda r: r["requests"] / r["wall"], True),
    "cpu_gib": ("CPU s/GiB", lambda r: cpu(r) / (r["bytes"] / GIB), False),
    "cpu_req": ("CPU µs/request", lambda r: cpu(r) / r["requests"] * 1e6, False),
    "cpu_key": ("CPU µs/key", lambda r: cpu(r) / r["requests"] * 1e6, False),
    "cpu": ("CPU s", cpu, False),
    "wall": ("seconds", lambda r: r["wall"], False),
    "rss": ("peak RSS MiB", lambda r: r["rss_peak"] / MIB, False),
    "idle": ("RSS MiB", lambda r: r["rss"] / MIB, False),
    "before": ("RSS before MiB", lambda r: r["rss_before"] / MIB, False),
    "threads": ("threads", lambda r: r["threads"], False),
    "gone": ("aborted after, ms", lambda r: r["ms"], False),
    "ms": ("ms", lambda r: r["ms"], False),
    "first_ms": ("first, ms", lambda r: r["first_ms"], False),
    "piece": ("first piece MiB", lambda r: r["piece"] / MIB, False),
    "sent": ("requests made", lambda r: r["server"]["requests"], False),
    "open": ("uploads left open", lambda r: r["open"], False),
}

# unit or verb of a job -> the measures shown; the first is the one that plots show
SHOWN = {
    "bytes": ("gibs", "cpu_gib", "rss", "sent"),
    "requests": ("reqs", "cpu_req", "rss"),
    "keys": ("keys", "cpu_key", "rss"),
    "get_iter": ("rss", "before", "cpu_gib"),
    "drop_put": ("open", "gone", "rss"),
    "first_byte": ("ms", "cpu_req", "piece"),
    "construct": ("ms", "first_ms", "rss"),
    "idle": ("idle", "threads", "cpu"),
}


def measures(job: Job) -> tuple[str, ...]:
    """What is shown of a job."""
    shown = SHOWN.get(job.unit) or SHOWN[job.verb]
    return tuple(name for name in shown if name != "sent" or job.server == "light")  # MinIO does not count


def figure(results: Sequence[Result], measure: str) -> Figure:
    """One measure over the rounds."""
    return Figure(tuple(float(MEASURES[measure][1](result)) for result in results))


def ratio(results: Sequence[Result], baseline: Sequence[Result], measure: str) -> Figure | None:
    """Round by round, because whatever slowed the machine down then slowed both."""
    pairs = list(zip(figure(results, measure).values, figure(baseline, measure).values))
    if not pairs or any(base == 0 for _, base in pairs):
        return None
    return Figure(tuple(value / base for value, base in pairs))


def share_of_others(results: dict[str, list[Result]], cores: int) -> float:
    """The part of the machine's CPU time that strangers took while the job ran."""
    everything = [result for rounds in results.values() for result in rounds]
    available = sum(result["wall"] for result in everything) * cores
    return sum(result["others"] for result in everything) / available if available else 0.0
