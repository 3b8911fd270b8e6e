"""What the chaos run renames: objects of every kind, each with the end that it must come to.

Everything follows from the seed. Headers, metadata, tags and awkward keys are
the demo's; sizes are smaller, so that 20,000 objects fit on a small disk.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from demo_objects import (
    EXTENSIONS,
    KIB,
    MIB,
    PIECES,
    DemoObject,
    Location,
    create_object,
    plan_headers,
    plan_metadata,
    plan_tags,
)

JOB = "chaos"
BUCKETS = ("rebucket-chaos-a", "rebucket-chaos-b")
# Renames stay inside it, and leave a delete marker at the old key.
VERSIONED = "rebucket-chaos-versions"
ALL_BUCKETS = (*BUCKETS, VERSIONED)
# Workers copy in parts above the threshold; a part has at least 5 MiB.
MULTIPART_THRESHOLD = "128KiB"
PART_SIZE = "5MiB"
SCRATCH = ".rebucket/"
# What the external writer adds, in no row of the manifest.
OUTSIDE = "outside/"
# Indices from here on make bytes that no task's source has.
OTHER_BYTES = 10_000_000
# An ETag that no object has.
WRONG_ETAG = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Case:
    """A kind of task, and how it must end."""

    name: str
    # Of 1,000 tasks.
    share: int
    outcomes: tuple[str, ...]
    reason: str | None = None
    if_exists: str = ""
    has_source: bool = True
    # Another object lies at the destination already.
    blocked: bool = False

    @property
    def moves(self) -> bool:
        return "renamed" in self.outcomes


DONE = ("renamed", "already_renamed")
PLAIN = Case("plain", 860, DONE)
PINNED = Case("pinned", 60, DONE)
IN_VERSIONED = Case("versioned", 30, DONE)
CASES = (
    PLAIN,
    PINNED,
    IN_VERSIONED,
    Case("overwrite", 15, DONE, if_exists="overwrite", blocked=True),
    Case("skip", 15, ("skipped",), "destination_exists", "skip", blocked=True),
    Case("conflict", 10, ("failed",), "destination_exists", blocked=True),
    Case("missing", 5, ("failed",), "source_missing", has_source=False),
    Case("changed", 5, ("failed",), "source_changed"),
)


@dataclass(frozen=True)
class Task:
    """One row of the manifest."""

    item: DemoObject
    case: Case

    @property
    def id(self) -> str:
        return f"{JOB}/{self.item.index + 1:012}"

    @property
    def blocker(self) -> DemoObject | None:
        """The object that lies at the destination beforehand."""
        if not self.case.blocked:
            return None
        return replace(
            self.item,
            index=OTHER_BYTES + self.item.index,
            source=self.item.destination,
            size=self.item.size % 4096 + 1,
            metadata={"who": "was here before"},
            tags={},
        )


def plan_tasks(count: int, seed: int) -> list[Task]:
    return [plan_task(index, seed) for index in range(count)]


def plan_task(index: int, seed: int) -> Task:
    choice = random.Random(f"chaos/{seed}/{index}")
    case = choice.choices(CASES, [case.share for case in CASES])[0]
    extension = choice.choice(list(EXTENSIONS))
    piece, other = choice.choice(PIECES), choice.choice(PIECES)
    if case is IN_VERSIONED:
        here = there = VERSIONED
    else:
        here = BUCKETS[index % 2]
        there = here if choice.random() < 0.7 else BUCKETS[1 - index % 2]
    item = DemoObject(
        index=index,
        source=Location(here, f"in/{piece}/{index:06d} {other}{extension}"),
        destination=Location(there, f"out/{index % 97:02d}/{other}/{piece}-{index}{extension}"),
        size=plan_size(choice, case),
        # Always a type, and none that a server would guess from the key: a lost
        # one must not come back by itself.
        headers=plan_headers(f"application/x-chaos-{index % 9}", choice),
        metadata=plan_metadata(index, choice),
        tags=plan_tags(choice) if choice.random() < 0.3 else {},
    )
    return Task(item, case)


def plan_size(choice: random.Random, case: Case) -> int:
    """Mostly small; 3 in 100 are copied as an upload, 1 in 1,000 in several parts."""
    lot = choice.random()
    if lot < 0.001 and case.moves:
        return choice.randint(5 * MIB + 1, 11 * MIB)
    if lot < 0.03:
        return choice.randint(128 * KIB + 1, 256 * KIB)
    if lot < 0.05:
        return choice.randint(0, 1)
    return choice.randint(2, 6 * KIB)


def make_buckets(s3: Any) -> None:
    for bucket in ALL_BUCKETS:
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})


def create(s3: Any, task: Task) -> dict[str, str]:
    """Put what a task needs; gives the SHA-256 of what was sent, by its key's URI."""
    made = [task.item] if task.case.has_source else []
    if task.blocker:
        made.append(task.blocker)
    return {item.source.uri: create_object(s3, item) for item in made}


def write_manifest(path: Path, tasks: list[Task], etags: dict[int, str]) -> None:
    """The CSV of renames; `etags` are the pins by index."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["source", "destination", "etag", "size", "if_exists"])
        for task in tasks:
            item, etag = task.item, etags.get(task.item.index, "")
            size = str(item.size) if etag else ""
            row = [item.source.uri, item.destination.uri, etag, size, task.case.if_exists]
            rows.writerow(row)
