"""What `build.py build|demo|test|lint|bench|lock` do, each a short list of steps.

Owns: the steps and their order, what the tests are told through environment variables. Refuses to know: how a step works.

The tests are told:
    S3E_TEST_MINIO_ENDPOINT, _ACCESS_KEY, _SECRET_KEY, _REGION   a MinIO that is up for the whole run, Go's and Python's part
    S3E_MINIO_BINARY          its program, for a test that wants one of its own (tests/minio_server.py)
    S3E_TEST_UPSTREAM_PYTHON  a Python that has Amazon's s3torchconnectorclient, the oracle; unset where there is no wheel of it
    S3E_TEST_FULL=1           with --full: take longer, look harder
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import GO, PACKAGE, ROOT, locks, version
from . import engine as library
from .console import StepError, foreground, quietly, say, step
from .environments import borrow_packages, environment, install_project, site_packages
from .gotools import ACTIONLINT, GOLANGCI_LINT, MINIO, program
from .toolchain import GO_MINIMUM, Toolchain, UnsupportedError, find, missing_wheels, system_go

if TYPE_CHECKING:
    from collections.abc import Sequence

LINT_GO_MINIMUM = (1, 26)  # golangci-lint's own
FUZZ_TIME = "20s"  # a target, with --full


def build(args: Sequence[str]) -> int:
    """Compile the engine and emit _abi.py, in place."""
    if args:
        say(f"build.py build takes no arguments, not {args[0]!r}")
        return 2
    build_in_place(toolchain())
    return 0


def demo(args: Sequence[str]) -> int:
    """Set up everything, then run the example."""
    python = project()
    build_in_place(toolchain())
    return foreground([python, ROOT / "examples" / "train.py", *args], env=test_environment())


def bench(args: Sequence[str]) -> int:
    """Set up everything, then run the benchmarks."""
    python = project()
    tools = toolchain()
    build_in_place(tools)
    env = test_environment()
    env["S3E_MINIO_BINARY"] = str(program(tools, MINIO))
    name_upstream(env, python)
    return foreground([python, ROOT / "benchmarks" / "run.py", *args], env=env)


def test(args: Sequence[str]) -> int:
    """Everything built, then Go's tests, then Python's. Python's summary is the last line; the status is the first failure's."""
    full, rest = "--full" in args, [arg for arg in args if arg != "--full"]
    python = project()
    tools = toolchain()
    env = test_environment()
    name_upstream(env, python)
    build_in_place(tools)
    env["S3E_MINIO_BINARY"] = str(program(tools, MINIO, hint=" (about 3 minutes, once)"))
    if full:
        env["S3E_TEST_FULL"] = "1"
    os.environ["S3E_MINIO_BINARY"] = env["S3E_MINIO_BINARY"]
    sys.path.insert(0, str(ROOT / "tests"))
    from minio_server import Minio  # noqa: PLC0415 - the tests' own helper, not on the path before

    with Minio() as minio:
        for name in ("endpoint", "access_key", "secret_key", "region"):
            env[f"S3E_TEST_MINIO_{name.upper()}"] = getattr(minio, name)
        status = 0
        if any((ROOT / arg.partition("::")[0]).exists() for arg in rest if not arg.startswith("-")):
            say("· only the Python tests named; Go's run when none is")
        else:
            status = go_tests(tools, env, full=full)
            if status:
                say(f"Go's part FAILED (above); Python's follows, and the exit status will be {status}")
        tested = foreground([python, "-m", "pytest", *rest], cwd=ROOT, env=env)
    return status or tested


def lint(args: Sequence[str]) -> int:
    """Everything that reads code without running it. All of it runs, also after a failure, and nothing is changed."""
    if args:
        say(f"build.py lint takes no arguments, not {args[0]!r}")
        return 2
    bin_folder = environment("lint").parent
    tools = toolchain(LINT_GO_MINIMUM)
    go_env = library.go_environment(tools)
    golangci, actionlint = program(tools, GOLANGCI_LINT), program(tools, ACTIONLINT)
    go_env["PATH"] = str(Path(tools.go).parent) + os.pathsep + go_env["PATH"]  # golangci-lint calls go
    gofmt = Path(quietly([tools.go, "env", "GOROOT"], env=go_env).strip(), "bin", "gofmt")
    benchmarks = sorted(file for file in ROOT.glob("benchmarks/**/*.py") if "out" not in file.parts)
    checks: list[tuple[str, list[str | Path]]] = [
        ("ruff check", [bin_folder / "ruff", "check", "--no-cache", "--quiet"]),
        ("ruff format", [bin_folder / "ruff", "format", "--check", "--no-cache", "--quiet"]),
        ("mypy --strict build.py", [bin_folder / "mypy", "build.py", "tests/minio_server.py"]),
        ("mypy --strict benchmarks", [bin_folder / "mypy", *benchmarks]),
        ("actionlint", [actionlint, *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]),
    ]
    if any(PACKAGE.glob("*.py")):
        library_abi(tools)  # mypy follows the import of _abi
        checks.append(("mypy --strict python", [bin_folder / "mypy", "-p", "s3torchconnectorclient"]))
    failed = sum(not passes(name, command, ROOT) for name, command in checks)
    failed += not locks.fresh()
    with_go = [str(file) for file in GO.rglob("*.go") if "vendor" not in file.parts]
    if with_go:
        failed += not passes("gofmt", [gofmt, "-l", *with_go], GO, go_env, output_fails=True)
    variants = [""] if with_go else []
    if any("//go:build invariants" in Path(file).read_text(encoding="utf-8") for file in with_go):
        variants.append("invariants")
    for tags in variants:
        name = f" -tags {tags}" if tags else ""
        failed += not passes(f"go vet{name}", [tools.go, "vet", f"-tags={tags}", "./..."], GO, go_env)
        config = ROOT / ".golangci.yml"
        command: list[str | Path] = [golangci, "run", "--config", config, f"--build-tags={tags}"]
        command += ["--allow-serial-runners", "./..."]  # a second lint waits for the first instead of failing
        failed += not passes(f"golangci-lint{name}", command, GO, go_env)
    say(f"{failed} of the checks failed" if failed else "all checks pass")
    return 1 if failed else 0


def lock(args: Sequence[str]) -> int:
    """Make requirements/*.txt anew from requirements/*.in."""
    return locks.write(args)


def toolchain(minimum: tuple[int, int] = GO_MINIMUM) -> Toolchain:
    """The machine's Go and C compiler, or those of the wheels, which are fetched only then."""
    try:
        wheels = None
        if missing_wheels() or not system_go(minimum):
            wheels = site_packages(environment("toolchain"))
        return find(wheels, minimum)
    except UnsupportedError as reason:
        say(str(reason))
        raise StepError from None


def build_in_place(tools: Toolchain) -> None:
    """The two generated files, where an editable install and the tests find them."""
    with step("engine: go build"):
        library.compile_library(tools, version())
    library_abi(tools)


def library_abi(tools: Toolchain) -> None:
    """_abi.py, by the Python that has cffi."""
    env = {**tools.environment(), "PYTHONPATH": str(ROOT / "tools")}
    quietly([environment("build"), "-m", "s3build.abi"], env=env, cwd=ROOT)


def project() -> Path:
    """The Python of .venv: the locked packages, and ours in editable form."""
    return environment("test", install_project, also=(ROOT / "pyproject.toml").read_bytes())


def name_upstream(env: dict[str, str], python: Path) -> None:
    """Amazon's client in an environment of its own, with everything else borrowed from ours."""
    try:
        env["S3E_TEST_UPSTREAM_PYTHON"] = str(environment("upstream", lambda made: borrow_packages(made, python)))
    except StepError:
        say("no wheel of Amazon's client for this Python or platform: the tests that compare with it will be skipped")


def test_environment() -> dict[str, str]:
    """This process's environment, without what would send tests and examples to someone's real account by accident."""
    env = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}  # else the search for credentials asks the network and waits
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        env.pop(name, None)
    return env


def go_tests(tools: Toolchain, env: dict[str, str], *, full: bool) -> int:
    """Vet, then the tests under the race detector; with --full also every fuzz target for a while. The first failure's status."""
    go_env = {**env, **library.go_environment(tools), **{name: value for name, value in env.items() if name.startswith("S3E_")}}
    packages = quietly([tools.go, "list", "./..."], cwd=GO, env=go_env)
    if not re.search(r"^s3engine", packages, re.MULTILINE):
        say("· Go: no packages yet")
        return 0
    try:
        with step("go vet"):
            quietly([tools.go, "vet", "./..."], cwd=GO, env=go_env)
        with step("go test -race"):
            quietly([tools.go, "test", "-race", "./..."], cwd=GO, env=go_env)
        if full:
            with step("go test -race -tags=invariants"):
                quietly([tools.go, "test", "-race", "-tags=invariants", "./..."], cwd=GO, env=go_env)
        for package, target in fuzz_targets() if full else ():
            with step(f"fuzz {target}"):
                command = [tools.go, "test", f"-fuzz=^{target}$", f"-fuzztime={FUZZ_TIME}", "-run=^$", package]
                quietly(command, cwd=GO, env=go_env)
    except StepError as failure:
        return failure.status
    return 0


def fuzz_targets() -> list[tuple[str, str]]:
    """(package, function) of every fuzz test: go test takes one at a time."""
    return [
        (f"./{file.parent.relative_to(GO)}", name)
        for file in sorted(GO.rglob("*_test.go"))
        for name in re.findall(r"^func (Fuzz\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def passes(
    name: str, command: Sequence[str | Path], cwd: Path, env: dict[str, str] | None = None, *, output_fails: bool = False
) -> bool:
    """Run one check; `output_fails` is for those that report by printing and exit 0 all the same."""
    try:
        with step(name):
            told = quietly(command, cwd=cwd, env=env)
            if output_fails and told:
                say(f"\n{told}")
                raise StepError
    except StepError:
        return False
    return True
