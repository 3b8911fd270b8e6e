"""Rename while workers are killed, ended and frozen, then audit; `make chaos` runs it.

SeaweedFS, MiniStack, real `rebucket submit` and `rebucket-worker` processes. A
loop sends SIGKILL, SIGTERM and SIGSTOP at the pace of the renames, so that all
kills fall before the queue is drained; somebody else writes into the buckets
meanwhile. Then a last worker drains the queue and boto3, which has no part in
the renames, audits every object, the report and both queues. Exits 0 only if
there is not one violation.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from binaries import binary
from chaos_audit import (
    Left,
    check_dead,
    check_listing,
    check_objects,
    check_report,
    check_versions,
    default_headers,
    expected_objects,
    raw_lines,
)
from chaos_fleet import Fleet, Settings
from chaos_objects import (
    ALL_BUCKETS,
    JOB,
    PINNED,
    WRONG_ETAG,
    create,
    make_buckets,
    plan_tasks,
    write_manifest,
)
from chaos_writer import Writer
from clients import aws_environment, client, isolate_this_process
from demo_objects import MIB
from demo_proof import OUTCOMES, THREADS, check_created, check_queues, in_parallel, take_snapshot
from demo_workers import Queues
from progress import Progress
from servers import (
    ServerError,
    Servers,
    exit_on_sigterm,
    running_servers,
    signals_held_back,
)

POLL_SECONDS = 0.05
# The queue's own limit must not end a task: deliveries are spent on kills.
MAX_RECEIVES = 1000
# Kills are spread over this share of the tasks; the rest is for the last ones.
SPREAD = 0.85
# No progress at all for so long is a failure.
STALL_SECONDS = 120
# One in so many objects is looked at right after it was made.
SAMPLE = 8
SHOWN = 40


class ChaosFailed(Exception):
    """The run did not get as far as an audit; the message says why."""


class ChaosQueues(Queues):
    """The demo's queue pair, with names and a limit of its own."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        dead = sqs.create_queue(QueueName="rebucket-chaos-dead")["QueueUrl"]
        asked = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        arn = asked["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": str(MAX_RECEIVES)}
        attributes = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "30"}
        created = sqs.create_queue(QueueName="rebucket-chaos", Attributes=attributes)
        self.url, self.dead = created["QueueUrl"], dead
        self._urls = {"queue": self.url}

    def unfinished(self) -> int:
        return sum(self.left().values())

    def take_dead(self) -> list[tuple[str, str | None]]:
        """Every dead letter: its task, and the reason that the worker gave."""
        found = []
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self.dead,
                MaxNumberOfMessages=10,
                VisibilityTimeout=3600,
                MessageAttributeNames=["All"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                return found
            for message in messages:
                reason = message.get("MessageAttributes", {}).get("rebucket.reason", {})
                found.append((json.loads(message["Body"])["id"], reason.get("StringValue")))


@dataclass
class Timing:
    created: float = 0.0
    renamed: float = 0.0


class Chaos:
    def __init__(
        self, options: argparse.Namespace, folder: Path, servers: Servers, progress: Progress
    ) -> None:
        self.options = options
        self.folder = folder
        self.progress = progress
        self.report = folder / "report"
        self.tasks = plan_tasks(options.objects, options.seed)
        self.sent: dict[str, str] = {}
        self.timing = Timing()
        s3_url, sqs_url = servers.url("weed"), servers.url("ministack")
        self.env = aws_environment(servers.credentials, s3_url, sqs_url)
        self.s3 = client("s3", s3_url, servers.credentials, max_pool_connections=2 * THREADS)
        self.queues = ChaosQueues(client("sqs", sqs_url, servers.credentials))
        self.programs = {name: self.copied(name) for name in ("rebucket", "rebucket-worker")}
        settings = Settings(
            program=self.programs["rebucket-worker"],
            queue_url=self.queues.url,
            report=self.report,
            folder=folder,
            env=self.env,
            visibility=options.visibility_timeout,
            max_renames=options.max_renames,
            buckets=ALL_BUCKETS,
        )
        self.fleet = Fleet(settings, options.workers, options.seed)
        self.writer = Writer(self.s3, self.tasks, self.report, options.seed)

    def copied(self, name: str) -> Path:
        """A program as it is now: a build during the run must not change it."""
        return Path(shutil.copy2(binary(name, self.options.profile), self.folder / name))

    def run(self) -> list[str]:
        """Everything; gives the violations."""
        count = len(self.tasks)
        with self.progress.step(f"Creating {count:,} tasks' objects, by boto3"):
            started = time.monotonic()
            self.create()
            self.timing.created = time.monotonic() - started
        with self.progress.step("Submitting the manifest"):
            self.submit()
        with self.progress.step(f"Renaming with {self.options.workers} workers, in chaos"):
            started = time.monotonic()
            self.rename()
            self.timing.renamed = time.monotonic() - started
        with self.progress.step("Auditing, by boto3"):
            return self.audit()

    def create(self) -> None:
        make_buckets(self.s3)
        results = in_parallel(self.create_one, self.tasks, self.counting("created"))
        unlike = [problem for _, problems in results for problem in problems]
        if unlike:
            raise ChaosFailed("the server does not show what was sent:\n" + shown(unlike))
        for sent, _ in results:
            self.sent.update(sent)
        cases = Counter(task.case.name for task in self.tasks)
        self.progress.say(", ".join(f"{number:,} {name}" for name, number in cases.items()))
        total = sum(task.item.size for task in self.tasks) / MIB
        self.progress.say(f"{total:.0f} MiB, {len(self.sent):,} objects")

    def create_one(self, task: Any) -> tuple[dict[str, str], list[str]]:
        sent = create(self.s3, task)
        item = task.item
        if item.index % SAMPLE or not task.case.has_source:
            return sent, []
        seen = take_snapshot(self.s3, item.source)
        return sent, check_created(item, sent[item.source.uri], seen)

    def submit(self) -> None:
        etags = {}
        for task in self.tasks:
            at = task.item.source
            if task.case is PINNED:
                head = self.s3.head_object(Bucket=at.bucket, Key=at.key)
                etags[task.item.index] = head["ETag"]
            elif task.case.reason == "source_changed":
                etags[task.item.index] = WRONG_ETAG
        manifest = self.folder / "manifest.csv"
        write_manifest(manifest, self.tasks, etags)
        queue = ["--queue-url", self.queues.url, "--job", JOB, "--report", str(self.report)]
        self.progress.say(self.rebucket("submit", str(manifest), *queue))
        if self.queues.unfinished() != len(self.tasks):
            raise ChaosFailed(f"the queue holds {self.queues.left()} after submit")

    def rename(self) -> None:
        if self.options.writer:
            self.writer.start()
        try:
            self.fleet.start()
            self.strike_until_drained()
            self.fleet.retire()
            self.fleet.drain(STALL_SECONDS)
        finally:
            self.writer.finish()
        if self.writer.error:
            raise ChaosFailed(f"the external writer failed: {self.writer.error}")

    def strike_until_drained(self) -> None:
        """One kill each so many finished tasks, with other events in between."""
        count, fleet = len(self.tasks), self.fleet
        step = count * SPREAD / max(1, self.options.kills)
        best, moved = 0, time.monotonic()
        while best < count:
            fleet.tend()
            done = count - self.queues.unfinished()
            if done > best:
                best, moved = done, time.monotonic()
            elif time.monotonic() > moved + STALL_SECONDS:
                raise ChaosFailed(f"no progress in {STALL_SECONDS} s: {self.queues.left()}")
            kills = fleet.events["SIGKILL"]
            if kills < self.options.kills and done >= (kills + 1) * step:
                fleet.strike()
            else:
                time.sleep(POLL_SECONDS)
            self.progress.update(f"{best:,} of {count:,} tasks ended, {kills} kills")

    def audit(self) -> list[str]:
        writer, fleet, left = self.writer, self.fleet, Left()
        found = list(fleet.problems)
        kills = fleet.events["SIGKILL"]
        if kills < self.options.kills:
            found.append(
                f"only {kills} of {self.options.kills} kills fell before the queue was drained: "
                "give more --objects or fewer --max-renames"
            )
        expected = expected_objects(self.tasks, self.sent, writer.put_back, writer.added)
        defaults = default_headers(self.s3)
        found += check_objects(self.s3, expected, defaults, self.counting("audited"))
        found += check_listing(self.s3, expected, left)
        found += check_versions(self.s3, self.tasks, left)
        found += check_queues(self.queues.counts())
        summary = json.loads(self.rebucket("report", str(self.report), "--format", "json"))
        lines = self.rebucket("report", str(self.report), "--format", "jsonl").splitlines()
        outcomes = [json.loads(line) for line in lines]
        found += check_report(summary, outcomes, self.tasks)
        dead = self.queues.take_dead()
        found += check_dead(dead, self.tasks, writer.put_back)
        self.summarise(summary, outcomes, len(dead), left, found)
        return found

    def summarise(
        self,
        summary: dict[str, Any],
        outcomes: list[dict[str, Any]],
        dead: int,
        left: Left,
        found: list[str],
    ) -> None:
        raw, events = raw_lines(self.report), self.fleet.events
        again = [line["attempts"] for line in outcomes if line["attempts"] > 1]
        reasons = summary["by_reason"].items()
        rows = {
            "seed": self.options.seed,
            "worker processes": self.fleet.starts,
            "signals": ", ".join(f"{n} {name}" for name, n in sorted(events.items())),
            "tasks": summary["submitted"],
            "ended": ", ".join(f"{summary[name]:,} {name}" for name in OUTCOMES),
            "by reason": ", ".join(f"{n} {reason}" for reason, n in reasons),
            "redelivered": f"{len(again):,} tasks; delivered at most {max(again, default=1)} times",
            "recorded twice": len(raw) - len({line["task"] for line in raw}),
            "dead letters": dead,
            "put back by others": len(self.writer.put_back),
            "added by others": len(self.writer.added),
            "uploads left": f"{len(left.uploads)}, by killed workers",
            "scratch left": f"{len(left.scratch)} objects, by killed workers",
            "further markers": left.markers,
            "lost": sum("LOST" in problem for problem in found),
            "violations": len(found),
            "renaming took": f"{self.timing.renamed:.0f} s",
        }
        for name, value in rows.items():
            self.progress.say(f"{name:<20} {value}")

    def rebucket(self, *arguments: str) -> str:
        """Run `rebucket` and give its output; a report of failed renames ends with 1."""
        done = subprocess.run(
            [str(self.programs["rebucket"]), *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=600,
        )
        allowed = (0, 1) if arguments[0] == "report" else (0,)
        if done.returncode not in allowed:
            said = done.stderr.decode(errors="replace")[-2000:]
            raise ChaosFailed(f"rebucket {arguments[0]} ended with {done.returncode}:\n{said}")
        return done.stdout.decode()

    def counting(self, verb: str):
        return lambda count: self.progress.update(f"{count:,} {verb}")


def shown(problems: list[str]) -> str:
    more = len(problems) - SHOWN
    return "\n".join([*problems[:SHOWN], *([f"and {more} more"] if more > 0 else [])])


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs while there is work")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--profile", choices=["debug", "release"], default="debug")
    parser.add_argument("--max-renames", type=int, default=8, help="of each worker")
    parser.add_argument("--visibility-timeout", type=int, default=4, help="in seconds, from 2")
    parser.add_argument(
        "--no-writer", dest="writer", action="store_false", help="nobody else writes meanwhile"
    )
    parser.add_argument("--keep", action="store_true", help="keep the servers' folder if it fails")
    options = parser.parse_args(arguments)
    if options.workers < 1 or options.objects < 1 or options.visibility_timeout < 2:
        parser.error("expected at least one worker and one object, and 2 s of visibility")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    exit_on_sigterm()
    isolate_this_process()
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="rebucket-chaos-"))
    failed = True
    try:
        found = run(options, folder)
        failed = bool(found)
    except (
        ChaosFailed,
        ServerError,
        FileNotFoundError,
        TimeoutError,
        subprocess.TimeoutExpired,
    ) as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    finally:
        with signals_held_back():
            clean_up(folder, failed, options.keep)
    seconds = time.monotonic() - started
    if found:
        what = f"{len(found)} violations:\n{shown(found)}"
        print(f"\nFAILED in {seconds:.0f} s, {what}", file=sys.stderr)
        return 1
    print(f"\nHELD in {seconds:.0f} s: nothing lost, nothing changed, every task accounted for.")
    return 0


def run(options: argparse.Namespace, folder: Path) -> list[str]:
    progress = Progress()
    with ExitStack() as stack:
        with progress.step("Starting SeaweedFS (S3) and MiniStack (SQS)"):
            servers = stack.enter_context(running_servers(folder, ("weed", "ministack")))
        chaos = Chaos(options, folder, servers, progress)
        stack.callback(chaos.fleet.stop_all)
        try:
            return chaos.run()
        except Exception as error:
            for server in servers.exited():
                tail = server.log_tail()
                raise ServerError(f"{server.name} ended; its log ends:\n{tail}") from error
            raise


def clean_up(folder: Path, failed: bool, keep: bool) -> None:
    """Remove everything; after a failure keep the logs and the report, with --keep all."""
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
        return
    if not keep:
        for name in ("weed", "ministack"):
            shutil.rmtree(folder / name, ignore_errors=True)
    for program in ("rebucket", "rebucket-worker"):
        (folder / program).unlink(missing_ok=True)
    print(f"What is left of the run is in {folder}", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
