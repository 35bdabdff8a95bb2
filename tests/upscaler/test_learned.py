"""The record of the pictures that a model learned from."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.models import write_tiny_model
from upscaler.errors import ModelError
from upscaler.model import artifact, learned
from upscaler.model.learned import Learned

IDS = st.sets(st.text(max_size=20), max_size=20)


@given(IDS, IDS, IDS, st.booleans())
def test_a_record_knows_its_pictures_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, trained: set[str], selected: set[str], others: set[str], complete: bool
) -> None:
    path = tmp_path_factory.mktemp("record") / "learned.json"
    before = Learned.of(dict.fromkeys(trained, ()), selected)
    path.write_text((before if complete else before | learned.UNKNOWN).encoded())
    record = learned.read(path)
    every = trained | selected | others
    assert set(record.was_trained_on(every)) == trained
    assert set(record.was_selected_on(every)) == selected
    assert record.complete is complete


@given(IDS, IDS)
def test_a_union_has_the_pictures_of_both(one: set[str], other: set[str]) -> None:
    both = Learned.of(dict.fromkeys(one, ())) | Learned.of(dict.fromkeys(other, ()), one)
    assert set(both.was_trained_on(one | other)) == one | other
    assert set(both.was_selected_on(one | other)) == one


def test_a_picture_takes_eleven_bytes() -> None:
    assert len(Learned.of(dict.fromkeys(map(str, range(1000)), ())).encoded()) < 11_000


def test_an_artifact_without_a_record_is_read_as_unknown(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model", learned=Learned.of({"a": ()}))
    old = artifact.read(write_tiny_model(tmp_path / "model"))
    assert old.learned() is learned.UNKNOWN
    assert "learned.json" not in old.files


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "model", learned=Learned.of({"a": ()}))
    (folder / "learned.json").write_text(Learned.of({}).encoded())
    with pytest.raises(ModelError, match=r"learned\.json in .* does not match its SHA-256"):
        artifact.read(folder)


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[",
        '{"complete": true, "trained": "a", "selected": "", "perceptual": ""}',
        '{"complete": 1, "trained": "YQ==", "selected": "", "perceptual": ""}',
    ],
)
def test_a_broken_record_is_refused(tmp_path: Path, content: str) -> None:
    folder = write_tiny_model(tmp_path / "model", learned=Learned.of({"a": ()}))
    (folder / "learned.json").write_text(content)
    config = json.loads((folder / "config.json").read_text())
    config["sha256"]["learned.json"] = artifact.sha256(folder / "learned.json")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"learned\.json: .*; download or write the model again"):
        artifact.read(folder).learned()
