"""boto3 clients and child environments that can only ever reach the local servers.

The demo, the tests and the benchmark create and delete objects. A developer's
own AWS profile, endpoint override or proxy must not be able to send any of
that elsewhere, so every child process and every client here starts from an
environment from which those settings were removed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

REGION = "us-east-1"


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str


def clean_environment() -> dict[str, str]:
    """This process's environment without the user's AWS and rebucket settings.

    REBUCKET_TEST_* is kept: it is how a developer talks to the test suite.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_")
        and (not name.startswith("REBUCKET_") or name.startswith("REBUCKET_TEST_"))
    }
    kept["AWS_CONFIG_FILE"] = os.devnull
    kept["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    kept["AWS_EC2_METADATA_DISABLED"] = "true"
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, [kept.get(name), "127.0.0.1", "localhost"]))
    return kept


def isolate_this_process() -> None:
    """Apply `clean_environment` to this process, and so to boto3 in it."""
    kept = clean_environment()
    os.environ.clear()
    os.environ.update(kept)


def aws_environment(credentials: Credentials, s3_url: str, sqs_url: str) -> dict[str, str]:
    """What a rebucket program needs, beside its arguments, to use the local servers."""
    return {
        **clean_environment(),
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL_S3": s3_url,
        "AWS_ENDPOINT_URL_SQS": sqs_url,
    }


def client(service: str, url: str, credentials: Credentials, **config):
    """A boto3 client for one local endpoint; retries are off, so that errors show."""
    import boto3  # only here: with_servers.py --help must work without the venv
    from botocore.config import Config

    settings = {
        "retries": {"total_max_attempts": 1},
        "connect_timeout": 5,
        "read_timeout": 60,
        "s3": {"addressing_style": "path"},
        **config,
    }
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(**settings),
    )
