"""Figures as text: lines while it runs, Markdown afterwards.

Owns: the tables' shape, the words around them. Refuses to know: arithmetic (figures.py), pictures (plots.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import ROOT, figures, goals, jobs

if TYPE_CHECKING:
    from pathlib import Path

    from .figures import Figure, Result
    from .jobs import Job

BASELINE = "upstream"  # whom everybody's ratio is to, where it took part
QUIET = 0.05  # strangers' share of the machine above which a table says so
DOCS = ROOT / "docs"


def number(value: float) -> str:
    """Three digits that mean something."""
    digits = next((digits for digits, above in enumerate((100, 10)) if abs(value) >= above), 2)
    return f"{value:,.{digits}f}"


def spread(found: Figure) -> str:
    """Median, and least to most where there is more than one round."""
    if len(found.values) == 1 or found.low == found.high:
        return number(found.median)
    return f"{number(found.median)} ({number(found.low)}–{number(found.high)})"


def lines(job: Job, results: dict[str, list[Result]]) -> list[str]:
    """For the terminal."""
    shown = figures.measures(job)
    rows = [["", *(figures.MEASURES[name][0] for name in shown)]]
    rows += [
        [name, *(spread(figures.figure(rounds, measure)) for measure in shown)] for name, rounds in results.items() if rounds
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def table(job: Job, results: dict[str, list[Result]]) -> list[str]:
    """For Markdown, with a ratio to the baseline for the first two measures."""
    shown = figures.measures(job)
    baseline = BASELINE if results.get(BASELINE) else next((name for name in results if "@" in name), None)
    compared = [name for name in shown[:2] if baseline is not None and job.unit in ("bytes", "requests", "keys")]
    head = [
        "client",
        *(figures.MEASURES[name][0] for name in shown),
        *(f"{figures.MEASURES[n][0]} ÷ {baseline}'s" for n in compared),
    ]
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name in clients_in_order(results):
        cells = [spread(figures.figure(results[name], measure)) for measure in shown]
        for measure in compared:
            against = figures.ratio(results[name], results[str(baseline)], measure)
            cells.append(spread(against) if against is not None and name != baseline else "")
        rows.append(f"| {f'**{name}**' if name == 'ours' else name} | " + " | ".join(cells) + " |")
    absent = [name for name in job.clients if not results.get(name)]
    if absent and not any("@" in name for name in results):
        rows += [f"| {name} |" + " — |" * (len(head) - 1) for name in absent]
    return rows


def clients_in_order(results: dict[str, list[Result]]) -> list[str]:
    """Everyone with results, in the order of jobs.EVERYONE."""
    order = {name: i for i, name in enumerate(jobs.EVERYONE)}
    return sorted((name for name in results if results[name]), key=lambda name: order.get(name, 1))


def goal_rows(told: dict[str, Any]) -> list[str]:
    """All goals that can be judged."""
    rows = ["| job | figure | goal | measured | |", "|---|---|---|---|---|"]
    for name, job in told["jobs"].items():
        for verdict in goals.verdicts(name, job["results"]):
            goal = verdict.goal
            sign = "≥" if goal.at_least else "≤"
            if not verdict.rival:
                wanted = f"{sign} {number(goal.bound)}"
            elif goal.plus:
                wanted = f"{sign} {verdict.rival}'s + {number(goal.plus)}"
            else:
                wanted = f"{sign} {number(goal.bound)} x {verdict.rival}'s"
            measured = ("+" if goal.plus and verdict.measured > 0 else "") + number(verdict.measured)
            measured += " x" if verdict.rival and not goal.plus else ""
            outcome = "met" if verdict.met else "**missed**"
            rows.append(f"| {name} | {figures.MEASURES[goal.measure][0]} | {wanted} | {measured} | {outcome} |")
    return rows if rows[2:] else []


def markdown(told: dict[str, Any], pictures: dict[str, str]) -> str:
    """The whole report."""
    facts = told["machine"]
    worst = max((figures.share_of_others(job["results"], facts["cores"]) for job in told["jobs"].values()), default=0.0)
    text = [
        "# Benchmarks",
        "",
        INTRODUCTION.strip(),
        "",
        f"Taken on {facts['date']}: {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB; "
        f"Linux {facts['kernel']}, {facts['libc']}; Python {facts['python']}, {facts['go']}; "
        f"ours at {told['ours']}. Strangers on the machine took at most {worst:.0%} of its CPU time during any job."
        + (" **Quick run: small sizes, two rounds.**" if told["quick"] else ""),
        "",
    ]
    rows = goal_rows(told)
    if rows:
        text += ["## Goals", "", *rows, ""]
    for name, job in told["jobs"].items():
        settings = jobs.Job(**job["settings"], clients=tuple(job["asked"]))
        title = f"{settings.what[:1].upper()}{settings.what[1:]} {conditions(settings)}"
        text += [f"## {name}", "", title, "", *table(settings, job["results"]), ""]
        others = figures.share_of_others(job["results"], facts["cores"])
        if others > QUIET:
            text += [f"Strangers took {others:.0%} of the machine's CPU time during this job.", ""]
        if name in pictures:
            text += [f"![{name}]({pictures[name]})", ""]
    text += ["## Clients", "", "| client | version | settings |", "|---|---|---|"]
    for name in clients_in_order({name: [{}] for name in told["clients"]}):
        version = told["clients"][name]
        text.append(f"| [{name}]({version['docs']}) | {version['version']} | {version['settings']} |")
    return "\n".join(text) + "\n"


def conditions(job: Job) -> str:
    """What was really run."""
    size = f"{job.size / figures.GIB:g} GiB" if job.size >= figures.GIB else f"{job.size / figures.MIB:g} MiB"
    if job.size < figures.MIB:
        size = f"{job.size / 1024:g} KiB"
    told = [
        f"{job.count:,} x {size}" if job.unit in ("bytes", "requests") else f"{job.count:,} of {size}",
        f"{job.rounds} rounds",
    ]
    if job.tls:
        told.append("https")
    if job.latency_ms:
        told.append(f"{job.latency_ms} ms before each response")
    if job.rate:
        told.append(f"{job.rate / 1e6:g} MB/s a connection")
    return f"({', '.join(told)})"


INTRODUCTION = """
`python3 build.py bench` makes these tables; benchmarks/ is all of it.

