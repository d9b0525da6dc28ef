"""Pictures of the figures, as SVG.

Owns: which jobs have a picture, what is drawn and how. Refuses to know: arithmetic (figures.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import figures, jobs

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from .figures import Result

BARS = ("get2g", "get2g-tls", "get2g-latency", "many8m", "small", "small16", "list", "put1g")
OURS, UPSTREAM, LIMIT, OTHERS = "#C2406A", "#2F6DB5", "#B8B8B8", "#7C8A99"
LINES = {
    "limit": LIMIT,
    "ours": OURS,
    "upstream": UPSTREAM,
    "obstore": "#3A9D6E",
    "boto3": "#D9742B",
    "boto3-crt": "#7A5195",
    "s3fs": "#8C6D31",
    "minio": "#17A2B8",
    "runai": "#444444",
}
STYLE = {
    "svg.fonttype": "none",  # text stays text: small files, and sharp
    "svg.hashsalt": "s3bench",  # the same picture is the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}


def draw(told: dict[str, Any], folder: Path) -> dict[str, Path]:
    """A file for each job that has a picture; the family of procs has one, under the name of its last job."""
    import matplotlib as mpl

    mpl.use("svg")
    drawn: dict[str, Path] = {}
    with mpl.rc_context(STYLE):
        for name, job in told["jobs"].items():
            if name in BARS and job["results"]:
                drawn[name] = bars(name, job, folder)
            elif name == "slow-consumer" and job["results"]:
                drawn[name] = memory(job["results"], folder)
        procs = {job["settings"]["processes"]: job["results"] for name, job in told["jobs"].items() if name.startswith("procs-")}
        if len(procs) > 1:
            drawn[f"procs-{max(procs)}"] = scaling(procs, folder)
    return drawn


def bars(name: str, job: dict[str, Any], folder: Path) -> Path:
    """Rate and CPU side by side, a bar a client, whiskers from least to most."""
    import matplotlib.pyplot as plt

    results: dict[str, list[Result]] = {client: rounds for client, rounds in job["results"].items() if rounds}
    order = [client for client in jobs.EVERYONE if client in results] + [c for c in results if c not in jobs.EVERYONE]
    shown = figures.measures(jobs.Job(**job["settings"]))[:2]
    figure, axes = plt.subplots(1, 2, figsize=(8, 0.7 + 0.27 * len(order)), sharey=True, layout="constrained")
    for axis, measure in zip(axes, shown):
        found = [figures.figure(results[client], measure) for client in order]
        medians = [each.median for each in found]
        whiskers = [[each.median - each.low for each in found], [each.high - each.median for each in found]]
        axis.barh(
            order, medians, xerr=whiskers, color=[colour(client) for client in order], error_kw={"ecolor": "#333333", "lw": 0.8}
        )
        title, _, more = figures.MEASURES[measure]
        axis.set_title(f"{title} ({'more' if more else 'less'} is better)", fontsize=9, loc="left")
        axis.grid(axis="x", color="#E4E4E4", lw=0.6)
        axis.set_axisbelow(True)
    axes[0].invert_yaxis()
    return save(figure, folder / f"{name}.svg")


def colour(client: str) -> str:
    """Ours stands out, whom it replaces is second."""
    return {"ours": OURS, "upstream": UPSTREAM, "limit": LIMIT}.get(client, OTHERS)


def memory(results: dict[str, list[Result]], folder: Path) -> Path:
    """Resident memory while a slow reader reads."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
    for client, rounds in results.items():
        if not rounds or client not in LINES:
            continue
        points = rounds[-1].get("trace") or []
        axis.plot([x for x, _ in points], [y / figures.MIB for _, y in points], color=LINES[client], lw=1.4, label=client)
    axis.set_xlabel("seconds")
    axis.set_ylabel("resident memory, MiB")
    decorate(axis)
    return save(figure, folder / "slow-consumer.svg")


def scaling(procs: dict[int, dict[str, list[Result]]], folder: Path) -> Path:
    """Rate and CPU over the number of processes."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    for axis, measure in zip(axes, ("gibs", "cpu_gib")):
        for client, line in LINES.items():
            found = [(n, figures.figure(results[client], measure).median) for n, results in procs.items() if results.get(client)]
            if found:
                axis.plot([n for n, _ in found], [y for _, y in found], color=line, marker="o", ms=3.5, lw=1.4, label=client)
        title, _, more = figures.MEASURES[measure]
        axis.set_title(f"{title} ({'more' if more else 'less'} is better)", fontsize=9, loc="left")
        axis.set_xlabel("processes")
        axis.set_xscale("log", base=2)
        axis.set_xticks(list(procs), [str(n) for n in procs])
        axis.set_ylim(bottom=0)
        decorate(axis, legend=measure == "cpu_gib")
    return save(figure, folder / "procs.svg")


def decorate(axis: Axes, *, legend: bool = True) -> None:
    """Grid, and the legend outside."""
    axis.grid(color="#E4E4E4", lw=0.6)
    axis.set_axisbelow(True)
    axis.set_ylim(bottom=0)
    if legend:
        axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def save(figure: Any, file: Path) -> Path:  # noqa: ANN401 - the linters' environment has no matplotlib
    """Without a date, which would make every run another file."""
    import matplotlib.pyplot as plt

    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
    return file
