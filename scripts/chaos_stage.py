"""What renaming under kills takes, whatever is renamed: servers' clients, a queue
pair, the programs as they are now, a fleet; and the end of a run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from binaries import binary
from chaos_fleet import Fleet, Settings
from clients import aws_environment, client
from demo_proof import THREADS
from demo_workers import Queues
from progress import Progress
from servers import Servers

# The queue's own limit must not end a task: deliveries are spent on kills.
MAX_RECEIVES = 1000
# Kills are spread over this share of the tasks; the rest is for the last ones.
SPREAD = 0.85
# No progress at all for so long is a failure.
STALL_SECONDS = 120
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


class Stage:
    # In seconds, for a command that is waited for.
    longest = 600

    def __init__(
        self,
        options: argparse.Namespace,
        folder: Path,
        servers: Servers,
        progress: Progress,
        buckets: Sequence[str],
    ) -> None:
        self.options, self.folder, self.progress = options, folder, progress
        self.report = folder / "report"
        self.credentials = servers.credentials
        self.s3_url, sqs_url = servers.url("weed"), servers.url("ministack")
        self.env = aws_environment(self.credentials, self.s3_url, sqs_url)
        self.s3 = client("s3", self.s3_url, self.credentials, max_pool_connections=2 * THREADS)
        self.queues = ChaosQueues(client("sqs", sqs_url, self.credentials))
        self.programs = {name: self.copied(name) for name in ("rebucket", "rebucket-worker")}
        settings = Settings(
            program=self.programs["rebucket-worker"],
            queue_url=self.queues.url,
            report=self.report,
            folder=folder,
            env=self.env,
            visibility=options.visibility_timeout,
            max_renames=options.max_renames,
            buckets=buckets,
        )
        self.fleet = Fleet(settings, options.workers, options.seed)

    def copied(self, name: str) -> Path:
        """A program as it is now: a build during the run must not change it."""
        return Path(shutil.copy2(binary(name, self.options.profile), self.folder / name))

    def rebucket(self, *arguments: str) -> str:
        """Run `rebucket` and give its output; a report of failed renames ends with 1."""
        done = subprocess.run(
            [str(self.programs["rebucket"]), *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=self.longest,
        )
        allowed = (0, 1) if arguments[0] == "report" else (0,)
        if done.returncode not in allowed:
            said = done.stderr.decode(errors="replace")[-2000:]
            raise ChaosFailed(f"rebucket {arguments[0]} ended with {done.returncode}:\n{said}")
        return done.stdout.decode()


def shown(problems: list[str]) -> str:
    more = len(problems) - SHOWN
    return "\n".join([*problems[:SHOWN], *([f"and {more} more"] if more > 0 else [])])