Each measurement is one client in a process of its own, on the loopback interface of one machine, against a server that does as
little as it can (benchmarks/server: sendfile out, nowhere in). So *CPU of the client process* is the figure that carries over to
other machines; GiB/s here are shared out between client, kernel and server on the same cores. The clients take turns (A B C,
C B A, …); figures are medians over the rounds with least and most in parentheses, and ratios are formed round by round. Lengths
are checked in every measurement, contents by SHA-256 in an extra, untimed one. `limit` is no client: bare sockets, one
connection, no signatures.

What is delivered is Python's `bytes`, except by `obstore` and `obstore-stream`, which hand out views of Rust's memory;
`obstore-bytes` is the like-for-like row. Body checksums are off for all. A client without such a call has a dash. Every single
measurement is in [benchmarks/results.json](benchmarks/results.json).
"""


def write(told: dict[str, Any], text: Path) -> None:
    """The report into a file, its pictures into a folder beside it with the file's name."""
    from . import plots  # matplotlib is slow to load

    pictures = plots.draw(told, text.with_suffix(""))
    relative = {name: str(file.relative_to(text.parent)) for name, file in pictures.items()}
    text.write_text(markdown(told, relative), encoding="utf-8")


def publish(told: dict[str, Any]) -> None:
    """The same into docs/, with the record."""
    write(told, DOCS / "benchmarks.md")
    (DOCS / "benchmarks" / "results.json").write_text(json.dumps(compact(told), separators=(",", ":")) + "\n", encoding="utf-8")


def compact(told: dict[str, Any]) -> dict[str, Any]:
    """The record without traces of memory, which the pictures show, and without digits that mean nothing."""
    stripped = json.loads(json.dumps(told), parse_float=lambda text: float(f"{float(text):.5g}"))
    for job in stripped["jobs"].values():
        for rounds in job["results"].values():
            for result in rounds:
                result.pop("trace", None)
    return dict(stripped)
