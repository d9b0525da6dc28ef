"""What the figures were taken on, and who else was busy meanwhile.

Owns: reading /proc. Refuses to know: jobs. Linux only, like most of the clients.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path


def describe(go: str) -> dict[str, object]:
    """For the reader of the figures."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine()
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**20),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "go": subprocess.run([go, "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout.strip(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def busy_share(seconds: float) -> float:
    """The part of the machine's CPU time that is spent, from now on for so long."""
    before = busy_seconds()
    time.sleep(seconds)
    return (busy_seconds() - before) / seconds / len(os.sched_getaffinity(0))


def busy_seconds() -> float:
    """CPU seconds that anything on this machine has spent since boot; as child.machine_busy."""
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, _lines("/proc/stat")[0].split()[1:])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def load() -> float:
    """The load of the last minute."""
    return os.getloadavg()[0]


def _lines(name: str) -> list[str]:
    return Path(name).read_text(encoding="utf-8").splitlines()
