"""Fixtures of a bucket for shared storage, on a local S3 server, and of a Ray cluster."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest

from support.s3 import running_s3


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    """An S3 server with one bucket, that this process and its children reach."""
    with running_s3() as address, pytest.MonkeyPatch.context() as patch:
        settings = {
            "AWS_ENDPOINT_URL_S3": address,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in settings.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="storage")
        yield


@pytest.fixture
def bucket(s3: None) -> str:
    """The address of an empty folder in the bucket."""
    return f"s3://storage/{uuid4()}"


@pytest.fixture(scope="module")
def head(s3: None) -> Iterator[Any]:
    """A Ray cluster without nodes that run tasks: starting one takes as long as a test on it."""
    from support.ray_cluster import running_cluster  # most tests here need no Ray

    with running_cluster() as made:
        yield made


@pytest.fixture
def cluster(head: Any) -> Iterator[Any]:
    """The Ray cluster, whose nodes reach the bucket; those that a test adds are removed after it."""
    yield head
    for node in list(head.worker_nodes):
        head.remove_node(node)
