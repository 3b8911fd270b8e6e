"""The project's own simulator of S3 and SQS, started for one run.

It holds everything in memory and answers many times faster than a server that
writes: for what takes millions of objects or messages.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from binaries import binary
from clients import Credentials
from servers import Server, ServerError, Servers, stop_all

READY_SECONDS = 10


@contextmanager
def running_simulator(folder: Path, profile: str) -> Iterator[Servers]:
    """Start it, wait until it listens, stop it at the end. It is two servers, `s3` and `sqs`,
    that are one process, and takes any credentials."""
    ready, log = folder / "simulator", folder / "simulator.log"
    command = [str(binary("rebucket-sim", profile)), "--ready-file", str(ready)]
    ports = [f"--{name}-port=0" for name in ("s3", "sqs", "admin")]
    with log.open("wb") as output:
        # In a group of its own: a Ctrl-C in the terminal reaches only us.
        child = subprocess.Popen(
            [*command, *ports], stdout=output, stderr=output, start_new_session=True
        )
    try:
        urls = dict(line.split() for line in wait_for(ready, child).splitlines())
        both = {name: Server(name, urls[name], child, log, ()) for name in ("s3", "sqs")}
        yield Servers(both, Credentials("any", "any"))
    finally:
        stop_all([Server("simulator", "", child, log, ())])


def wait_for(ready: Path, child: subprocess.Popen) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        if ready.exists() and (text := ready.read_text()).endswith("\n"):
            return text
        time.sleep(0.02)
    raise ServerError("the simulator did not start")
