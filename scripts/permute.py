"""Permute the objects of a bucket while processes are killed, then audit; `make permute` runs it.

A manifest of paths and cycles of every length, the longest of a quarter of all
keys (or of one path through all of them, or of pairs that change places), over
objects of which many have the same bytes and other metadata. It is
carried out by `rebucket run`, or from the queue by a fleet of workers, while
SIGKILLs fall at the pace of the renames. Then boto3, which has no part in the
renames, compares every key with the same permutation applied in memory. Exits 0
only if there is not one violation. With `--simulator` all of it happens on the
project's simulator, by plain HTTP instead of boto3: a million objects take less
than an hour.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import http.client
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from chaos_stage import SPREAD, STALL_SECONDS, ChaosFailed, Stage, shown
from clients import Credentials, client, isolate_this_process
from progress import Progress
from servers import ServerError, Servers, exit_on_sigterm, running_servers
from simulator import running_simulator

BUCKET = "permuted"
JOB = "permuted"
PROCESSES, THREADS = 2, 8
# A step that may have to wait for a request of a killed process, and another.
WAITS = 180
# Where processes that were killed may have left something: a probe's objects,
# and copies at temporary keys whose requests came after all was done.
SCRATCH = (".rebucket/", ".rebucket-in-transit/")


@dataclass(frozen=True)
class Born:
    """An object: where it is first, and what it is."""

    key: str
    body: bytes

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass
class Permutation:
    objects: list[Born]
    # From the key of each object that moves to its new key.
    rows: dict[str, str]
    paths: int = 0
    cycles: int = 0

    def expected(self) -> dict[str, Born]:
        return {self.rows.get(born.key, born.key): born for born in self.objects}


def chains(shape: str, count: int, choice: random.Random) -> Iterator[tuple[int, bool]]:
    """How long each path or cycle is, and whether it is a cycle."""
    if shape == "shift":
        yield count, False
    elif shape == "swaps":
        yield from repeat((2, True))
    else:
        # The long ones first, then whatever comes, single renames among them.
        for length in (count // 4, count // 10, count // 10, count // 50):
            yield length, choice.random() < 0.5
        while True:
            yield int(2 ** choice.uniform(0, 11)), choice.random() < 0.5


def permutation(shape: str, count: int, same: float, seed: int) -> Permutation:
    """So many objects; a share of them has one of five contents."""
    choice = random.Random(f"permutation/{seed}")
    names = [f"k/{number:07}" for number in range(count)]
    choice.shuffle(names)
    objects = []
    for name in names:
        alike = choice.random() < same
        body = f"one of {choice.randrange(5)}" if alike else f"the object of {name}"
        objects.append(Born(name, body.encode()))
    made = Permutation(objects, {})
    at = 0
    lengths = chains(shape, count, choice)
    while at < count:
        length, cycle = next(lengths)
        keys = names[at : at + max(1, length)]
        at += len(keys)
        made.rows.update(zip(keys, keys[1:], strict=False))
        if len(keys) > 1 and cycle:
            made.rows[keys[-1]] = keys[0]
            made.cycles += 1
        else:
            made.rows[keys[-1]] = f"free/{keys[-1]}"
            made.paths += 1
    return made


class Boto:
    """The bucket, by boto3."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._s3 = client("s3", url, credentials, max_pool_connections=THREADS)

    def put(self, born: Born) -> None:
        where = {"Bucket": BUCKET, "Key": born.key}
        self._s3.put_object(**where, Body=born.body, Metadata={"born": born.key})

    def find(self, key: str) -> tuple[str | None, str, int]:
        """What is there: where it was born, its ETag and its size."""
        try:
            head = self._s3.head_object(Bucket=BUCKET, Key=key)
        except self._s3.exceptions.ClientError as error:
            raise LookupError(str(error)) from error
        return head["Metadata"].get("born"), head["ETag"], head["ContentLength"]


class Plain:
    """The same, unsigned, of the simulator."""

    def __init__(self, url: str, _credentials: Credentials) -> None:
        self._host = urlsplit(url).netloc
        self._own = threading.local()

    def put(self, born: Born) -> None:
        self._ask("PUT", born.key, born.body, {"x-amz-meta-born": born.key})

    def find(self, key: str) -> tuple[str | None, str, int]:
        answer = self._ask("HEAD", key)
        size = int(answer.headers["Content-Length"])
        return answer.headers.get("x-amz-meta-born"), answer.headers["ETag"], size

    def _ask(
        self, method: str, key: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Any:
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection(self._host)
        self._own.connection.request(method, f"/{BUCKET}/{quote(key)}", body or None, headers or {})
        answer = self._own.connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise LookupError(f"{method} {key}: {answer.status}")
        return answer


# The pools' processes have one each.
OBJECTS: Any = None


def connect(kind: Any, url: str, credentials: Credentials) -> None:
    global OBJECTS
    OBJECTS = kind(url, credentials)


def put_all(objects: list[Born]) -> list[str]:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(OBJECTS.put, objects))
    return []


