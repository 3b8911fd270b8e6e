"""Worker processes that are killed, ended and frozen while they work.

Three things happen to a worker, at random, by the seed: SIGKILL (most), SIGTERM,
and SIGSTOP for longer than its leases last, then SIGCONT, so that it wakes up
holding messages that others have. A worker that is gone is started again at once.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos_objects import MULTIPART_THRESHOLD, PART_SIZE
from demo_workers import Worker
from servers import HOST, free_ports

GRACE_SECONDS = 2
# From SIGTERM to the process's end: the grace, and handing back after it.
END_SECONDS = GRACE_SECONDS + 20
# A worker that has done nothing yet is chosen only so often.
FRESH = 0.1
# Of all events; the rest are SIGKILLs.
TERM_SHARE, FREEZE_SHARE = 0.06, 0.06


@dataclass
class Settings:
    program: Path
    queue_url: str
    report: Path
    folder: Path
    env: dict[str, str]
    visibility: int
    max_renames: int
    buckets: Sequence[str]


@dataclass
class Slot:
    """One place in the fleet, taken by one process after the other."""

    name: str
    port: int
    log: Path
    worker: Worker
    frozen_until: float = 0.0
    asked_to_end: float = 0.0

    @property
    def frozen(self) -> bool:
        return self.frozen_until > 0

    @property
    def is_target(self) -> bool:
        return not self.frozen and not self.asked_to_end and self.worker.running()


@dataclass
class Fleet:
    settings: Settings
    count: int
    seed: int
    slots: list[Slot] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._choice = random.Random(f"fleet/{self.seed}")

    def start(self) -> None:
        for number, port in enumerate(free_ports(self.count), start=1):
            name = f"worker-{number}"
            log = self.settings.folder / f"{name}.log"
            self.slots.append(Slot(name, port, log, self._launch(name, port, log)))

    def strike(self) -> str | None:
        """Do one thing to one worker; gives what, or nothing when none has worked yet."""
        targets = [slot for slot in self.slots if slot.is_target]
        if self._choice.random() > FRESH:
            targets = [slot for slot in targets if slot.worker.has_renamed()]
        if not targets:
            return None
        slot, lot = self._choice.choice(targets), self._choice.random()
        awake = sum(not slot.frozen for slot in self.slots)
        if lot < TERM_SHARE:
            slot.worker.process.send_signal(signal.SIGTERM)
            slot.asked_to_end = time.monotonic()
            event = "SIGTERM"
        elif lot < TERM_SHARE + FREEZE_SHARE and awake > 1:
            slot.worker.process.send_signal(signal.SIGSTOP)
            over = self._choice.uniform(1.2, 2.0) * self.settings.visibility
            slot.frozen_until = time.monotonic() + over
            event = "SIGSTOP"
        else:
            slot.worker.kill()
            self._restart(slot)
            event = "SIGKILL"
        self.events[event] += 1
        return event

    def tend(self) -> None:
        """Wake those whose time has come, and start again what has ended."""
        now = time.monotonic()
        for slot in self.slots:
            if slot.frozen and now >= slot.frozen_until:
                self._thaw(slot)
            if not slot.worker.running():
                self._check_end(slot)
                self._restart(slot)
            elif slot.asked_to_end and now > slot.asked_to_end + END_SECONDS:
                self.problems.append(f"{slot.name} did not end within {END_SECONDS} s of SIGTERM")
                slot.worker.kill()
                self._restart(slot)

    def retire(self) -> None:
        """End every worker in good order."""
        for slot in self.slots:
            if slot.frozen:
                self._thaw(slot)
            if slot.worker.running():
                slot.worker.process.send_signal(signal.SIGTERM)
                slot.asked_to_end = time.monotonic()
        for slot in self.slots:
            try:
                slot.worker.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.problems.append(f"{slot.name} did not end within {END_SECONDS} s of SIGTERM")
                slot.worker.kill()
            else:
                self._check_end(slot)

    def stop_all(self) -> None:
        """Leave no process behind, whatever state it is in."""
        for slot in self.slots:
            if slot.worker.running():
                slot.worker.kill()

    def drain(self, seconds: float) -> None:
        """Let one last worker finish what is left, undisturbed."""
        (port,) = free_ports(1)
        log = self.settings.folder / "worker-last.log"
        worker = self._launch("worker-last", port, log, "--exit-when-empty")
        self.slots.append(Slot("worker-last", port, log, worker))
        try:
            code = worker.process.wait(seconds)
        except subprocess.TimeoutExpired:
            worker.kill()
            raise TimeoutError(
                f"the last worker did not drain the queue within {seconds:.0f} s; "
                f"its log ends:\n{worker.log_tail()}"
            ) from None
        if code != 0:
            self.problems.append(f"the last worker ended with {code}:\n{worker.log_tail()}")

    def _thaw(self, slot: Slot) -> None:
        slot.worker.process.send_signal(signal.SIGCONT)
        slot.frozen_until = 0.0
        self.events["SIGCONT"] += 1

    def _check_end(self, slot: Slot) -> None:
        """Only a worker that was told to may end, and then with 0."""
        code = slot.worker.process.returncode
        if not slot.asked_to_end or code != 0:
            told = "after SIGTERM" if slot.asked_to_end else "unasked"
            self.problems.append(
                f"{slot.name} ended {told} with code {code}; its log ends:\n"
                f"{slot.worker.log_tail()}"
            )

    def _restart(self, slot: Slot) -> None:
        slot.frozen_until = slot.asked_to_end = 0.0
        slot.worker = self._launch(slot.name, slot.port, slot.log)

    def _launch(self, name: str, port: int, log: Path, *more: str) -> Worker:
        settings, address = self.settings, f"{HOST}:{port}"
        argv = [str(settings.program), "--queue-url", settings.queue_url]
        for bucket in settings.buckets:
            argv += ["--allow", f"s3://{bucket}/"]
        argv += ["--report", str(settings.report), "--metrics-addr", address, *more]
        argv += ["--visibility-timeout", f"{settings.visibility}s"]
        argv += ["--grace", f"{GRACE_SECONDS}s", "--max-renames", str(settings.max_renames)]
        argv += ["--multipart-threshold", MULTIPART_THRESHOLD, "--part-size", PART_SIZE]
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                env={**settings.env, "RUST_LOG": "warn"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C must leave the order of ends to us
            )
        self.starts += 1
        return Worker(name, process, log, f"http://{address}/metrics")
