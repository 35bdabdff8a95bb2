"""The command line, against moto's S3 and against missing input."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_pipeline import shards
from support.faulty_bucket import Bucket, serve
from support.open_images import serving_tars
from support.parts import part, tar_gz


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Serve two parts with moto's S3; yield its address."""
    with serving_tars({"train_0": part(3), "train_a": part(3, first=100)}) as address:
        yield address


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "feature_pipeline", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_two_parts_are_made_checked_and_drawn(moto: str, tmp_path: Path) -> None:
    ran = run("--part", 0, "--part", "a", "--images", 2, "--out", tmp_path, "--workers", 1, "--endpoint-url", moto)
    assert ran.returncode == 0, ran.stderr
    assert [line.split(":")[0] for line in ran.stdout.splitlines()] == ["train_0", "train_a"]
    assert {sample.info.part for sample in shards.read(tmp_path / "train_a")} == {"train_a"}
    assert run("verify", tmp_path).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--part", "1"], "tar/train_1.tar.gz in the bucket open-images-dataset does not exist (404)"),
        (["--part", "0", "--metadata", "missing.csv"], "the list missing.csv does not exist"),
        (["--part", "0", "--endpoint-url", "nonsense"], "'nonsense' is not an address"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    with serve(Bucket({"train_0": tar_gz({})})) as bucket:
        ran = run("--endpoint-url", bucket.endpoint_url, *arguments, "--out", tmp_path / "out")
    assert (ran.returncode, ran.stderr.count("Traceback")) == (1, 0)
    assert sentence in ran.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_shards_that_are_not_there_are_one_sentence(tmp_path: Path) -> None:
    for command in (["verify", tmp_path], ["show", tmp_path, "--out", tmp_path / "sheet.png"]):
        ran = run(*command)
        assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
        assert "has no tile shards" in ran.stderr