def check_all(expected: list[tuple[str, Born]]) -> list[str]:
    """What is wrong with the objects at these keys."""

    def check(item: tuple[str, Born]) -> str | None:
        key, born = item
        try:
            found = OBJECTS.find(key)
        except LookupError as error:
            return f"LOST: {key}, from {born.key}: {error}"
        wanted = (born.key, born.etag, len(born.body))
        return None if found == wanted else f"{key} should be {wanted}, and is {found}"

    with ThreadPoolExecutor(THREADS) as pool:
        return [wrong for wrong in pool.map(check, expected) if wrong]


class Permute(Stage):
    # Submitting looks at every object first.
    longest = 3600

    def __init__(
        self, options: argparse.Namespace, folder: Path, servers: Servers, progress: Progress
    ) -> None:
        super().__init__(options, folder, servers, progress, [BUCKET])
        self.manifest = folder / "manifest.csv"
        self.made = permutation(options.shape, options.objects, options.same, options.seed)
        self.running: subprocess.Popen[bytes] | None = None
        self.kills = 0
        self.read: dict[Path, int] = {}
        self.recorded = 0
        self.choice = random.Random(f"permute/{options.seed}")

    def go(self) -> list[str]:
        made, count = self.made, len(self.made.objects)
        with self.progress.step(f"Creating {count:,} objects"):
            self.s3.create_bucket(Bucket=BUCKET)
            self.in_processes(put_all, made.objects)
        with self.manifest.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("source", "destination"))
            writer.writerows(
                (f"s3://{BUCKET}/{source}", f"s3://{BUCKET}/{destination}")
                for source, destination in made.rows.items()
            )
        said = self.rebucket("plan", str(self.manifest))
        self.progress.say(f"{made.paths} paths, {made.cycles} cycles\n{said}")
        how = {"run": self.carry_out_here, "queue": self.carry_out_from_the_queue}
        with self.progress.step(f"Renaming, by {self.options.mode}, {self.options.kills} kills"):
            how[self.options.mode]()
        with self.progress.step("Auditing"):
            return self.audit()

    def in_processes(self, work: Any, items: list[Any]) -> list[str]:
        pieces = [items[at : at + 1000] for at in range(0, len(items), 1000)]
        found: list[str] = []
        how = (Plain if self.options.simulator else Boto, self.s3_url, self.credentials)
        with ProcessPoolExecutor(PROCESSES, None, connect, how) as pool:
            for number, problems in enumerate(pool.map(work, pieces), start=1):
                found += problems
                self.progress.update(f"{min(number * 1000, len(items)):,} of {len(items):,}")
        return found

    # By `rebucket run`.

    def carry_out_here(self) -> None:
        moved = time.monotonic()
        while True:
            if self.running is None:
                self.start_run()
            ended = self.running.poll() if self.running else None
            if ended == 0:
                return
            if ended is not None:
                raise ChaosFailed(f"rebucket run ended with {ended}:\n{self.log_tail()}")
            if self.count_recorded():
                moved = time.monotonic()
            elif time.monotonic() > moved + STALL_SECONDS + WAITS:
                raise ChaosFailed(f"no progress:\n{self.log_tail()}")
            if self.is_time_to_kill():
                self.stop()
                self.kills += 1
            time.sleep(0.05)

    def start_run(self) -> None:
        argv = [str(self.programs["rebucket"]), "run", str(self.manifest), "--job", JOB]
        argv += ["--report", str(self.report), "--max-renames", str(self.options.max_renames)]
        with (self.folder / "run.log").open("ab") as log:
            self.running = subprocess.Popen(
                argv, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop(self) -> None:
        if self.running:
            self.running.kill()
            self.running.wait()
            self.running = None

    def log_tail(self) -> str:
        return (self.folder / "run.log").read_text(errors="replace")[-2000:]

    # By workers.

    def carry_out_from_the_queue(self) -> None:
        queue = ["--queue-url", self.queues.url, "--job", JOB, "--report", str(self.report)]
        self.progress.say(self.rebucket("submit", str(self.manifest), *queue))
        fleet, moved = self.fleet, time.monotonic()
        fleet.start()
        # Who completes a rename sends the next before acknowledging its own.
        while self.queues.unfinished() > 0:
            fleet.tend()
            if self.count_recorded():
                moved = time.monotonic()
            elif time.monotonic() > moved + STALL_SECONDS + WAITS:
                raise ChaosFailed(f"no progress, {self.queues.left()} left")
            if self.is_time_to_kill() and fleet.strike() == "SIGKILL":
                self.kills += 1
            time.sleep(0.05)
        fleet.retire()
        fleet.drain(STALL_SECONDS + WAITS)

    # Both.

    def is_time_to_kill(self) -> bool:
        step = len(self.made.rows) * SPREAD / max(1, self.options.kills)
        due = (self.kills + self.choice.random()) * step
        return self.kills < self.options.kills and self.recorded >= due

    def count_recorded(self) -> bool:
        """Counts the lines of the report; true when there are more than before."""
        before = self.recorded
        for path in (self.report / JOB).glob("*.jsonl"):
            with path.open("rb") as file:
                file.seek(self.read.get(path, 0))
                text = file.read()
            self.read[path] = self.read.get(path, 0) + len(text)
            self.recorded += text.count(b"\n")
        self.progress.update(
            f"{self.recorded:,} of {len(self.made.rows):,} recorded, {self.kills} kills"
        )
        return self.recorded > before

    def audit(self) -> list[str]:
        expected = self.made.expected()
        found = list(self.fleet.problems)
        if self.kills < self.options.kills:
            found.append(f"only {self.kills} of {self.options.kills} kills fell in time")
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        there = {item["Key"] for page in pages for item in page.get("Contents", [])}
        left = {key for key in there if key.startswith(SCRATCH)}
        hops = [key for key in left if key.startswith(SCRATCH[1])]
        found += [f"nobody put {key} there" for key in sorted(there - left - expected.keys())]
        found += self.in_processes(check_all, list(expected.items()))
        summary = json.loads(self.rebucket("report", str(self.report), "--format", "json"))
        done = summary["renamed"] + summary["already_renamed"]
        if not summary["submitted"] == done == len(self.made.rows):
            found.append(f"the report says {summary}")
        parked = Counter(reason for _, reason in self.queues.take_dead())
        rows = {
            "seed": self.options.seed,
            "renames": f"{len(self.made.rows):,}",
            "signals": ", ".join(f"{n} {what}" for what, n in sorted(self.signals().items())),
            "report": ", ".join(f"{summary[name]:,} {name}" for name in summary if name != "by_reason"),
            "dead letters": ", ".join(f"{n} {reason}" for reason, n in parked.items()) or "0",
            "scratch left": f"{len(left)}, of these {len(hops)} at temporary keys, by killed processes",
            "lost": sum("LOST" in problem for problem in found),
            "violations": len(found),
        }
        for name, value in rows.items():
            self.progress.say(f"{name:<20} {value}")
        return found

    def signals(self) -> Counter[str]:
        return self.fleet.events or Counter({"SIGKILL": self.kills})

    def stop_all(self) -> None:
        self.stop()
        self.fleet.stop_all()


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mode", choices=["run", "queue"], default="run")
    parser.add_argument("--shape", choices=["random", "shift", "swaps"], default="random",
                        help="paths and cycles at random; one path; pairs that change places")
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--same", type=float, default=0.3, help="share with one of five contents")
    parser.add_argument("--kills", type=int, default=20, help="SIGKILLs while there is work")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--simulator", action="store_true", help="in place of the servers")
    parser.add_argument("--profile", choices=["debug", "release"], default="debug")
    parser.add_argument("--max-renames", type=int, default=32, help="of each process")
    parser.add_argument("--visibility-timeout", type=int, default=10, help="in seconds, from 4")
    return parser.parse_args(arguments)


@contextmanager
def servers_for(folder: Path, options: argparse.Namespace) -> Iterator[Servers]:
    """The servers of a stage, or the simulator under their names."""
    if not options.simulator:
        with running_servers(folder, ("weed", "ministack")) as servers:
            yield servers
        return
    with running_simulator(folder, options.profile) as one:
        both = {"weed": one.by_name["s3"], "ministack": one.by_name["sqs"]}
        yield Servers(both, one.credentials)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    exit_on_sigterm()
    isolate_this_process()
    started, progress = time.monotonic(), Progress()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rebucket-permute-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            servers = stack.enter_context(servers_for(folder, options))
            permute = Permute(options, folder, servers, progress)
            stack.callback(permute.stop_all)
            found = permute.go()
        except (ChaosFailed, ServerError, TimeoutError) as error:
            print(f"\nFAILED: {error}", file=sys.stderr)
            return 1
    seconds = time.monotonic() - started
    if found:
        what = f"{len(found)} violations:\n{shown(found)}"
        print(f"\nFAILED in {seconds:.0f} s, {what}", file=sys.stderr)
        return 1
    print(f"\nHELD in {seconds:.0f} s: every object is where the permutation takes it.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
