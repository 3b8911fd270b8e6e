"""The demo's proof, by boto3 alone: nothing of rebucket's own code takes part.

Each check gives the problems that it found, as text; no problems, no loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from demo_objects import BUCKETS, MIB, DemoObject, Location

THREADS = 8
OUTCOMES = ("renamed", "already_renamed", "skipped", "failed")
# What HEAD shows that belongs to this copy of an object, not to the object: a
# multipart copy has another ETag, and a checksum over other parts. The bytes
# themselves are compared instead.
OF_THE_COPY = {"ResponseMetadata", "LastModified", "ETag", "AcceptRanges", "PartsCount"}


@dataclass(frozen=True)
class Snapshot:
    """All that a client can see of one object."""

    sha256: str
    properties: dict[str, Any]
    tags: dict[str, str]

    def differences(self, now: Snapshot) -> list[str]:
        found = []
        if self.sha256 != now.sha256:
            found.append("the bytes differ")
        for name in sorted(self.properties.keys() | now.properties.keys()):
            before, after = self.properties.get(name), now.properties.get(name)
            if before != after:
                found.append(f"{name} was {before!r}, is {after!r}")
        if self.tags != now.tags:
            found.append(f"tags were {self.tags!r}, are {now.tags!r}")
        return found


def take_snapshot(s3: Any, at: Location) -> Snapshot:
    where = {"Bucket": at.bucket, "Key": at.key}
    head = s3.head_object(**where)
    digest = hashlib.sha256()
    for chunk in s3.get_object(**where)["Body"].iter_chunks(MIB):
        digest.update(chunk)
    tags = s3.get_object_tagging(**where)["TagSet"]
    return Snapshot(
        sha256=digest.hexdigest(),
        properties={
            name: value
            for name, value in head.items()
            if name not in OF_THE_COPY and not name.startswith("Checksum")
        },
        tags={tag["Key"]: tag["Value"] for tag in tags},
    )


def check_created(item: DemoObject, sent_sha256: str, seen: Snapshot) -> list[str]:
    """The server shows what was sent: otherwise a later comparison proves nothing."""
    expected = {**item.headers, "ContentLength": item.size, "Metadata": item.metadata}
    found = [
        f"{name} was sent as {value!r}, is {seen.properties.get(name)!r}"
        for name, value in expected.items()
        if seen.properties.get(name) != value
    ]
    if seen.sha256 != sent_sha256:
        found.append("the bytes are not those sent")
    if seen.tags != item.tags:
        found.append(f"tags were sent as {item.tags!r}, are {seen.tags!r}")
    return [f"{item.source.uri}: {problem}" for problem in found]


def check_objects(
    s3: Any, items: list[DemoObject], before: dict[int, Snapshot], progress: Callable[[int], None]
) -> list[str]:
    """Every object is under its new key as it was, and gone from its old one."""

    def check(item: DemoObject) -> list[str]:
        found = check_gone(s3, item.source)
        try:
            now = take_snapshot(s3, item.destination)
        except s3.exceptions.ClientError as error:
            return [*found, f"{item.destination.uri}: {error}"]
        differences = before[item.index].differences(now)
        return found + [f"{item.destination.uri}: {problem}" for problem in differences]

    return [problem for found in in_parallel(check, items, progress) for problem in found]


def check_gone(s3: Any, at: Location) -> list[str]:
    """Only a plain 404 counts as gone."""
    try:
        s3.head_object(Bucket=at.bucket, Key=at.key)
    except s3.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return [] if status == 404 else [f"{at.uri}: HEAD answers {status}, not 404"]
    return [f"{at.uri}: still there"]


def check_nothing_else(s3: Any, items: list[DemoObject]) -> list[str]:
    """The buckets hold the renamed objects and nothing more: no scratch objects, no uploads."""
    found = []
    for bucket in BUCKETS:
        expected = {i.destination.key for i in items if i.destination.bucket == bucket}
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        listed = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
        found += [f"s3://{bucket}/{key}: not listed" for key in sorted(expected - listed)]
        found += [f"s3://{bucket}/{key}: should not be there" for key in sorted(listed - expected)]
        uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        found += [f"s3://{bucket}/{upload['Key']}: an unfinished upload" for upload in uploads]
    return found


def check_queues(counts: dict[str, dict[str, int]]) -> list[str]:
    """Neither queue holds a message, visible, delayed or in flight."""
    return [
        f"the {name} still has {count} {state} messages"
        for name, states in counts.items()
        for state, count in states.items()
        if count
    ]


def check_report(
    summary: dict[str, Any], outcomes: list[dict], items: list[DemoObject]
) -> list[str]:
    """The report accounts for every rename, once, and none failed."""
    found = []
    ends = {name: summary.get(name, -1) for name in OUTCOMES}
    if summary.get("submitted") != len(items):
        found.append(f"the report has submitted = {summary.get('submitted')}, not {len(items)}")
    if sum(ends.values()) != len(items) or min(ends.values()) < 0:
        found.append(f"the outcomes do not add up to {len(items)}: {ends}")
    if ends["failed"] or ends["skipped"]:
        found.append(f"renames failed or were skipped: {ends}")
    told = sorted((line["source"], line["destination"]) for line in outcomes)
    if told != sorted((item.source.uri, item.destination.uri) for item in items):
        found.append("the report's outcomes are not exactly one for each row of the manifest")
    return found


def in_parallel(work: Callable, items: Iterable, progress: Callable[[int], None]) -> list:
    """`work` on every item, in order; `progress` is told how many are done."""
    results = []
    pool = ThreadPoolExecutor(THREADS)
    try:
        for result in pool.map(work, items):
            results.append(result)
            progress(len(results))
    finally:
        # After a failure or a Ctrl-C the rest is not worth waiting for.
        pool.shutdown(cancel_futures=True)
    return results
