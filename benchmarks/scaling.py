"""Benchmark of Ray: two parts at once, next to the same work in two plain processes.

The cluster starts before the timing. Parts consist of photos, served by a local S3 server.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import boto3
import ray
from moto.server import ThreadedMotoServer

from benchmarks.photos import photos

ROOT = Path(__file__).parents[1]
BUCKET, PARTS, HELD_OUT = "open-images-dataset", ("0", "1"), 60
PICTURES, STEPS = 1500, 300  # of each part; enough to make the few seconds of Ray's start negligible


def main() -> None:
    """Print the table."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    fill(address)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    cut = ["feature_pipeline", "--out", "shards", "--workers", "1", "--endpoint-url", address]
    train = ["training_pipeline", "--validation", "shards/validation", "--size", "tiny", "--threads", "1"]
    train += ["--steps", str(STEPS), "--out"]
    folders = [f"shards/train_{part}" for part in PARTS]
    print("| two parts at once | two plain processes, s | Ray, s | ratio |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as plain, tempfile.TemporaryDirectory() as placed:
        for storage in (plain, placed):
            seconds([[*cut, "--part", "validation", "--storage", storage]])
        both = [word for part in PARTS for word in ("--part", part)]
        measure("features", [[*cut, "--part", part] for part in PARTS], [*cut, *both], plain, placed)
        both = [word for folder in folders for word in ("--shards", folder)]
        apart = [[*train, f"runs/{Path(folder).name}", "--shards", folder] for folder in folders]
        measure("training", apart, [*train, "runs", "--each", *both], plain, placed)
    ray.shutdown()
    server.stop()


def fill(address: str) -> None:
    """Put two parts and a validation part into a bucket."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    s3 = boto3.client("s3", endpoint_url=address)
    s3.create_bucket(Bucket=BUCKET, ACL="public-read")
    for n, part in enumerate([*(f"train_{part}" for part in PARTS), "validation"]):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as tar:
            pictures = HELD_OUT if part == "validation" else PICTURES
            for i, photo in enumerate(islice(cycle(photos()), n * PICTURES, n * PICTURES + pictures)):
                info = tarfile.TarInfo(f"{part}/{n:x}{i:015x}.jpg")
                info.size = len(photo)
                tar.addfile(info, io.BytesIO(photo))
        s3.put_object(Bucket=BUCKET, Key=f"tar/{part}.tar.gz", Body=content.getvalue(), ACL="public-read")


def measure(name: str, apart: list[list[str]], at_once: list[str], plain: str, placed: str) -> None:
    """Time the same work both ways and print a row."""
    alone = seconds([[*command, "--storage", plain] for command in apart])
    cluster = ["--engine", "ray", "--address", ray.get_runtime_context().gcs_address, "--storage", placed]
    on_ray = seconds([[*at_once, *cluster]])
    print(f"| {name} | {alone:.1f} | {on_ray:.1f} | {on_ray / alone:.2f} |", flush=True)


def seconds(commands: list[list[str]]) -> float:
    """Return the seconds that the commands take in parallel."""
    started = time.perf_counter()
    processes = [subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL) for command in commands]
    assert not any(process.wait() for process in processes)
    return time.perf_counter() - started
