"""The main job from end to end, on this machine alone; `make demo` runs it.

1,000 varied objects on SeaweedFS, a CSV of renames, MiniStack's SQS, two
workers of which one is killed with SIGKILL on the way; then boto3, which has
no part in the renames, proves that nothing about any object was lost. Exits 0
only if that proof holds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from binaries import binary
from clients import aws_environment, client, isolate_this_process
from demo_objects import BUCKETS, COUNT, MIB, create_object, plan_objects, write_manifest
from demo_proof import (
    THREADS,
    check_created,
    check_nothing_else,
    check_objects,
    check_queues,
    check_report,
    in_parallel,
    take_snapshot,
)
from demo_workers import Queues, Worker, start_worker, telling
from progress import Progress
from servers import (
    ServerError,
    Servers,
    exit_on_sigterm,
    free_ports,
    running_servers,
    signals_held_back,
)

JOB = "demo"
KILL_AFTER = COUNT * 15 // 100
POLL_SECONDS = 0.02
# From the first worker's start to the last one's end.
RENAME_SECONDS = 150
# Every object twice, and SeaweedFS does not reuse a deleted one's space at once.
DISK_BYTES = 2 * 1024 * MIB
PROBLEMS_SHOWN = 20


class DemoFailed(Exception):
    """The demo did not do what it promises; the message says what."""


class Demo:
    def __init__(self, folder: Path, profile: str, servers: Servers, progress: Progress) -> None:
        self.folder = folder
        self.profile = profile
        self.progress = progress
        self.report = folder / "report"
        self.manifest = folder / "manifest.csv"
        self.items = plan_objects()
        self.workers: list[Worker] = []
        s3_url, sqs_url = servers.url("weed"), servers.url("ministack")
        self.env = aws_environment(servers.credentials, s3_url, sqs_url)
        self.s3 = client("s3", s3_url, servers.credentials, max_pool_connections=THREADS)
        self.queues = Queues(client("sqs", sqs_url, servers.credentials))

    def run(self) -> None:
        with self.progress.step(f"Creating {COUNT:,} objects in two buckets, by boto3"):
            before = self.create()
        with self.progress.step("Planning and submitting the manifest"):
            self.submit()
        with self.progress.step("Renaming with two workers"):
            self.rename()
        with self.progress.step("The report"):
            problems = self.check_accounts()
        with self.progress.step("Proving it, by boto3"):
            counted = self.counting("proved")
            problems += check_objects(self.s3, self.items, before, counted)
            problems += check_nothing_else(self.s3, self.items)
            problems += check_queues(self.queues.counts())
        if problems:
            shown = "\n".join(problems[:PROBLEMS_SHOWN])
            raise DemoFailed(f"the proof fails in {len(problems)} points:\n{shown}")

    def create(self) -> dict[int, Any]:
        """Create everything; gives what the server shows of each object before its rename."""
        for bucket in BUCKETS:
            self.s3.create_bucket(Bucket=bucket)

        def create(item: Any) -> tuple[Any, list[str]]:
            sent = create_object(self.s3, item)
            seen = take_snapshot(self.s3, item.source)
            return seen, check_created(item, sent, seen)

        results = in_parallel(create, self.items, self.counting("created"))
        unlike = [problem for _, problems in results for problem in problems]
        if unlike:
            shown = "\n".join(unlike[:PROBLEMS_SHOWN])
            raise DemoFailed(f"the S3 server does not show what was sent to it:\n{shown}")
        total = sum(item.size for item in self.items)
        self.progress.say(f"{total / MIB:.0f} MiB, the largest object 200 MiB; for example")
        for item in self.items[3:7]:
            self.progress.say(f"{item.source.uri!r} -> {item.destination.uri!r}", indent="      ")
        return {item.index: seen for item, (seen, _) in zip(self.items, results, strict=True)}

    def submit(self) -> None:
        write_manifest(self.manifest, self.items)
        self.progress.say(self.rebucket("plan", str(self.manifest)))
        queue = ["--queue-url", self.queues.url]
        self.progress.say(self.rebucket("submit", str(self.manifest), *queue, "--job", JOB))
        submitted = sum(self.queues.left().values())
        if submitted != COUNT:
            raise DemoFailed(f"the queue holds {submitted} messages after submit, not {COUNT}")

    def rename(self) -> None:
        deadline = time.monotonic() + RENAME_SECONDS
        program = binary("rebucket-worker", self.profile)
        for number, port in enumerate(free_ports(2), start=1):
            name = f"worker-{number}"
            log = self.folder / f"{name}.log"
            worker = start_worker(name, program, port, self.queues.url, self.report, log, self.env)
            self.workers.append(worker)
        victim, survivor = self.workers
        # The victim must be at work too, not still in its start-up probe.
        while self.acknowledged() < KILL_AFTER or not victim.has_renamed():
            self.expect_running(deadline, *self.workers)
            time.sleep(POLL_SECONDS)
        self.expect_running(deadline, *self.workers)
        victim.kill()
        left = self.queues.left()
        done = COUNT - sum(left.values())
        if done == COUNT:
            raise DemoFailed("all was renamed before a worker could be killed: this proves nothing")
        self.progress.say(
            f"killed {victim.name} (SIGKILL) after {done} renames: "
            f"{COUNT - done} left, {left['in flight']} of them in flight"
        )
        self.show_metrics(survivor)
        while survivor.running():
            self.expect_in_time(deadline, survivor)
            self.acknowledged()
            time.sleep(POLL_SECONDS)
        if survivor.process.returncode != 0:
            raise DemoFailed(
                f"{survivor.name} ended with code {survivor.process.returncode}; "
                f"its log ends:\n{survivor.log_tail()}"
            )

    def acknowledged(self) -> int:
        """How many messages are done with: renamed, recorded and removed from the queue."""
        left = self.queues.left()
        done = COUNT - sum(left.values())
        alone = len([worker for worker in self.workers if worker.running()]) == 1
        waiting = alone and left["in flight"] and not left["visible"]
        note = ", the rest comes back from the killed worker" if waiting else ""
        self.progress.update(f"{done:,} of {COUNT:,} renamed{note}")
        return done

    def show_metrics(self, worker: Worker) -> None:
        samples = telling(worker.metrics())
        if not samples:
            raise DemoFailed(f"no rebucket_ metrics at {worker.metrics_url}")
        self.progress.say(f"{worker.metrics_url} of {worker.name}, which works on:")
        self.progress.say("\n".join(samples), indent="      ")

    def check_accounts(self) -> list[str]:
        where = str(self.report)
        self.progress.say(self.rebucket("report", where))
        summary = json.loads(self.rebucket("report", where, "--format", "json"))
        lines = self.rebucket("report", where, "--format", "jsonl").splitlines()
        outcomes = [json.loads(line) for line in lines]
        for worker in sorted({str(outcome["worker"]) for outcome in outcomes}):
            share = sum(str(outcome["worker"]) == worker for outcome in outcomes)
            self.progress.say(f"{share} outcomes recorded by {worker}")
        return check_report(summary, outcomes, self.items)

    def rebucket(self, *arguments: str) -> str:
        """Run `rebucket`, expect it to succeed, and give its standard output."""
        log = self.folder / f"rebucket-{arguments[0]}.log"
        with log.open("ab") as errors:
            done = subprocess.run(
                [str(binary("rebucket", self.profile)), *arguments],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=RENAME_SECONDS,
            )
        if done.returncode != 0:
            raise DemoFailed(
                f"rebucket {arguments[0]} ended with code {done.returncode}:\n"
                f"{log.read_text(errors='replace')[-2000:]}{done.stdout.decode()[-2000:]}"
            )
        return done.stdout.decode()

    def counting(self, verb: str):
        return lambda count: self.progress.update(f"{count:,} of {COUNT:,} {verb}")

    def expect_running(self, deadline: float, *workers: Worker) -> None:
        for worker in workers:
            self.expect_in_time(deadline, worker)
            if not worker.running():
                raise DemoFailed(
                    f"{worker.name} ended early, with code {worker.process.returncode}; "
                    f"its log ends:\n{worker.log_tail()}"
                )

    def expect_in_time(self, deadline: float, worker: Worker) -> None:
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"not done after {RENAME_SECONDS} s, queue {self.queues.left()}; "
                f"the log of {worker.name} ends:\n{worker.log_tail()}"
            )

    def stop_workers(self) -> None:
        for worker in self.workers:
            if worker.running():
                worker.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile", choices=["debug", "release"], default="debug")
    profile = parser.parse_args().profile
    exit_on_sigterm()
    isolate_this_process()
    started = time.monotonic()
    try:
        for name in ("rebucket", "rebucket-worker"):
            binary(name, profile)
    except FileNotFoundError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="rebucket-demo-"))
    keep_logs = False
    try:
        run(folder, profile)
    except (DemoFailed, ServerError, subprocess.TimeoutExpired) as error:
        keep_logs = True
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    except Exception:
        keep_logs = True
        raise
    finally:
        with signals_held_back():
            clean_up(folder, keep_logs)
    print(
        f"\nPROVED in {time.monotonic() - started:.0f} s: {COUNT:,} of {COUNT:,} objects are under "
        "their new keys\nwith equal bytes, headers, metadata and tags, and gone from their old "
        "ones;\nnothing else is in the buckets, and both queues are empty."
    )
    return 0


def run(folder: Path, profile: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < DISK_BYTES:
        raise DemoFailed(f"{folder} needs {DISK_BYTES // MIB} MiB of free space, has {free // MIB}")
    progress = Progress()
    with ExitStack() as stack:
        with progress.step("Starting SeaweedFS (S3) and MiniStack (SQS)"):
            servers = stack.enter_context(running_servers(folder, ("weed", "ministack")))
        demo = Demo(folder, profile, servers, progress)
        stack.callback(demo.stop_workers)
        try:
            demo.run()
        except Exception as error:
            for server in servers.exited():
                tail = server.log_tail()
                raise ServerError(f"{server.name} ended; its log ends:\n{tail}") from error
            raise


def clean_up(folder: Path, keep_logs: bool) -> None:
    """Remove everything; after a failure, everything but the logs and the report."""
    if not keep_logs:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for server in ("weed", "ministack"):
        shutil.rmtree(folder / server, ignore_errors=True)
    print(f"The logs and the report are in {folder}", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
