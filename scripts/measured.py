"""Commands that are timed by themselves: seconds, processor seconds, peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
# Kept of what a command prints.
TAIL_BYTES = 64 * 1024


class BenchFailed(Exception):
    """A run that did not do its work: its time would mean nothing."""


@dataclass(frozen=True)
class Measured:
    seconds: float
    # Of the command and all its children: what does not change when others
    # use the machine too.
    cpu_seconds: float
    # Of its largest process.
    peak_mib: float
    output: str


def measured(command: list[str], log: Path, env: dict[str, str]) -> Measured:
    """Runs a command to its end."""
    with log.open("wb") as output:
        started = time.monotonic()
        child = subprocess.Popen(command, env=env, stdout=output, stderr=output)
        # The usage of this child alone, unlike getrusage's.
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    with log.open("rb") as output:
        output.seek(max(0, log.stat().st_size - TAIL_BYTES))
        said = output.read().decode(errors="replace")
    if child.returncode != 0:
        raise BenchFailed(f"{command[0]} ended with {child.returncode}: {said[-2000:]}")
    # Kilobytes on Linux, bytes on macOS.
    peak = usage.ru_maxrss / (MIB if sys.platform == "darwin" else 1024)
    return Measured(seconds, usage.ru_utime + usage.ru_stime, peak, said)
