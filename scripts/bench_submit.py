"""How fast `rebucket submit` is, beside a bare SDK loop; `make bench-submit` runs it.

In turns, on the same server, with the same messages, in batches of ten, as many
at once (64):

  bare     a loop around the SDK's SendMessageBatch, and no more
           (tests/examples/bare_send.rs). Its messages are made before the
           clock starts, and it keeps no account of what has arrived
  submit   `rebucket submit` of a plan, from its start to its end: reading and
           checking the plan, looking at the queue, the wait of up to a second
           for the time that the messages name, sending with a checkpoint

The servers are MiniStack and the project's own simulator. Both run on the same
cores as their client; the processor seconds say which of the two was slow.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from binaries import binary, binary_folder
from clients import Credentials, aws_environment, client, isolate_this_process
from measured import BenchFailed, Measured, measured
from servers import ServerError, exit_on_sigterm, running_servers
from simulator import running_simulator


@dataclass
class Server:
    name: str
    url: str
    pid: int
    credentials: Credentials


@dataclass
class Results:
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    server_cpu: list[float] = field(default_factory=list)


class Bench:
    def __init__(self, server: Server, plan: Path, messages: int, at_once: int) -> None:
        self.server = server
        self.plan = plan
        self.messages = messages
        self.at_once = at_once
        self.env = aws_environment(server.credentials, server.url, server.url)
        self.sqs = client("sqs", server.url, server.credentials)
        self.results = {"bare": Results(), "submit": Results()}

    def run(self, tool: str, turn: int) -> None:
        queue, dead = self.make_queues(f"{tool}-{turn}")
        before = cpu_seconds(self.server.pid)
        log = self.plan.with_suffix(".log")
        if tool == "bare":
            program = str(binary("examples/bare_send", "release"))
            done = measured([program, str(self.plan), queue, str(self.at_once)], log, self.env)
            seconds = json.loads(done.output)["seconds"]
        else:
            done = self.submit(queue, log)
            seconds = done.seconds
        self.check(queue)
        results = self.results[tool]
        results.rates.append(self.messages / seconds)
        results.cpu.append(done.cpu_seconds)
        results.server_cpu.append(cpu_seconds(self.server.pid) - before)
        print(f"    {tool:<7} {results.rates[-1]:9,.0f} messages a second", flush=True)
        # The server has the memory back before the next run.
        for url in (queue, dead):
            self.sqs.delete_queue(QueueUrl=url)

    def submit(self, queue: str, log: Path) -> Measured:
        checkpoint = self.plan.with_suffix(".checkpoint")
        checkpoint.unlink(missing_ok=True)
        command = [str(binary("rebucket", "release")), "submit", str(self.plan),
                   "--queue-url", queue, "--checkpoint", str(checkpoint),
                   "--max-sends", str(self.at_once), "--yes",
                   # The same bodies, byte for byte but for the time.
                   "--job", "bench"]
        return measured(command, log, self.env)

    def make_queues(self, name: str) -> tuple[str, str]:
        dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": "5"}
        attributes = {"RedrivePolicy": json.dumps(policy)}
        queue = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return queue, dead

    def check(self, queue: str) -> None:
        name = "ApproximateNumberOfMessages"
        answer = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])
        found = int(answer["Attributes"][name])
        if found != self.messages:
            raise BenchFailed(f"the queue has {found} messages instead of {self.messages}")

    def report(self) -> None:
        print(f"\n{self.server.name}: {self.messages:,} messages, {self.at_once} batches at once; "
              "medians")
        print(f"{'':<7} {'messages a second':>18} {'its CPU s':>10} {'server CPU s':>13}")
        for tool, results in self.results.items():
            rate, cpu, server = map(
                statistics.median, (results.rates, results.cpu, results.server_cpu))
            print(f"{tool:<7} {rate:18,.0f} {cpu:10.2f} {server:13.2f}")
        bare, submit = (statistics.median(self.results[tool].rates) for tool in ("bare", "submit"))
        print(f"submit sends {submit / bare:.0%} of what the bare loop does\n", flush=True)


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors, on Linux; elsewhere nothing is known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def ministack(folder: Path) -> Iterator[Server]:
    with running_servers(folder, ("ministack",)) as servers:
        running = servers.by_name["ministack"]
        yield Server("MiniStack", running.url, running.process.pid, servers.credentials)


@contextmanager
def simulator(folder: Path) -> Iterator[Server]:
    with running_simulator(folder, "release") as servers:
        running = servers.by_name["sqs"]
        yield Server("simulator", running.url, running.process.pid, servers.credentials)


SERVERS = {"ministack": ministack, "simulator": simulator}


def make_plan(folder: Path, messages: int) -> Path:
    generate = binary_folder("release") / "examples" / "bench_plan"
    manifest, plan = folder / "manifest.csv", folder / f"{messages}.plan"
    subprocess.run([generate, "generate", manifest, str(messages), "0"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([binary("rebucket", "release"), "plan", manifest, "--out", plan], check=True,
                   stdout=subprocess.DEVNULL)
    return plan


def main() -> None:
    def number(text: str) -> int:
        return int(float(text))

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ministack", type=number, default=200_000, metavar="MESSAGES",
                        help="messages for MiniStack; 0 leaves it out")
    parser.add_argument("--simulator", type=number, default=500_000, metavar="MESSAGES",
                        help="messages for the simulator; 0 leaves it out")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=64, help="batches in flight at most")
    args = parser.parse_args()
    exit_on_sigterm()
    isolate_this_process()
    folder = Path(tempfile.mkdtemp(prefix="rebucket-bench-submit-"))
    try:
        for name, start in SERVERS.items():
            messages = getattr(args, name)
            if messages == 0:
                continue
            plan = make_plan(folder, messages)
            with start(folder) as server:
                bench = Bench(server, plan, messages, args.at_once)
                for turn in range(args.turns):
                    print(f"{server.name}, turn {turn + 1} of {args.turns}", flush=True)
                    for tool in bench.results:
                        bench.run(tool, turn)
                bench.report()
    except (BenchFailed, ServerError, FileNotFoundError) as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
