"""The README, executed: its pipeline, with smaller numbers, on a tiny bucket served over S3."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import photo_like
from PIL import Image
from tiny_bucket import open_images

ROOT = Path(__file__).parents[2]
SMALLER = {"--images 200": "--images 4", "--steps 1000": "--steps 3"}


def commands_under(heading: str) -> str:
    """Return the first shell block under a heading of the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}$.*?^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no commands under {heading!r}"
    return found[1]


@pytest.fixture
def bucket() -> Iterator[str]:
    """Address of a tiny copy of Open Images."""
    with open_images(("train_0", "train_a", "validation")) as address:
        yield address


@pytest.mark.slow
def test_the_readmes_pipeline_upscales_a_picture(tmp_path: Path, bucket: str) -> None:
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
        "metrics.json",
        "README.md",
    }
