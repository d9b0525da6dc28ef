"""The runner's parts. run.py is the command line.

    jobs.py      what is measured: verb, sizes, the server's settings, which clients
    goals.py     what ours has to reach, job by job
    measure.py   one client, one process, one result; rounds
    servers.py   the project's light S3 in Go, and MinIO
    venvs.py     an environment for each client; another revision of ours
    machine.py   what the figures were taken on, and who else was busy
    figures.py   results -> medians, spreads, ratios
    report.py    the same as Markdown
    plots.py     the same as pictures

Owns: the places all of them refer to.
"""

from __future__ import annotations

from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
ROOT = BENCHMARKS.parent
OUT = BENCHMARKS / "out"
