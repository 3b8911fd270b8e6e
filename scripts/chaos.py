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
from chaos_stage import SPREAD, STALL_SECONDS, ChaosFailed, Stage, shown
from chaos_writer import Writer
from clients import isolate_this_process
from demo_objects import MIB
from demo_proof import OUTCOMES, check_created, check_queues, in_parallel, take_snapshot
from progress import Progress
from servers import (
    ServerError,
    Servers,
    exit_on_sigterm,
    running_servers,
    signals_held_back,
)

POLL_SECONDS = 0.05
# One in so many objects is looked at right after it was made.
SAMPLE = 8


@dataclass
class Timing:
    created: float = 0.0
    renamed: float = 0.0


class Chaos(Stage):
    def __init__(
        self, options: argparse.Namespace, folder: Path, servers: Servers, progress: Progress
    ) -> None:
        super().__init__(options, folder, servers, progress, ALL_BUCKETS)
        self.tasks = plan_tasks(options.objects, options.seed)
        self.sent: dict[str, str] = {}
        self.timing = Timing()
        self.writer = Writer(self.s3, self.tasks, self.report, options.seed)

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

    def counting(self, verb: str):
        return lambda count: self.progress.update(f"{count:,} {verb}")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs while there is work")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--profile", choices=["debug", "release"], default="debug")
    parser.add_argument("--max-renames", type=int, default=8, help="of each worker")
    parser.add_argument("--visibility-timeout", type=int, default=4, help="in seconds, from 4")
    parser.add_argument(
        "--no-writer", dest="writer", action="store_false", help="nobody else writes meanwhile"
    )
    parser.add_argument("--keep", action="store_true", help="keep the servers' folder if it fails")
    options = parser.parse_args(arguments)
    if options.workers < 1 or options.objects < 1 or options.visibility_timeout < 4:
        parser.error("expected at least one worker and one object, and 4 s of visibility")
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
