"""Wrong calls of the pipelines, listed in wrong_calls.txt: each is refused before anything is written.

The table has the beginning of each sentence: the rest may depend on the version of Python or on the machine.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ensemble_pipeline import combine
from ensemble_pipeline.config import CombineConfig
from feature_pipeline.manifest import Settings
from support.models import write_run, write_tiny_model
from support.shards import write_shard
from upscaler.__main__ import main
from upscaler.atomic import write_text

RUN = "--shards shards/train_0 --validation shards/validation --out new"
# What calls have in common, by its name in the table
COMMON = {
    "FEATURES": "features --part 0 --out new",
    "TRAINING": f"train {RUN}",
    "TRAIN": f"train {RUN} --steps 1",
    "TUNE": f"train tune {RUN} --steps 1",
    "PLAN": f"train plan {RUN} --test shards/test",
    "COMBINE": "ensemble combine runs/0 runs/1 --out new",
    "BUILD": "ensemble build --parts 0 a --steps 1",
    "HUGE": "9" * 23,
}
TABLE = Path(__file__).with_name("wrong_calls.txt")
CALLS = [
    tuple(call.strip().format(**COMMON).splitlines())
    for call in TABLE.read_text(encoding="utf-8").removeprefix("$ ").split("\n$ ")
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shards, runs, an ensemble and pictures."""
    folder = tmp_path_factory.mktemp("wrong_calls")
    for n, (name, pictures) in enumerate({"train_0": 3, "validation": 2, "test": 2, "one": 1}.items()):
        write_shard(folder / "shards" / name, pictures, first=100 * n, tiles=1)
        settings = Settings(part=name, images=None, tiles_per_image=1, pictures_per_shard=100)
        write_text(folder / "shards" / name / "config.json", settings.model_dump_json())
    for n in range(2):
        write_run(folder / f"runs/{n}", seed=n)
    write_run(folder / "runs/wide", seed=2, width=6)
    write_run(folder / "parts/train_0", seed=3)
    (folder / "linked").symlink_to("shards/train_0")
    write_tiny_model(folder / "fast")
    combine.run(CombineConfig((folder / "runs/0", folder / "runs/1"), folder / "ensembles/v1"))
    for name, pixels in {"flat": np.full((40, 40, 3), 9, np.uint8), "small": np.zeros((9, 9, 3), np.uint8)}.items():
        (folder / name).mkdir()
        Image.fromarray(pixels).save(folder / name / "a.png")
    for name in ("empty", "broken"):
        (folder / name).mkdir()
    (folder / "broken/a.png").write_bytes(b"no picture")
    saved = {"list": "[]", "deep": "[" * 100_000, "misspelt": '{"part": ["0"]}', "endless": '{"images": 1e400}'}
    for name, text in (saved | {"half": '{"images": 2.5}', "text": '{"augment": "false"}'}).items():
        (folder / f"{name}.json").write_text(text)
    return folder


def written(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize(("call", "sentence"), CALLS)
def test_a_wrong_call_is_one_sentence(
    call: str, sentence: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    before = written(place)
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(call))
    said = capsys.readouterr().err.rstrip("\n").rpartition("\n")[2] if ended.value.code == 2 else ended.value.code
    assert re.sub("^.*?error: ", "", str(said)).replace(f"{place}/", "").startswith(sentence)
    assert written(place) == before
