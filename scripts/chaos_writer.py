"""Somebody else who uses the buckets while objects in them are renamed.

It puts objects back under old keys, bytes and properties the same, once their
rename is recorded, and new ones at keys that no row names. None of them is
rebucket's to touch.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaos_objects import BUCKETS, JOB, OTHER_BYTES, OUTSIDE, PINNED, PLAIN, Task
from demo_objects import MIB, DemoObject, Location, create_object

PAUSE_SECONDS = 0.25
# Of all tasks, how many get their old key taken again.
MOST_SHARE = 0.02


class ReportTail:
    """Reads what the workers append to their report files, whole lines only."""

    def __init__(self, report: Path) -> None:
        self._folder = report / JOB
        self._read: dict[Path, int] = {}

    def new_lines(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                whole = file.read().rpartition(b"\n")[0]
            if whole:
                self._read[path] = self._read.get(path, 0) + len(whole) + 1
                lines += [json.loads(line) for line in whole.splitlines()]
        return lines


class Writer(threading.Thread):
    """`put_back` and `added` are what it wrote, for the audit."""

    def __init__(self, s3: Any, tasks: list[Task], report: Path, seed: int) -> None:
        super().__init__(name="writer", daemon=True)
        self.put_back: dict[int, str] = {}
        self.added: dict[str, tuple[DemoObject, str]] = {}
        self.error: Exception | None = None
        self._s3 = s3
        self._by_id = {task.id: task for task in tasks}
        self._tail = ReportTail(report)
        self._most = max(3, int(len(tasks) * MOST_SHARE))
        self._choice = random.Random(f"writer/{seed}")
        self._renamed: list[Task] = []
        self._enough = threading.Event()

    def run(self) -> None:
        try:
            while not self._enough.wait(PAUSE_SECONDS):
                self._look()
                self._write()
        except Exception as error:
            self.error = error

    def finish(self) -> None:
        self._enough.set()
        self.join(30)

    def _look(self) -> None:
        """Only what the first delivery renamed: no other worker can hold an older one,
        frozen before its delete. (That window is real, and in docs/SEMANTICS.md.)
        """
        for line in self._tail.new_lines():
            task = self._by_id[line["task"]]
            simple = task.case in (PLAIN, PINNED) and task.item.size < MIB
            if line["outcome"] == "renamed" and line["attempts"] == 1 and simple:
                self._renamed.append(task)

    def _write(self) -> None:
        if self._renamed and len(self.put_back) < self._most:
            # The latest, whose message may not be acknowledged yet, or any.
            fresh = self._choice.random() < 0.5
            at = len(self._renamed) - 1 if fresh else self._choice.randrange(len(self._renamed))
            task = self._renamed.pop(at)
            self.put_back[task.item.index] = create_object(self._s3, task.item)
        if len(self.added) < self._most:
            item = self._outside(len(self.added))
            self.added[item.source.uri] = (item, create_object(self._s3, item))

    def _outside(self, number: int) -> DemoObject:
        like = self._by_id[f"{JOB}/{number % len(self._by_id) + 1:012}"].item
        bucket = BUCKETS[number % len(BUCKETS)]
        # Half of them among the new names.
        folder = f"out/{number % 97:02d}/" if number % 2 else ""
        key = f"{folder}{OUTSIDE}{number} {time.time_ns()}"
        return replace(
            like,
            index=2 * OTHER_BYTES + number,
            source=Location(bucket, key),
            size=like.size % 4096,
        )
