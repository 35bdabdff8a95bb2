"""A tiny public copy of Open Images, served over S3 on loopback."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import boto3
import numpy as np
from PIL import Image

from support.parts import tar_gz
from support.pictures import photo_like
from support.s3 import running_s3

BUCKET = "open-images-dataset"


@contextmanager
def open_images(parts: Sequence[str]) -> Iterator[str]:
    """Serve parts of four generated photos each; gives the server's address."""
    made = {part: [generated(10 * seed + n) for n in range(4)] for seed, part in enumerate(parts, start=1)}
    with serving(made) as address:
        yield address


@contextmanager
def serving(parts: Mapping[str, Sequence[bytes]]) -> Iterator[str]:
    """Serve parts made of these JPEGs; gives the server's address."""
    tars = {
        part: tar_gz({f"{seed:x}{n:015x}.jpg": jpeg for n, jpeg in enumerate(jpegs)}, part)
        for seed, (part, jpegs) in enumerate(parts.items(), start=1)
    }
    with serving_tars(tars) as address:
        yield address


@contextmanager
def serving_tars(tars: Mapping[str, bytes]) -> Iterator[str]:
    """Serve parts, each a tar.gz; gives the server's address."""
    with running_s3() as address:
        s3 = boto3.client(
            "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
        )
        s3.create_bucket(Bucket=BUCKET, ACL="public-read")
        for part, tar in tars.items():
            s3.put_object(Bucket=BUCKET, Key=f"tar/{part}.tar.gz", Body=tar, ACL="public-read")
        s3.close()
        yield address


def generated(seed: int) -> bytes:
    """A JPEG from which tiles can be cut, with shading of its own: by that, perceptual hashes tell pictures apart."""
    jpeg, size = io.BytesIO(), (360, 300)
    shades = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    shading = Image.fromarray(shades).resize(size, Image.Resampling.BICUBIC)
    Image.blend(Image.fromarray(photo_like(size[1], size[0], seed)), shading, 0.4).save(jpeg, "JPEG", quality=95)
    return jpeg.getvalue()
