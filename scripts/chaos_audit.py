"""The audit after the chaos, by boto3 alone: nothing of rebucket's own code takes part.

Each check gives the violations that it found, as text.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos_objects import ALL_BUCKETS, JOB, SCRATCH, VERSIONED, Task
from demo_objects import MIB, DemoObject, Location
from demo_proof import OUTCOMES, in_parallel

HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "StorageClass",
    "WebsiteRedirectLocation",
)
# Of one in so many objects the tags are asked for in any case.
SAMPLE = 8
# What a crashed worker may leave under the scratch prefix (docs/SEMANTICS.md).
SCRATCH_KINDS = ("probe-", "proof/")


@dataclass(frozen=True)
class Expected:
    """An object that must be there: as `item` describes it, with these bytes."""

    at: Location
    item: DemoObject
    sha256: str


@dataclass
class Left:
    """What is left that killed workers may leave."""

    scratch: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    markers: int = 0


def expected_objects(
    tasks: list[Task],
    sent: dict[str, str],
    put_back: dict[int, str],
    added: dict[str, tuple[DemoObject, str]],
) -> list[Expected]:
    found = []
    for task in tasks:
        item, case = task.item, task.case
        if case.has_source:
            at = item.destination if case.moves else item.source
            found.append(Expected(at, item, sent[item.source.uri]))
        if task.blocker and not case.moves:
            found.append(Expected(item.destination, task.blocker, sent[item.destination.uri]))
        if item.index in put_back:
            found.append(Expected(item.source, item, put_back[item.index]))
    found += [Expected(item.source, item, sha256) for item, sha256 in added.values()]
    return found


def default_headers(s3: Any) -> dict[str, Any]:
    """What the server shows of an object that was sent without any header but its type."""
    where = {"Bucket": ALL_BUCKETS[0], "Key": "without-headers"}
    s3.put_object(**where, Body=b"x", ContentType="text/plain")
    head = s3.head_object(**where)
    s3.delete_object(**where)
    return {name: head[name] for name in HEADERS if name in head}


def check_objects(
    s3: Any, expected: list[Expected], defaults: dict[str, Any], progress: Callable[[int], None]
) -> list[str]:
    """Every object is where it must be, with its bytes and properties."""

    def check(one: Expected) -> list[str]:
        where = {"Bucket": one.at.bucket, "Key": one.at.key}
        try:
            got = s3.get_object(**where)
            digest = hashlib.sha256()
            for chunk in got["Body"].iter_chunks(MIB):
                digest.update(chunk)
            tags = {}
            # The answer counts them; now and then that is not relied on.
            if got.get("TagCount") or one.item.tags or one.item.index % SAMPLE == 0:
                listed = s3.get_object_tagging(**where)["TagSet"]
                tags = {tag["Key"]: tag["Value"] for tag in listed}
        except s3.exceptions.ClientError as error:
            return [f"LOST {one.at.uri}: {error}"]
        return [
            f"{one.at.uri}: {problem}"
            for problem in differences(one, got, digest.hexdigest(), tags, defaults)
        ]

    return [problem for found in in_parallel(check, expected, progress) for problem in found]


def differences(
    one: Expected, got: dict[str, Any], sha256: str, tags: dict[str, str], defaults: dict[str, Any]
) -> list[str]:
    item = one.item
    wanted = {**defaults, **item.headers}
    found = []
    if sha256 != one.sha256:
        found.append(f"LOST the bytes: {got['ContentLength']} of them, {item.size} were sent")
    for name in HEADERS:
        if got.get(name) != wanted.get(name):
            found.append(f"{name} was {wanted.get(name)!r}, is {got.get(name)!r}")
    if got["Metadata"] != item.metadata:
        found.append(f"metadata was {item.metadata!r}, is {got['Metadata']!r}")
    if tags != item.tags:
        found.append(f"tags were {item.tags!r}, are {tags!r}")
    return found


def check_listing(s3: Any, expected: list[Expected], left: Left) -> list[str]:
    """The buckets hold these objects and nothing else."""
    found = []
    for bucket in ALL_BUCKETS:
        wanted = {one.at.key for one in expected if one.at.bucket == bucket}
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        listed = set(keys)
        if len(keys) != len(listed):
            found.append(f"s3://{bucket}: a key is listed twice")
        leftover = {key for key in listed - wanted if is_scratch(key)}
        left.scratch += [f"s3://{bucket}/{key}" for key in sorted(leftover)]
        found += [f"s3://{bucket}/{key}: not listed" for key in sorted(wanted - listed)]
        extra = sorted(listed - wanted - leftover)
        found += [f"s3://{bucket}/{key}: should not be there" for key in extra]
        pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        uploads = [upload["Key"] for page in pages for upload in page.get("Uploads", [])]
        left.uploads += [f"s3://{bucket}/{key}" for key in uploads]
    return found


def is_scratch(key: str) -> bool:
    rest = key.removeprefix(SCRATCH)
    return rest != key and rest.startswith(SCRATCH_KINDS)


def check_versions(s3: Any, tasks: list[Task], left: Left) -> list[str]:
    """In the versioned bucket: the old version behind a delete marker, one new version."""
    versions: Counter[str] = Counter()
    markers: Counter[str] = Counter()
    hidden: set[str] = set()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=VERSIONED):
        versions.update(entry["Key"] for entry in page.get("Versions", []))
        for entry in page.get("DeleteMarkers", []):
            markers[entry["Key"]] += 1
            if entry["IsLatest"]:
                hidden.add(entry["Key"])
    found = []
    for item in (task.item for task in tasks if task.item.source.bucket == VERSIONED):
        old, new = item.source.key, item.destination.key
        if versions[old] != 1 or old not in hidden:
            found.append(
                f"{item.source.uri}: {versions[old]} versions, {markers[old]} delete markers, "
                f"{'hidden' if old in hidden else 'not hidden'}"
            )
        if versions[new] != 1 or markers[new]:
            found.append(
                f"{item.destination.uri}: {versions[new]} versions, {markers[new]} delete markers"
            )
        left.markers += max(0, markers[old] - 1)
    return found


def check_report(
    summary: dict[str, Any], outcomes: list[dict[str, Any]], tasks: list[Task]
) -> list[str]:
    """Exactly one outcome a task, each the one that it must have, and right sums."""
    found = []
    by_id = {task.id: task for task in tasks}
    ends = Counter(str(line["outcome"]) for line in outcomes)
    sums = {"submitted": len(tasks), "pending": 0, **{name: ends[name] for name in OUTCOMES}}
    for name, count in sums.items():
        if summary.get(name) != count:
            found.append(f"the report says {name} = {summary.get(name)}, not {count}")
    times = Counter(str(line["task"]) for line in outcomes)
    found += [f"{id}: {times[id]} outcomes in the report" for id in by_id if times[id] != 1]
    found += [f"{id}: an outcome, but not submitted" for id in times if id not in by_id]
    for line in outcomes:
        task = by_id.get(line["task"])
        if task is None:
            continue
        item, case = task.item, task.case
        if (line["source"], line["destination"]) != (item.source.uri, item.destination.uri):
            found.append(f"{task.id}: the report names other keys: {line}")
        if line["outcome"] not in case.outcomes or line["reason"] != case.reason:
            found.append(
                f"{task.id} ({case.name}): {line['outcome']}, {line['reason']}: {line['detail']}"
            )
    return found


def check_dead(
    dead: list[tuple[str, str | None]], tasks: list[Task], put_back: dict[int, str]
) -> list[str]:
    """The dead-letter queue has every task that failed, with its reason, and no other.

    A worker that dies between parking and acknowledging parks a task twice. One
    whose old key was taken again may be parked by a redelivery after its rename.
    """
    found = []
    by_id = {task.id: task for task in tasks}
    parked = {id for id, _ in dead}
    for task in tasks:
        if task.case.outcomes == ("failed",) and task.id not in parked:
            found.append(f"{task.id} ({task.case.name}): not in the dead-letter queue")
    for id, reason in dead:
        task = by_id.get(id)
        retaken = task is not None and task.item.index in put_back and reason == "source_rewritten"
        failed = task is not None and task.case.outcomes == ("failed",)
        if not (retaken or failed and task is not None and reason == task.case.reason):
            found.append(f"{id}: in the dead-letter queue, for the reason {reason}")
    return found


def raw_lines(report: Path) -> list[dict[str, Any]]:
    """Every whole line that a worker wrote, the repeated ones included."""
    lines = []
    for path in sorted((report / JOB).glob("*.jsonl")):
        whole = path.read_bytes().rpartition(b"\n")[0]
        lines += [json.loads(line) for line in whole.splitlines()]
    return lines
