"""The suites, the fast ones first, and running them until a test fails."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from clone import Clone
from table import Mutation

FAILED = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. FAILED")

# Longer than the slowest suite takes; a mutant may also run for ever.
LIMIT_SECONDS = 1_200


@dataclass(frozen=True)
class Suite:
    """One `cargo test`."""

    arguments: tuple[str, ...]
    stages: tuple[tuple[str, ...], ...] = ((),)
    """What to run of it, one after the other: the quick tests first."""
    programs: bool = False
    """Whether it runs `rebucket` and `rebucket-worker`."""
    servers: bool = False
    """Whether it needs the local servers."""


# Of the simulation: what takes seconds, what takes half a minute, everything.
QUICK_FIRST = (
    ("gates::", "acknowledging::", "answers::", "chains::", "comparing::", "refusals::", "settling::", "leases::", "wire::", "queue_wire::", "table::", "regressions::", "unseen::", "statement::", "names::", "history::", "hidden::", "locks::", "temporary::"),
    ("one_mishap", "an_outsider"),
    (),
)

SUITES: dict[str, Suite] = {
    "unit": Suite(("-p", "rebucket-worker", "-p", "rebucket-protocol", "--lib")),
    "simulation": Suite(("-p", "rebucket-tests", "--test", "simulation"), QUICK_FIRST),
    "fuzz": Suite(("-p", "rebucket-tests", "--test", "fuzz")),
    "simulated": Suite(("-p", "rebucket-tests", "--test", "simulated"), programs=True),
    "e2e": Suite(("-p", "rebucket-tests", "--test", "e2e"), programs=True, servers=True),
    "cli": Suite(("-p", "rebucket-tests", "--test", "cli"), programs=True, servers=True),
}


@dataclass(frozen=True)
class Caught:
    """A test failed."""

    suite: str
    test: str

    def cell(self, _: Mutation) -> str:
        return f"{self.suite}: `{self.test}`"


@dataclass(frozen=True)
class Survived:
    """No test failed, in any of these suites."""

    suites: tuple[str, ...]

    def cell(self, mutation: Mutation) -> str:
        if mutation.equivalent:
            return f"nothing to catch: {mutation.equivalent}"
        return f"**survived** {', '.join(self.suites)}"


@dataclass(frozen=True)
class Broken:
    """The mutant does not compile: the table is wrong."""

    error: str

    def cell(self, _: Mutation) -> str:
        return f"**does not compile**: {self.error}"


Result = Caught | Survived | Broken


class BaselineError(Exception):
    """A suite fails without any mutation, so its failures say nothing."""


@dataclass
class Runner:
    """Runs suites in a clone."""

    clone: Clone
    allowed: list[str]
    quick: bool
    jobs: int | None
    passed: set[str] = field(default_factory=set)

    def suites_for(self, mutation: Mutation) -> list[str]:
        """The suites to run, of those that can see a mutation."""
        seen_by = mutation.suites or tuple(SUITES)
        return [name for name in SUITES if name in self.allowed and name in seen_by]

    def see_that_all_pass(self, mutation: Mutation) -> None:
        """Run the suites for a mutation without it, each of them once."""
        for name in self.suites_for(mutation):
            if name in self.passed:
                continue
            failed = build(self.clone, SUITES[name], self.jobs) or self.failure(name, "")
            if failed:
                raise BaselineError(f"the suite {name} fails without any mutation: {failed}")
            self.passed.add(name)

    def run(self, mutation: Mutation) -> Result:
        """Run the suites that can see a mutation, until one of them does."""
        suites = self.suites_for(mutation)
        for name in suites:
            error = build(self.clone, SUITES[name], self.jobs)
            if error:
                return Broken(error)
            failed = self.failure(name, mutation.filter)
            if failed:
                return Caught(name, failed)
        return Survived(tuple(suites))

    def failure(self, name: str, narrowed: str) -> str | None:
        """The first test of a suite that fails, if any."""
        suite = SUITES[name]
        stages = suite.stages
        if narrowed and suite.servers:
            stages = ((narrowed,), *stages)
        for stage in stages[:-1] if self.quick and len(stages) > 1 else stages:
            failed = first_failure(self.clone, suite, stage)
            if failed:
                return failed
        return None


def build(clone: Clone, suite: Suite, jobs: int | None) -> str | None:
    """Compile a suite, and the programs that it runs; the error, if any."""
    steps = [["cargo", "test", "--locked", "--no-run", *suite.arguments]]
    if suite.programs:
        steps.insert(0, ["cargo", "build", "--locked", "--workspace", "--bins"])
    for step in steps:
        command = [*step, *(["--jobs", str(jobs)] if jobs else [])]
        built = subprocess.run(
            command, cwd=clone.tree, env=clone.environment(), capture_output=True, text=True
        )
        if built.returncode != 0:
            errors = (line for line in built.stderr.splitlines() if line.startswith("error"))
            return next(errors, built.stderr[-200:])
    return None


def first_failure(clone: Clone, suite: Suite, stage: tuple[str, ...]) -> str | None:
    """Run a part of a suite up to its first failure; the name of the test that failed."""
    command = ["cargo", "test", "--locked", *suite.arguments, "--", *stage]
    environment = clone.environment()
    if suite.programs:
        environment["RUST_TEST_THREADS"] = "6"
    if suite.servers:
        python = clone.tree / ".venv" / "bin" / "python"
        command = [str(python), "scripts/with_servers.py", "--", *command]
    with subprocess.Popen(
        command,
        cwd=clone.tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        timer = threading.Timer(LIMIT_SECONDS, end, [process])
        timer.start()
        try:
            for name in failures(process):
                return name
            code = process.wait()
        finally:
            in_time = timer.is_alive()
            timer.cancel()
            end(process)
    if code == 0:
        return None
    return f"the program ended with code {code}" if in_time else "no end in time"


def failures(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        match = FAILED.match(line)
        if match:
            yield match[1]


def end(process: subprocess.Popen[str]) -> None:
    """End a run with all that it started; its servers have a moment to go."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
