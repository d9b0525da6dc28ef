"""One client, one process, one result; and the rounds in which the clients take turns.

Owns: starting and watching the children, the interleaving, what a result holds. Refuses to know: what figures are made of it.

A result is a dictionary: the child's (see child.Clock) summed over its processes, what the server counted meanwhile, and
`others`: CPU seconds that neither the client nor the server spent while it ran, which is how quiet the machine was.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clients
from s3build.console import say

from . import BENCHMARKS, OUT, venvs
from .servers import SYSTEM_BUNDLES, Server, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .jobs import Job
    from .venvs import Runtime, Runtimes

    Result = dict[str, Any]

CHILD_TIMEOUT_S = 900
TRACE_S = 0.05
SLOW_EXIT_S = 5.0
PUTS = ("put", "drop_put")


class ChildError(Exception):
    """A client could not do the job; the text is what it said last."""


class Child:
    """A process that has said "ready" or ended."""

    def __init__(self, runtime: Runtime, program: str, spec: dict[str, Any], *, private_bundle: str | None = None) -> None:
        self.stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in finish()
        command = [str(runtime.python), str(BENCHMARKS / program), json.dumps(spec)]
        env = {**runtime.environment(), **spec.get("env", {})}
        if private_bundle is not None:
            command = trusting(private_bundle, command)
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr, text=True, cwd=BENCHMARKS
        )
        self.killer = threading.Timer(CHILD_TIMEOUT_S, self.process.kill)
        self.killer.start()

    def ready(self) -> None:
        """Wait until it has loaded and warmed up."""
        assert self.process.stdout is not None  # noqa: S101 - for the type checker
        for line in self.process.stdout:
            if line == "ready\n":
                return
        self.finish()
        raise ChildError("ended before it was ready")

    def go(self) -> None:
        """Let it begin."""
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def finish(self) -> Result:
        """Its result, when it has ended."""
        output, _ = self.process.communicate()
        self.killer.cancel()
        self.stderr.seek(0)
        words = self.stderr.read().strip().splitlines()
        self.stderr.close()
        found = [line for line in output.splitlines() if line.startswith("{")]
        if not found or self.process.returncode:
            raise ChildError(" | ".join(words[-3:]) or f"exit status {self.process.returncode}")
        return dict(json.loads(found[-1]))


def trusting(bundle: str, command: list[str]) -> list[str]:
    """Run a command where the system's certificate bundle is another file: for clients that can trust nothing else."""
    system = next((name for name in SYSTEM_BUNDLES if Path(name).exists()), None)
    unshare = shutil.which("unshare")
    if system is None or unshare is None:
        raise ChildError("it trusts the system's certificates alone, and unshare(1) is not here to change them for it")
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    return [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", script, bundle, system, *command]


class Trace(threading.Thread):
    """A process's memory over time, read from outside: [[seconds, bytes], …]."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.began = time.monotonic()
        self.points: list[list[float]] = []
        self.enough = threading.Event()

    def run(self) -> None:
        """Until the process ends."""
        while not self.enough.wait(TRACE_S):
            try:
                pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
            except (OSError, IndexError):
                return
            self.points.append([round(time.monotonic() - self.began, 3), pages * 4096])


def run_once(job: Job, client: str, runtime: Runtime, server: Server, *, check: Path | None = None) -> Result:
    """One measurement, or with `check` the untimed look at the bytes themselves."""
    specs = [spec(job, client, server, share, check) for share in range(job.processes)]
    private = server.ca if clients.load(client).SYSTEM_TRUST_ONLY else None
    children = [Child(runtime, job.program, each, private_bundle=private) for each in specs]
    try:
        for child in children:
            child.ready()
        trace = Trace(children[0].process.pid)
        if job.trace:
            trace.start()
        counted, server_cpu = server.stats(), server.cpu()
        for child in children:
            child.go()
        results = [child.finish() for child in children]
    finally:
        for child in children:
            child.killer.cancel()
            child.process.kill()
    trace.enough.set()
    server_cpu = server.cpu() - server_cpu
    after = server.stats()
    whole = merge(results)
    whole["exit"] = time.monotonic() - max(each["ended"] for each in results)
    if whole["exit"] > SLOW_EXIT_S:
        say(f"  {job.name}: {client} took {whole['exit']:.0f} s to end after its work was done")
    whole["server"] = {name: after[name] - (counted[name] if name != "open_uploads" else 0) for name in after}
    whole["server"]["cpu"] = server_cpu
    # /proc counts in hundredths, so a few of them are noise, not others.
    whole["others"] = max(0.0, whole.pop("busy") - server_cpu - whole["user"] - whole["system"])
    whole["requests"] = job.count
    whole["bytes"] = job.size * job.count
    if job.trace:
        whole["trace"] = trace.points
    return whole


def merge(results: Sequence[Result]) -> Result:
    """Several processes as one: first begin to last end, sums of CPU and memory."""
    whole = dict(results[0])
    whole["wall"] = max(each["ended"] for each in results) - min(each["began"] for each in results)
    for name in ("user", "system", "rss_before", "rss_peak"):
        whole[name] = sum(each[name] for each in results)
    whole["busy"] = max(each["busy_ended"] for each in results) - min(each["busy_began"] for each in results)
    for name in ("began", "ended", "busy_began", "busy_ended"):
        del whole[name]
    return whole


def spec(job: Job, client: str, server: Server, share: int, check: Path | None) -> dict[str, Any]:
    """What one child is told."""
    count = job.count // job.processes
    endpoint = clients.Endpoint(server.url, f"n{job.keys}", server.region, server.access_key, server.secret_key, server.ca)
    env = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key, "AWS_ENDPOINT_URL": server.url}
    if server.ca:
        env.update(AWS_CA_BUNDLE=server.ca, SSL_CERT_FILE=server.ca, REQUESTS_CA_BUNDLE=server.ca)
    return {
        "client": client,
        "verb": job.verb,
        "endpoint": asdict(endpoint),
        "size": job.size,
        "count": count,
        "first": share * count,
        "piece": job.piece,
        "check": str(check) if check else None,
        "data": str(OUT / "data"),
        "env": env,
        **job.options,
    }


def rounds(job: Job, names: Sequence[str], runtimes: Runtimes, stage: Stage) -> dict[str, list[Result]]:
    """The job for every client: first the check, then the rounds, in which all take turns: A B C, C B A, A B C, …"""
    results: dict[str, list[Result]] = {}
    for name in names:
        if job.program == "child.py" and not clients.has(clients.load(name), job.verb):
            continue
        runtime = runtimes.of(name, job)
        if runtime is None:
            continue
        try:
            if job.verb == "put" and stage.store is not None and clients.load(name).SIGNS:
                run_once(replace(job, size=5 * job.piece), name, runtime, stage.store, check=stage.data)
            elif not job.trace and job.verb not in PUTS:
                run_once(
                    job, name, runtime, stage.server, check=stage.data
                )  # also the first import, so that .pyc files are there
            results[name] = []
        except ChildError as error:
            say(f"  {job.name}: {name} cannot: {error}")
    for number in range(job.rounds):
        for name in list(results) if number % 2 == 0 else list(reversed(results)):
            runtime = runtimes.of(name, job)
            assert runtime is not None  # noqa: S101 - for the type checker
            try:
                results[name].append(run_once(job, name, runtime, stage.server))
            except ChildError as error:
                say(f"  {job.name}: {name} failed in round {number + 1}: {error}")
                del results[name]
    return results


def about(name: str, runtimes: Runtimes) -> dict[str, str]:
    """A client's version and settings, told by its own environment."""
    runtime = runtimes.runtime(name)
    if runtime is None:
        return {}
    command = [str(runtime.python), str(BENCHMARKS / "child.py"), json.dumps({"verb": "version", "client": name})]
    told = subprocess.run(command, env=runtime.environment(), capture_output=True, text=True, check=True, cwd=BENCHMARKS)
    found: dict[str, str] = json.loads(told.stdout)
    base, _, revision = name.partition("@")
    if base == "ours":
        found["version"] += f" at {revision or venvs.revision()}"
    return found
