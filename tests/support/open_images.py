"""A tiny public copy of Open Images, served over S3 on loopback."""

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer
from PIL import Image

from support.models import photo_like

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
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
    s3.create_bucket(Bucket=BUCKET, ACL="public-read")
    for seed, (part, jpegs) in enumerate(parts.items(), start=1):
        s3.put_object(Bucket=BUCKET, Key=f"tar/{part}.tar.gz", Body=part_tar(part, seed, jpegs), ACL="public-read")
    try:
        yield address
    finally:
        server.stop()


def generated(seed: int) -> bytes:
    """A JPEG from which tiles can be cut."""
    jpeg = io.BytesIO()
    Image.fromarray(photo_like(300, 360, seed)).save(jpeg, "JPEG", quality=95)
    return jpeg.getvalue()


def part_tar(part: str, seed: int, jpegs: Sequence[bytes]) -> bytes:
    """A part as the bucket holds it: a tar.gz of JPEGs named by the ids of their images."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for n, jpeg in enumerate(jpegs):
            info = tarfile.TarInfo(f"{part}/{seed:x}{n:015x}.jpg")
            info.size = len(jpeg)
            tar.addfile(info, io.BytesIO(jpeg))
    return content.getvalue()
