"""The demo's 1,000 objects: what they are, and how boto3 creates them.

Everything follows from SEED, so every run renames the same objects. The keys
are ones that SeaweedFS stores as they are: it folds `//` and `\\`, refuses `.`
and `..` segments, and has no objects whose key ends in `/`.
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

SEED = 20261122
COUNT = 1000
BUCKETS = ("rebucket-demo-inbox", "rebucket-demo-archive")

KIB = 1024
MIB = 1024 * KIB
# Larger than the multipart threshold that the demo gives the workers, and far
# enough down the manifest that no worker holds one when the other is killed:
# an upload that a killed worker leaves open is `rebucket gc`'s business, and
# the proof wants none.
LARGE = {600: 200 * MIB, 700: 80 * MIB}
MULTIPART_THRESHOLD = "64MiB"
PART_SIZE = "16MiB"
# boto3 uploads the largest in parts of another size than the workers copy with.
UPLOAD_PART = 20 * MIB

# One piece of each kind of trouble that a key can be to a URL, an XML answer,
# a CSV field or a shell.
PIECES = (
    "plain",
    "two words",
    " leading and trailing ",
    "a+b",
    "100%",
    "%2F %C3%A9 %25",
    "what?",
    "?versionId=null",
    "#1",
    "R&D=x&y",
    "it's",
    'say "cheese"',
    "comma, comma",
    "semi;colon:at@",
    "<tag>",
    "[a]{b}(c)",
    "$HOME `id` |",
    "~!*^",
    "..dots...",
    "gr\u00fc\u00dfe \u00e9",  # é as one code point,
    "gru\u0308\u00dfe e\u0301",  # and as two: another key
    "\u5199\u771f",
    "\u05e9\u05dc\u05d5\u05dd",
    "\U0001f980\U0001f389",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "tab\there",
)
EXTENSIONS = {
    ".jpg": "image/jpeg",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".bin": "application/octet-stream",
    ".tar.gz": None,  # boto3 sends none: the server's default must stay
}
TAG_NAMES = "project colour Owner+Name stra\u00dfe k=1 a/b c:d e_f g-h @i.j".split()
TAG_VALUES = ("blue", "", "a+b=c", "gr\u00fcn \u7eff", "team:storage/eu_1", "x@y.z")


@dataclass(frozen=True)
class Location:
    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class DemoObject:
    index: int
    source: Location
    destination: Location
    size: int
    headers: dict[str, Any] = field(default_factory=dict)  # by their boto3 names
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def chunks(self, length: int) -> Iterator[bytes]:
        """The content, in chunks of `length` bytes (the last may be shorter)."""
        source = random.Random(f"{SEED}/content/{self.index}")
        for start in range(0, self.size, length):
            yield source.randbytes(min(length, self.size - start))


def plan_objects() -> list[DemoObject]:
    return [plan_object(index) for index in range(COUNT)]


def plan_object(index: int) -> DemoObject:
    choice = random.Random(f"{SEED}/{index}")
    extension, content_type = choice.choice(list(EXTENSIONS.items()))
    piece = PIECES[index % len(PIECES)]
    other = choice.choice(PIECES)
    # A third of the renames go to the other bucket.
    here = BUCKETS[index % 2]
    there = here if index % 3 else BUCKETS[1 - index % 2]
    return DemoObject(
        index=index,
        source=Location(here, f"inbox/{piece}/{index:04d} {other}{extension}"),
        destination=Location(there, f"sorted/{index % 27:02d}/{other}/{piece}-{index}{extension}"),
        size=LARGE.get(index) or plan_size(index, choice),
        headers=plan_headers(content_type, choice),
        metadata=plan_metadata(index, choice),
        tags=plan_tags(choice),
    )


def plan_size(index: int, choice: random.Random) -> int:
    if index % 50 == 0:
        return 0
    if index % 50 == 1:
        return 1
    if index % 25 == 2:
        return choice.randint(256 * KIB, 4 * MIB)
    return choice.randint(2, 16 * KIB)


def plan_headers(content_type: str | None, choice: random.Random) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if content_type:
        headers["ContentType"] = content_type
    if choice.random() < 0.4:
        headers["CacheControl"] = f"private, max-age={choice.randint(0, 86400)}"
    if choice.random() < 0.3:
        headers["ContentDisposition"] = 'attachment; filename="a, b; c.bin"'
    if choice.random() < 0.3:
        headers["ContentEncoding"] = choice.choice(["gzip", "br"])
    if choice.random() < 0.3:
        headers["ContentLanguage"] = "de, en-GB"
    if choice.random() < 0.3:
        day = choice.randint(1, 28)
        headers["Expires"] = datetime(2030, 6, day, 12, 30, day, tzinfo=timezone.utc)
    return headers


def plan_metadata(index: int, choice: random.Random) -> dict[str, str]:
    """User metadata, ASCII only: boto3 sends no other."""
    if choice.random() < 0.3:
        return {}
    metadata = {"origin": f"camera {choice.randint(1, 9)} / roll+{index}", "index": str(index)}
    if choice.random() < 0.3:
        metadata["note"] = 'a=b; c, "d" & 100% <e>'
    return metadata


def plan_tags(choice: random.Random) -> dict[str, str]:
    count = choice.choice([0, 0, 1, 2, 10])
    return {name: choice.choice(TAG_VALUES) for name in TAG_NAMES[:count]}


def create_object(s3: Any, item: DemoObject) -> str:
    """Put one object under its source key; gives the SHA-256 of what was sent."""
    target = {"Bucket": item.source.bucket, "Key": item.source.key}
    properties = {**item.headers, "Metadata": item.metadata}
    if item.tags:
        properties["Tagging"] = urlencode(item.tags)
    digest = hashlib.sha256()
    if item.size < max(LARGE.values()):
        body = b"".join(item.chunks(UPLOAD_PART))
        digest.update(body)
        s3.put_object(**target, Body=body, **properties)
        return digest.hexdigest()
    upload = s3.create_multipart_upload(**target, **properties)["UploadId"]
    parts = []
    for number, chunk in enumerate(item.chunks(UPLOAD_PART), start=1):
        digest.update(chunk)
        part = s3.upload_part(**target, UploadId=upload, PartNumber=number, Body=chunk)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    return digest.hexdigest()


def write_manifest(path: Path, items: list[DemoObject]) -> None:
    """The CSV of renames, its URIs literal as the manifest format wants them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["source", "destination"])
        rows.writerows([item.source.uri, item.destination.uri] for item in items)
