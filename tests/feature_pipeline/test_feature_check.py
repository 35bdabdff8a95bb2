"""Verification, contact sheet and readability of shards by other libraries."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from feature_pipeline import pipeline, shards, sheet, tile_index, verify
from feature_pipeline.config import FeatureConfig
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import CONFIG, MANIFEST
from feature_pipeline.shards import Entry, Sample
from support.faulty_bucket import Bucket, serve
from support.parts import part
from upscaler.model import find


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with one part of four pictures in two shards."""
    out = tmp_path_factory.mktemp("finished")
    with serve(Bucket({"train_0": part(4)})) as bucket:
        pipeline.run(FeatureConfig(("train_0",), out, bucket.endpoint_url, tiles_per_image=2, pictures_per_shard=2))
    return out


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_shards_are_as_their_manifest_says(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify.run(finished)
    verify.run(finished / "train_0")
    assert capsys.readouterr().out == "train_0: matches its manifest\n" * 2


def test_a_part_is_checked_and_read_under_any_name(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = (copy / "train_0").rename(copy / "mine")
    monkeypatch.chdir(renamed)
    verify.run(Path())
    assert len(tile_index.of([Path()])) == len(tile_index.of([renamed])) > 0


@pytest.mark.parametrize("name", ["train_0-00001.tar", "train_0-00001.json", "manifest.json"])
def test_what_is_missing_is_found(copy: Path, name: str) -> None:
    (copy / "train_0" / name).unlink()
    with pytest.raises(FeatureError, match="does not match its manifests"):
        verify.run(copy)


def test_a_changed_byte_is_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tar = copy / "train_0/train_0-00000.tar"
    content = bytearray(tar.read_bytes())
    content[1000] ^= 1
    tar.write_bytes(content)
    with pytest.raises(FeatureError, match="1 problems"):
        verify.run(copy)
    assert "train_0-00000.tar has the wrong SHA-256" in capsys.readouterr().out


def test_a_changed_sum_is_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = copy / "train_0/manifest.json"
    manifest.write_text(manifest.read_text().replace('"pictures": 4', '"pictures": 5'))
    with pytest.raises(FeatureError):
        verify.run(copy)
    assert "the manifest's pictures differs from the shards'" in capsys.readouterr().out


def test_the_contact_sheet_shows_the_pairs(finished: Path, tmp_path: Path) -> None:
    sheet.run(finished / "train_0", tmp_path / "sheet.png")
    first = shards.load(tile_index.of([finished / "train_0"])[0])
    left = 2 * sheet.GAP + 256
    shown = Image.open(tmp_path / "sheet.png").crop((left, sheet.GAP, left + 256, sheet.GAP + 256))
    assert shown.tobytes() == Image.fromarray(first.hr).tobytes()


def test_the_contact_sheet_samples_the_whole_part(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet, "COLUMNS", 1)
    monkeypatch.setattr(sheet, "ROWS", 3)
    entries = tile_index.of([finished / "train_0"])
    assert len(entries) == 8
    drawn: list[Entry] = []
    load = shards.load

    def noted(entry: Entry) -> Sample:
        drawn.append(entry)
        return load(entry)

    monkeypatch.setattr(shards, "load", noted)
    sheet.run(finished / "train_0", tmp_path / "sheet.png")
    assert drawn == [entries[0], entries[4], entries[7]]


LOAD = """
import sys, warnings
warnings.simplefilter("ignore")
import datasets
loaded = datasets.load_dataset("webdataset", data_files=sys.argv[2:], split="train", cache_dir=sys.argv[1])
for row in loaded:
    print(row["__key__"], row["json"]["image_id"], row["hr.png"].size, row["lr.png"].size)
"""


@pytest.mark.slow
def test_datasets_reads_the_shards(finished: Path, tmp_path: Path) -> None:
    tars = sorted(map(str, (finished / "train_0").glob("*.tar")))
    offline = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
    }  # read at import, so in a process of its own
    ran = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path / "cache"), *tars], env=offline, capture_output=True, text=True
    )
    expected = [f"{s.key} {s.info.image_id} (256, 256) (128, 128)" for s in shards.read(finished / "train_0")]
    assert ran.stdout.splitlines() == expected, ran.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_webdataset_reads_the_shards(finished: Path) -> None:
    import webdataset  # takes seconds to import

    tars = sorted(map(str, (finished / "train_0").glob("*.tar")))
    expected = list(shards.read(finished / "train_0"))
    read = list(webdataset.WebDataset(tars, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in read] == [sample.key for sample in expected]
    for sample, wanted in zip(read, expected, strict=True):
        assert (sample["hr.png"] == wanted.hr).all()
        assert (sample["lr.png"] == wanted.lr).all()


def test_a_part_with_broken_settings_is_not_passed_over(copy: Path) -> None:
    (copy / "train_0" / MANIFEST).unlink()
    (copy / "train_0" / CONFIG).write_text("{")
    with pytest.raises(FeatureError) as raised:
        verify.run(copy)
    assert "has no tile shards" not in str(raised.value)


def test_a_model_beside_a_file_is_no_part(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    shutil.copytree(find.model("best").folder, tmp_path / "best")
    for folder in (tmp_path, tmp_path / "best"):
        with pytest.raises(FeatureError, match="has no tile shards; make them with"):
            verify.run(folder)
