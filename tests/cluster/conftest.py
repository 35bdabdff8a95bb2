"""Fixtures of a bucket for shared storage, on a local S3 server, and of a Ray cluster."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest

from support.s3 import running_s3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the address of an empty bucket that this process and its children can reach."""
    with running_s3() as address:
        settings = {
            "AWS_ENDPOINT_URL_S3": address,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="storage")
        yield f"s3://storage/{uuid4()}"  # moto keeps what an earlier server held


@pytest.fixture
def cluster(bucket: str) -> Iterator[Any]:
    """Yield a Ray cluster whose nodes reach the bucket."""
    from support.ray_cluster import running_cluster  # most tests here need no Ray

    with running_cluster() as made:
        yield made
