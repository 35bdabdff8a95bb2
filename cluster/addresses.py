"""Addresses of shared places: paths, and prefixes in S3 buckets."""

SCHEME = "s3://"


def is_in_bucket(address: str) -> bool:
    """Return True for a prefix in an S3 bucket, `s3://bucket/prefix`."""
    return address.startswith(SCHEME)
