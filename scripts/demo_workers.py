"""The demo's queue pair and worker processes."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo_objects import BUCKETS, MULTIPART_THRESHOLD, PART_SIZE
from servers import HOST

# Short, so that what the killed worker held comes back soon.
VISIBILITY = "10s"
STATES = {
    "visible": "ApproximateNumberOfMessages",
    "in flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


class Queues:
    """The work queue and its dead-letter queue."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        dead = sqs.create_queue(QueueName="rebucket-demo-dead")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        redrive = {
            "deadLetterTargetArn": attributes["Attributes"]["QueueArn"],
            "maxReceiveCount": "5",
        }
        work = sqs.create_queue(
            QueueName="rebucket-demo",
            Attributes={"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "30"},
        )["QueueUrl"]
        self.url = work
        self._urls = {"queue": work, "dead-letter queue": dead}

    def counts(self) -> dict[str, dict[str, int]]:
        return {name: self._count(url) for name, url in self._urls.items()}

    def left(self) -> dict[str, int]:
        """The messages of the work queue that are not acknowledged yet, by state."""
        return self._count(self.url)

    def _count(self, url: str) -> dict[str, int]:
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=list(STATES.values())
        )["Attributes"]
        return {state: int(attributes[name]) for state, name in STATES.items()}


@dataclass
class Worker:
    name: str
    process: subprocess.Popen
    log: Path
    metrics_url: str

    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL: no warning, no clean-up, as a lost machine would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def log_tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def metrics(self) -> list[str]:
        """The samples of rebucket's own metrics; empty when it does not answer."""
        try:
            with urllib.request.urlopen(self.metrics_url, timeout=5) as answer:
                text = answer.read().decode()
        except (OSError, urllib.error.URLError):
            return []
        return [line for line in text.splitlines() if line.startswith("rebucket_")]

    def has_renamed(self) -> bool:
        return any(
            sample.startswith("rebucket_renames_total") and sample_value(sample) > 0
            for sample in self.metrics()
        )


def start_worker(
    name: str,
    program: Path,
    port: int,
    queue_url: str,
    report: Path,
    log: Path,
    env: dict[str, str],
) -> Worker:
    address = f"{HOST}:{port}"
    argv = [str(program), "--queue-url", queue_url]
    for bucket in BUCKETS:
        argv += ["--allow", f"s3://{bucket}/"]
    argv += ["--report", str(report), "--metrics-addr", address, "--exit-when-empty"]
    argv += ["--visibility-timeout", VISIBILITY]
    argv += ["--multipart-threshold", MULTIPART_THRESHOLD, "--part-size", PART_SIZE]
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C must leave the order of ends to us
        )
    return Worker(name, process, log, f"http://{address}/metrics")


def sample_value(sample: str) -> float:
    return float(sample.rpartition(" ")[2])


def telling(samples: list[str], most: int = 8) -> list[str]:
    """A few samples to show: counted things first, no zeros, no histogram buckets."""
    shown = [s for s in samples if "_bucket{" not in s and sample_value(s) != 0]
    shown.sort(key=lambda sample: "_total" not in sample)  # stable: keeps the endpoint's order
    by_metric: dict[str, list[str]] = {}
    for sample in shown:
        by_metric.setdefault(sample.partition("{")[0].partition(" ")[0], []).append(sample)
    # One sample of each metric before a second one of any.
    ranked = sorted(
        (rank, order, sample)
        for order, group in enumerate(by_metric.values())
        for rank, sample in enumerate(group)
    )
    return [sample for _, _, sample in ranked[:most]]
