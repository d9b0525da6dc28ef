"""Benchmarks: this project's client beside others, on servers that cost little. `python3 build.py bench [ARGS]` runs it.

Owns: the command line, the order of things. Refuses to know: jobs, clients, figures (harness/, clients/).

  bench                        everything; an hour and a half
  bench --quick                small sizes, two rounds, five clients; about five minutes
  bench --only small head      these jobs; a family by its name: procs
  bench --clients ours,obstore these clients
  bench --against REV          ours and ours as it was at a git revision, the same jobs in turn
  bench --publish              also into docs/benchmarks.md and docs/benchmarks/
  bench --list                 the jobs
  bench --render               report and pictures anew from the results in benchmarks/out
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

from harness import OUT, figures, jobs, machine, measure, report, servers, venvs  # noqa: E402 - the path comes first
from s3build.console import say  # noqa: E402
from s3build.tasks import toolchain  # noqa: E402

WAIT_S, QUIET_S, QUIET = 15, 5, 0.1


def main() -> int:
    """Measure, then tell."""
    options = arguments()
    OUT.mkdir(exist_ok=True)
    record = OUT / ("against.json" if options.against else "benchmarks.json")
    if options.list:
        for job in jobs.JOBS:
            say(f"{job.name:18} {job.what}")
        return 0
    told = json.loads(record.read_text(encoding="utf-8")) if options.render else run(options, record)
    report.write(told, record.with_suffix(".md"))
    say(f"{record.with_suffix('.md').relative_to(HERE.parent)}")
    if options.publish:
        report.publish(told)
    return 0


def run(options: argparse.Namespace, record: Path) -> dict[str, Any]:
    """Every chosen job; what is known so far is on disk after each."""
    tools = toolchain()
    runtimes = venvs.Runtimes()
    told: dict[str, Any] = {"clients": {}, "jobs": {}}
    if options.keep and record.exists():
        told = json.loads(record.read_text(encoding="utf-8"))
    told.update(machine=machine.describe(tools.go), ours=venvs.revision(), quick=options.quick)
    names = (
        ["ours", runtimes.add_revision(options.against)]
        if options.against
        else options.clients or (jobs.QUICKLY if options.quick else None)
    )
    binary = servers.build(tools)
    data = servers.data_file(binary)
    for job in jobs.chosen(options.only):
        taking = [name for name in names or job.clients if name.partition("@")[0] in job.clients]
        if not taking:
            continue
        chosen = job.quickly() if options.quick else job
        if options.rounds:
            chosen = replace(chosen, rounds=options.rounds)
        say(f"{job.name}: {job.what}")
        if options.wait:
            wait_for_quiet(options.wait)
        told["jobs"][job.name] = done = one(chosen, taking, runtimes, binary, data)
        others = figures.share_of_others(done["results"], int(told["machine"]["cores"]))
        say(f"  {done['seconds']:.0f} s; others took {others:.0%} of the machine meanwhile")
        for name in done["results"]:
            told["clients"][name] = measure.about(name, runtimes)
        record.write_text(json.dumps(told, indent=1), encoding="utf-8")
    runtimes.close()
    return told


def one(job: jobs.Job, taking: list[str], runtimes: venvs.Runtimes, binary: Path, data: Path) -> dict[str, Any]:
    """One job, on servers of its own."""
    began, load = time.monotonic(), machine.load()
    with ExitStack() as stack:
        minio = job.server == "minio"
        server = stack.enter_context(servers.minio(job) if minio else servers.light(binary, data, job))
        store = stack.enter_context(servers.minio(job)) if job.verb == "put" else None
        results = measure.rounds(job, taking, runtimes, servers.Stage(server, data, store))
    for line in report.lines(job, results):
        say(f"  {line}")
    return {
        "settings": jobs.settings(job),
        "asked": taking,
        "results": results,
        "load": [load, machine.load()],
        "seconds": time.monotonic() - began,
    }


def wait_for_quiet(seconds: int) -> None:
    """Others' work on this machine would be in the figures: wait for it to end, but not for ever.

    Not by the load average: after a job of our own that stays high for minutes.
    """
    deadline = time.monotonic() + seconds
    while (share := machine.busy_share(QUIET_S)) > QUIET and time.monotonic() < deadline:
        say(f"  others take {share:.0%} of the machine; waiting")
        time.sleep(WAIT_S)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="build.py bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, two rounds")
    parser.add_argument("--only", nargs="+", default=[], metavar="JOB", help="these jobs")
    parser.add_argument("--clients", type=lambda text: text.split(","), metavar="A,B", help="these clients")
    parser.add_argument("--rounds", type=int, metavar="N", help="another number of rounds")
    parser.add_argument("--against", metavar="REV", help="compare with ours at a git revision")
    parser.add_argument("--publish", action="store_true", help="write docs/benchmarks.md and docs/benchmarks/")
    parser.add_argument("--keep", action="store_true", help="keep the results of jobs that are not run now")
    parser.add_argument("--wait", type=int, metavar="S", help="before each job wait until the machine is quiet, so long at most")
    parser.add_argument("--list", action="store_true", help="name the jobs and stop")
    parser.add_argument("--render", action="store_true", help="measure nothing; write report and pictures anew")
    options = parser.parse_args()
    if options.against and options.publish:
        parser.error("what is published is ours beside others, not beside itself")
    return options


if __name__ == "__main__":
    sys.exit(main())
