"""What is measured.

Owns: every job's sizes, rounds and server settings, in full and for --quick. Refuses to know: how a measurement is made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
EVERYONE = (
    "limit",
    "ours",
    "upstream",
    "obstore",
    "obstore-bytes",
    "obstore-stream",
    "boto3",
    "boto3-crt",
    "s3fs",
    "minio",
    "runai",
)
SMALL_WAYS = tuple(name for name in EVERYONE if name != "obstore-stream")  # a small object comes in one piece anyway
ONE_WAY = tuple(name for name in EVERYONE if name not in ("obstore-bytes", "obstore-stream"))  # where the three are the same
QUICKLY = ("limit", "ours", "upstream", "obstore", "boto3")  # of --quick
CONNECTOR = ("ours", "upstream")  # the published s3torchconnector on top


@dataclass(frozen=True)
class Job:
    """One row of the run. `unit` decides which figures are made of the results (figures.py)."""

    name: str
    what: str
    verb: str
    unit: str  # bytes, requests, keys, ms, rss
    size: int = 100 * KIB  # of one object
    count: int = 1  # objects, over all processes
    piece: int = 8 * MIB  # of one write
    processes: int = 1
    rounds: int = 5
    clients: tuple[str, ...] = EVERYONE
    latency_ms: int = 0
    rate: int = 0  # bytes a second of one connection
    tls: bool = False
    keys: int = 1000  # that the bucket lists under each prefix
    options: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)  # fields that --quick changes
    trace: bool = False  # record memory over time
    program: str = "child.py"  # or connector.py, where the published s3torchconnector is above the client
    server: str = "light"  # or minio

    def quickly(self) -> Job:
        """Smaller, with two rounds: to see that everything works, and roughly where it stands."""
        return replace(self, **{"rounds": 2, **self.quick})


BIG: dict[str, Any] = {"size": 2 * GIB, "quick": {"size": 256 * MIB}}
SMALL: dict[str, Any] = {"size": 100 * KIB, "count": 2000, "quick": {"count": 300}}

JOBS = (
    Job("get2g", "one object of 2 GiB, read from beginning to end", "get_iter", "bytes", **BIG),
    Job("get2g-into", "the same through the caller's buffer of 8 MiB", "get_into", "bytes", **BIG),
    Job("get2g-tls", "the same as get2g over https", "get_iter", "bytes", tls=True, **BIG),
    Job("get2g-latency", "the same with 30 ms before each response", "get_iter", "bytes", latency_ms=30, **BIG),
    Job(
        "capped",
        "one object of 1 GiB; no connection gets more than 90 MB/s, as with S3",
        "get_iter",
        "bytes",
        size=GIB,
        rate=90_000_000,
        rounds=3,
        quick={"size": 128 * MIB},
    ),
    Job("many8m", "256 objects of 8 MiB, one after the other", "get_iter", "bytes", size=8 * MIB, count=256, quick={"count": 32}),
    *(
        Job(
            f"procs-{n}",
            f"128 objects of 8 MiB, shared out over {n} process{'es' if n > 1 else ''}",
            "get_iter",
            "bytes",
            size=8 * MIB,
            count=128,
            processes=n,
            rounds=3,
            clients=ONE_WAY,
            quick={"count": 32},
        )
        for n in (1, 2, 4, 8)
    ),
    Job(
        "slow-consumer",
        "one object of 1 GiB; the reader takes 25 ms for each 8 MiB. Does memory stay flat?",
        "get_iter",
        "rss",
        size=GIB,
        rounds=2,
        options={"pause": 0.025},
        trace=True,
        quick={"size": 256 * MIB, "rounds": 1},
    ),
    Job("small", "2,000 objects of 100 KiB, one after the other", "get_small", "requests", clients=SMALL_WAYS, **SMALL),
    Job(
        "small16",
        "4,000 objects of 100 KiB, 16 threads or the client's own batch",
        "get_small_many",
        "requests",
        clients=SMALL_WAYS,
        **{**SMALL, "count": 4000},
    ),
    Job(
        "small16-tls",
        "the same over https",
        "get_small_many",
        "requests",
        clients=SMALL_WAYS,
        tls=True,
        **{**SMALL, "count": 4000},
    ),
    Job("head", "2,000 HEAD requests, one after the other", "head", "requests", clients=ONE_WAY, **SMALL),
    Job(
        "list",
        "100,000 keys and sizes as Python objects",
        "list",
        "keys",
        clients=ONE_WAY,
        count=100_000,
        keys=100_000,
        quick={"count": 10_000, "keys": 10_000},
    ),
    Job(
        "put1g",
        "one object of 1 GiB of unknown length, written 8 MiB at a time, each in fresh memory whose making is in all figures",
        "put",
        "bytes",
        size=GIB,
        clients=ONE_WAY,
        quick={"size": 128 * MIB},
    ),
    Job(
        "put-drop",
        "half of it, then the stream is dropped. Is an upload left behind?",
        "drop_put",
        "rss",
        size=GIB,
        rounds=2,
        clients=CONNECTOR,
        quick={"size": 128 * MIB},
    ),
    Job(
        "first-byte",
        "from the call to the first piece of a 256 MiB object, 20 times",
        "first_byte",
        "ms",
        size=256 * MIB,
        count=20,
        quick={"size": 64 * MIB, "count": 10},
    ),
    Job("construct", "making a client: the first of a process, import included, and 20 more", "construct", "ms", clients=ONE_WAY),
    Job(
        "idle-rss",
        "a process with a client that has made one request and waits",
        "idle",
        "rss",
        rounds=3,
        clients=ONE_WAY,
        options={"seconds": 3.0},
        quick={"options": {"seconds": 0.5}},
    ),
)

JOBS += (
    *(
        Job(
            name,
            "S3MapDataset over 1,000 objects of 100 KiB in a DataLoader with one worker process" + more,
            "map_dataset",
            "requests",
            count=1000,
            latency_ms=latency,
            rounds=rounds,
            clients=CONNECTOR,
            program="connector.py",
            quick={"count": 200, "keys": 200},
        )
        for name, latency, rounds, more in (
            ("map-dataset", 0, 5, ""),
            ("map-dataset-latency", 30, 3, ", 30 ms before each response"),
        )
    ),
    *(
        Job(
            name,
            what,
            verb,
            "bytes",
            size=GIB,
            clients=CONNECTOR,
            program="connector.py",
            server="minio",
            quick={"size": 128 * MIB},
        )
        for name, what, verb in (
            ("dcp1g-save", "torch.distributed.checkpoint.save of 1 GiB to MinIO by S3StorageWriter", "dcp_save"),
            ("dcp1g-load", "the same checkpoint loaded by S3StorageReader", "dcp_load"),
            ("checkpoint1g-save", "torch.save of 1 GiB to MinIO by S3Checkpoint", "checkpoint_save"),
            ("checkpoint1g-load", "the same checkpoint loaded by torch.load", "checkpoint_load"),
        )
    ),
)


def settings(job: Job) -> dict[str, Any]:
    """A job as it was run, for the record."""
    return {name: value for name, value in asdict(job).items() if name not in ("quick", "clients")}


def chosen(only: list[str]) -> list[Job]:
    """The jobs with these names; "procs" stands for procs-1, procs-2 and so on."""
    names = {job.name for job in JOBS}
    families = {job.name.rpartition("-")[0] for job in JOBS} - names  # get2g is a job, so it is not the family of get2g-tls
    for name in only:
        if name not in names | families:
            raise SystemExit(f"no job is called {name!r}; there are: {', '.join(job.name for job in JOBS)}")
    return [job for job in JOBS if not only or job.name in only or job.name.rpartition("-")[0] in families.intersection(only)]
