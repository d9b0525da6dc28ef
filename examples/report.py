"""What the example measured, as a table and as a plot. Owns: phases, rates, colours. Refuses to know: S3, torch.

All rates are what the caller saw: for images they include decoding, the worker processes' start and, in training, the model's
own work. MB is 10^6 bytes.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

MB = 1e6
WINDOW_S = 0.4  # one point of the rate curve: long enough for dozens of images, short enough to show a stall
COLOURS = {"upload": "#7A5195", "train": "#2F6DB5", "evaluate": "#3A9D6E", "save": "#D9742B", "load": "#C2406A"}


@dataclass
class Phase:
    """One stretch of the run that moves bytes. `kind` chooses the colour, `name` is the row in the table."""

    kind: str
    name: str
    start: float
    end: float = 0.0
    images: int = 0
    nbytes: int = 0
    ticks: list[tuple[float, int]] = field(default_factory=list)  # (when, bytes so far)

    def add(self, nbytes: int, images: int = 0) -> None:
        """Count bytes that have just arrived or left."""
        self.nbytes += nbytes
        self.images += images
        self.ticks.append((time.perf_counter(), self.nbytes))

    @property
    def seconds(self) -> float:
        """How long it took, begin to end."""
        return self.end - self.start

    def rate(self) -> tuple[list[float], list[float]]:
        """Times and MB/s, a point for each window; one point in the middle for what is told at its end only."""
        if not self.ticks:
            return [(self.start + self.end) / 2], [self.nbytes / MB / self.seconds]
        if self.seconds < 2 * WINDOW_S:
            level = self.nbytes / MB / self.seconds
            return [self.start, self.end], [level, level]
        times, rates, since, before = [], [], self.start, 0
        for when, total in self.ticks:
            if when - since >= WINDOW_S:
                times.append((since + when) / 2)
                rates.append((total - before) / MB / (when - since))
                since, before = when, total
        return times, rates


class Report:
    """The run's record: phases as they happen, the training loss step by step, facts to print at the end."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.phases: list[Phase] = []
        self.losses: list[tuple[float, float]] = []
        self.epochs: list[float] = []  # when each began

    @contextmanager
    def phase(self, kind: str, name: str) -> Iterator[Phase]:
        """Time the block; what it moved is told with `add`."""
        phase = Phase(kind, name, time.perf_counter())
        yield phase
        phase.end = time.perf_counter()
        self.phases.append(phase)

    def loss(self, value: float) -> None:
        """Record the loss of one training step."""
        self.losses.append((time.perf_counter(), value))

    def epoch(self) -> None:
        """Mark the beginning of an epoch."""
        self.epochs.append(time.perf_counter())

    def table(self) -> str:
        """Rows of phase, seconds, MB, MB/s, images/s. Phases of one name are added up."""
        rows: dict[str, list[float]] = {}
        for phase in self.phases:
            row = rows.setdefault(phase.name, [0.0, 0.0, 0.0])
            row[0] += phase.seconds
            row[1] += phase.nbytes / MB
            row[2] += phase.images
        width = max(map(len, rows))
        lines = [f"  {'':{width}}  seconds       MB     MB/s  images/s"]
        for name, (seconds, megabytes, images) in rows.items():
            per_second = f"{images / seconds:9.0f}" if images else ""
            lines.append(f"  {name:{width}}  {seconds:7.2f}  {megabytes:7.1f}  {megabytes / seconds:7.1f} {per_second}".rstrip())
        return "\n".join(lines)

    def plot(self, path: Path, title: str) -> None:
        """Two panels over one clock: the training loss, and MB/s of every phase."""
        import matplotlib as mpl  # noqa: PLC0415 - half a second that only the end of a run needs

        mpl.use("Agg")  # no display needed
        import matplotlib.pyplot as plt  # noqa: PLC0415

        with plt.rc_context(
            {
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "grid.alpha": 0.25,
                "font.size": 10,
            }
        ):
            figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(9, 6.2), layout="constrained")
            self._draw_loss(above)
            self._draw_rates(below)
            figure.suptitle(title, x=0.01, ha="left", fontsize=11.5)
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=150)
            plt.close(figure)

    def _draw_loss(self, axes: Axes) -> None:
        times = [when - self.began for when, _ in self.losses]
        losses = [loss for _, loss in self.losses]
        smooth, mean = [], losses[0]
        for loss in losses:
            mean += 0.1 * (loss - mean)
            smooth.append(mean)
        axes.plot(times, losses, color=COLOURS["train"], alpha=0.3, linewidth=0.8, label="each step")
        axes.plot(times, smooth, color=COLOURS["train"], linewidth=1.8, label="moving average")
        axes.set_yscale("log")
        for number, when in enumerate(self.epochs, 1):
            axes.axvline(when - self.began, color="#999999", linewidth=0.7, linestyle=":")
            axes.annotate(
                f"epoch {number}", (when - self.began, 0), xycoords=("data", "axes fraction"), xytext=(3, 5),
                textcoords="offset points", fontsize=8, color="#777777",
            )  # fmt: skip
        axes.set_ylabel("training loss (log scale)")
        axes.legend(frameon=False, loc="upper right", fontsize=9)

    def _draw_rates(self, axes: Axes) -> None:
        labelled: set[str] = set()
        for phase in self.phases:
            times, rates = phase.rate()
            label = {"save": "checkpoint save", "load": "checkpoint load"}.get(phase.kind, phase.kind)
            axes.plot(
                [when - self.began for when in times], rates, color=COLOURS[phase.kind], linewidth=1.8, markersize=5,
                marker="" if phase.images else "D", linestyle="-" if phase.images else "",
                label=None if label in labelled else label,
            )  # fmt: skip
            labelled.add(label)
        axes.set_yscale("log")
        axes.set_ylabel("MB/s (log scale)")
        axes.set_xlabel("seconds since the start")
        axes.set_xlim(left=0)
        axes.legend(frameon=False, loc="upper left", fontsize=9, ncols=len(labelled))
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * 4)  # room for the legend
