"""The README, executed: its pipeline, with smaller numbers, on a tiny bucket served over S3."""

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from generated import photo_like
from moto.server import ThreadedMotoServer
from PIL import Image

ROOT = Path(__file__).parents[2]
BUCKET = "open-images-dataset"
PARTS = ["train_0", "train_a", "validation"]
SMALLER = {"--images 200": "--images 4", "--steps 2000": "--steps 3"}


def commands_under(heading: str) -> str:
    """The first shell block under a heading of the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}$.*?^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no commands under {heading!r}"
    return found[1]


def part_tar(part: str, seed: int) -> bytes:
    """A part as the bucket holds it: a tar.gz of JPEGs named by the ids of their images."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for n in range(4):
            jpeg = io.BytesIO()
            Image.fromarray(photo_like(300, 360, seed=10 * seed + n)).save(jpeg, "JPEG", quality=95)
            info = tarfile.TarInfo(f"{part}/{seed:x}{n:015x}.jpg")
            info.size = jpeg.tell()
            jpeg.seek(0)
            tar.addfile(info, jpeg)
    return content.getvalue()


@pytest.fixture
def bucket() -> Iterator[str]:
    """The address of an S3 server with a tiny public copy of Open Images."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
    s3.create_bucket(Bucket=BUCKET, ACL="public-read")
    for seed, part in enumerate(PARTS, start=1):
        s3.put_object(Bucket=BUCKET, Key=f"tar/{part}.tar.gz", Body=part_tar(part, seed), ACL="public-read")
    yield address
    server.stop()


@pytest.mark.slow
def test_the_pipeline_in_five_commands_ends_in_a_doubled_picture(tmp_path: Path, bucket: str) -> None:
    script = commands_under("Train your own, in five commands")
    for word, smaller in SMALLER.items():
        assert word in script
        script = script.replace(word, smaller)
    assert sum(line.startswith("python -m ") for line in script.splitlines()) == 5
    Image.fromarray(photo_like(61, 83)).save(tmp_path / "photo.jpg")
    environment = os.environ | {
        "AWS_ENDPOINT_URL_S3": bucket,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }

    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "photo_2x.png") as doubled:
        assert doubled.size == (166, 122)
    assert {path.name for path in (tmp_path / "ensembles/mine").iterdir()} >= {
        "config.json",
        "model.safetensors",
        "model.onnx",
        "metrics.json",
        "README.md",
    }
