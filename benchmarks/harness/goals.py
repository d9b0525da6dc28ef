"""What ours has to reach.

Owns: the numbers and whom they are against. Refuses to know: how they are measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .figures import MEASURES, figure, ratio

if TYPE_CHECKING:
    from .figures import Result


@dataclass(frozen=True)
class Goal:
    """`measure` of ours is at least (at most, where less is better) `bound`, times that of `against`; `plus` is added."""

    job: str
    measure: str
    bound: float
    against: tuple[str, ...] = ()  # the better of them; none: an absolute number
    plus: float = 0.0
    default: bool = True

    @property
    def at_least(self) -> bool:
        """Is more better?"""
        return bool(MEASURES[self.measure][2])


RANGED, BOTH = ("obstore",), ("obstore", "upstream")
GOALS = (
    Goal("get2g", "gibs", 1.0, RANGED),
    Goal("get2g", "cpu_gib", 1.0, RANGED),
    Goal("get2g", "cpu_gib", 1.3),
    Goal("get2g", "rss", 192),
    Goal("get2g-tls", "gibs", 1.5, BOTH),
    Goal("get2g-tls", "cpu_gib", 0.6, BOTH),
    Goal("get2g-latency", "gibs", 1.0, RANGED),
    Goal("small", "reqs", 1.1, RANGED),
    Goal("small", "cpu_req", 1.0, RANGED),
    Goal("small16", "reqs", 1.5, RANGED),
    Goal("small16", "cpu_req", 0.55, RANGED),
    Goal("head", "reqs", 1.0, RANGED),
    Goal("list", "keys", 1.0, RANGED),
    Goal("put1g", "gibs", 1.0, RANGED),
    Goal("put1g", "cpu_gib", 1.0, RANGED),
    Goal("put1g", "rss", 160),
    Goal("put-drop", "open", 0),
    Goal("construct", "ms", 5),
    Goal("idle-rss", "idle", 1.0, ("upstream",), plus=8),
    Goal("map-dataset", "reqs", 1.3, ("upstream",)),
)


@dataclass(frozen=True)
class Verdict:
    """A goal and what was measured. `measured` is a ratio where the goal is against somebody."""

    goal: Goal
    measured: float
    met: bool
    rival: str


def verdicts(job: str, results: dict[str, list[Result]], ours: str = "ours") -> list[Verdict]:
    """How ours did in one job; nothing about goals whose rivals were not measured."""
    told = []
    for goal in GOALS:
        rivals = [name for name in goal.against if results.get(name)]
        if goal.job != job or not results.get(ours) or (goal.against and not rivals):
            continue
        rival = ""
        if not rivals:
            value = figure(results[ours], goal.measure).median
            limit = goal.bound
        else:
            medians = {name: figure(results[name], goal.measure).median for name in rivals}
            rival = (max if goal.at_least else min)(medians, key=lambda name: medians[name])
            if goal.plus:
                value, limit = figure(results[ours], goal.measure).median - medians[rival], goal.plus
            else:
                pair = ratio(results[ours], results[rival], goal.measure)
                if pair is None:
                    continue
                value, limit = pair.median, goal.bound
        told.append(Verdict(goal, value, value >= limit if goal.at_least else value <= limit, rival))
    return told
