"""Records of what models learned from, through training, averaging, selection and distillation."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ensemble_pipeline import combine, cost, evaluate, lineage, testset
from ensemble_pipeline.config import CombineConfig, Distillation, EvaluationConfig
from ensemble_pipeline.cost import Cost
from feature_pipeline import shards, tile_index
from feature_pipeline.attribution import HEADER
from feature_pipeline.samples import perceptual_hashes
from support.models import write_run, write_tiny_model
from support.pictures import photo_like
from support.shards import mirrored, random_looks, write_shard
from support.training_runs import small_config
from training_pipeline import data, held_out, provenance, scoreboard, scoring, train
from training_pipeline.commands import ScoringConfig
from training_pipeline.errors import TrainingError
from training_pipeline.scoreboard import Scoreboard
from upscaler import bicubic, metrics
from upscaler.model import artifact
from upscaler.model.artifact import Artifact
from upscaler.model.learned import Learned


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test set be small, and replace the measurement of cost, which starts processes."""
    monkeypatch.setattr(held_out, "LEAST", 1)
    monkeypatch.setattr(cost, "measure", lambda model, flips=False: Cost(1.0, 10**8))


def different_parts(folder: Path) -> dict[str, Path]:
    """Write shards of different pictures."""
    names = ("first", "second", "third", "validation", "selection", "other")
    return {name: write_shard(folder / name, pictures=2, tiles=1, first=10 * n) for n, name in enumerate(names)}


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    return different_parts(tmp_path)


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A student of the selected mean of networks that were fine-tuned from another, each on pictures of its own."""
    tmp_path = tmp_path_factory.mktemp("chain")
    parts = different_parts(tmp_path)

    def run(name: str, part: str, start: Path | None = None) -> Path:
        config = small_config(
            tmp_path,
            shards=(parts[part],),
            validation=(parts["validation"],),
            out=tmp_path / "runs" / name,
            steps=1,
            init_from=str(start) if start else None,
        )
        return train.run(config).folder

    start = run("start", "first")
    tuned = run("tuned", "second", start)
    mean = CombineConfig((tuned,), tmp_path / "mean", "weights", select=True, validation=(parts["selection"],))
    combine.run(mean)
    student = Distillation(into="4x1", shards=(parts["third"],), steps=1, threads=1)
    return combine.run(
        CombineConfig(
            (mean.out,), tmp_path / "student", "distill", validation=(parts["validation"],), distillation=student
        )
    )


def scored(model: Path, test: Path, board: Path) -> None:
    scoring.add(ScoringConfig(str(model), test, board))


def finally_tested(model: Path, test: Path, board: Path) -> None:
    of_bicubic = scoring.scores(bicubic.double, data.entries([test]))
    scoreboard.write(board, Scoreboard(test=tile_index.digest([tile_index.of([test])]), bicubic=of_bicubic))
    scoring.final_test(ScoringConfig(str(model), test, board))


def evaluated(model: Path, test: Path, board: Path) -> None:
    evaluate.run(EvaluationConfig(models=(str(model),), shards=test, out=board))


def selected(model: Path, test: Path, board: Path) -> None:
    combine.run(CombineConfig((model,), board / "selected", "outputs", select=True, validation=(test,)))


TESTS: list[Callable[[Path, Path, Path], None]] = [scored, finally_tested, evaluated]


@pytest.mark.slow
def test_every_command_refuses_what_any_network_in_the_chain_learned_from(
    chained: Artifact, parts: dict[str, Path], tmp_path: Path
) -> None:
    for part, verb in (
        ("first", "trained"),
        ("second", "trained"),
        ("third", "trained"),
        ("selection", "selected"),
        ("validation", "selected"),
    ):
        for command in [*TESTS, selected] if verb == "trained" else TESTS:
            with pytest.raises(TrainingError, match=f"student was {verb} on 2 of the pictures in .*{part}, such as 0"):
                command(chained.folder, parts[part], tmp_path / "out")
    scored(chained.folder, parts["other"], tmp_path / "board")
    selected(chained.folder, parts["validation"], tmp_path / "out")


def test_a_student_names_its_own_training_and_its_teacher(chained: Artifact) -> None:
    (member,) = chained.config.members
    assert (member.name, member.parts, member.pictures, member.steps) == ("student", ("third",), 2, 1)
    assert [network["name"] for network in chained.metrics["teacher"]["members"]] == ["tuned"]
    card = (chained.folder / "README.md").read_text()
    assert "one network distilled from another network" in card
    assert "| student | third | 2 | 1 |" in card
    assert "| tuned (teacher) | second | 2 | 1 |" in card
    assert "| start (warm start of the teacher) | first | 2 | 1 |" in card
    digest = tile_index.digest(data.entries([chained.folder.parent / name]) for name in ("third", "validation"))
    assert re.search(rf"^student: trained with double-resolution .*, torch .*, CPU; .* {digest}\.$", card, re.MULTILINE)
    assert re.search(r"^tuned: trained with double-resolution ", card, re.MULTILINE)


def with_datasets(folder: Path, seed: int, *names: str) -> Path:
    """Write a run on those data sets."""
    write_run(folder, seed)
    (folder / artifact.METRICS).write_text(json.dumps({"training": [], "datasets": names}))
    return folder


def test_the_data_sets_of_all_networks_are_recorded(tmp_path: Path) -> None:
    members = [with_datasets(tmp_path / name, n, name) for n, name in enumerate(("Open Images", "Mine"))]
    mean = combine.run(CombineConfig(tuple(members), tmp_path / "mean", "outputs"))
    assert mean.metrics["datasets"] == ["Mine", "Open Images"]
    student = artifact.read(with_datasets(tmp_path / "student", 2, "Open Images"))
    distilled = lineage.of_student(student, "v1", [mean], lineage.of([mean], None))
    assert distilled["datasets"] == ["Mine", "Open Images"]


def test_a_run_records_the_data_set_of_its_warm_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_dataset", lambda folders: "Open Images")
    start = with_datasets(tmp_path / "start", 0, "Mine")
    trained = train.run(small_config(tmp_path, steps=1, init_from=str(start)))
    assert trained.metrics["datasets"] == ["Mine", "Open Images"]
    assert "Open Images" not in (trained.folder / "README.md").read_text()


def test_the_pictures_of_the_jpeg_network_count(parts: dict[str, Path], tmp_path: Path) -> None:
    learned = Learned.of(shards.pictures(data.entries([parts["first"]])))
    inside = write_tiny_model(tmp_path / "inside", learned=learned)
    both = write_tiny_model(tmp_path / "both", jpeg_model=inside, learned=Learned.of({}))
    for command in TESTS:
        with pytest.raises(TrainingError, match="both was trained on 2 of the pictures"):
            command(both, parts["first"], tmp_path / "out")


@pytest.mark.slow
def test_a_copy_of_a_training_picture_under_another_name_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "train_0", looks=random_looks(3))
    model = train.run(small_config(tmp_path, steps=1)).folder
    mean = combine.run(CombineConfig((model,), tmp_path / "mean", "outputs")).folder
    looks = {50: mirrored(random_looks(3)[1]), 51: random_looks(4)[3]}
    test = write_shard(tmp_path / "copies", pictures=2, tiles=1, first=50, looks=looks)
    for command in [*TESTS, selected]:
        with pytest.raises(TrainingError, match=r"mean was trained on near-duplicates of 1 of the pictures .*000032; "):
            command(mean, test, tmp_path / "out")


def test_one_member_without_a_record_makes_the_record_incomplete(parts: dict[str, Path], tmp_path: Path) -> None:
    old = write_run(tmp_path / "old", 0)
    new = write_run(tmp_path / "new", 1, learned=Learned.of(shards.pictures(data.entries([parts["first"]]))))
    mean = combine.run(CombineConfig((old, new), tmp_path / "mean", "outputs"))
    assert not mean.learned().complete
    with pytest.raises(TrainingError, match="mean was trained on 2 of the pictures"):
        scored(mean.folder, parts["first"], tmp_path / "board")


def test_a_warm_start_must_not_know_the_validation_pictures(parts: dict[str, Path], tmp_path: Path) -> None:
    config = small_config(tmp_path, shards=(parts["first"],), validation=(parts["validation"],), steps=1)
    start = train.run(config).folder
    other = small_config(
        tmp_path,
        shards=(parts["second"],),
        validation=(parts["first"],),
        init_from=str(start),
        out=tmp_path / "two",
        steps=1,
    )
    with pytest.raises(TrainingError, match="run was trained on 2 of the pictures in the validation set"):
        train.run(other)
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("name", ["0123456789abcdef.png", "0123456789abcdef.large.png"])
def test_pictures_named_as_training_pictures_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo_like(64, 64)).save(tmp_path / "photos" / name)
    model = write_tiny_model(tmp_path / "model", learned=Learned.of({"0123456789abcdef": ()}))
    with pytest.raises(
        TrainingError, match=r"model was trained on 1 of the pictures in .*photos, such as 0123456789ab"
    ):
        evaluate.run(EvaluationConfig(models=(str(model),), pictures=tmp_path / "photos"))


def test_files_of_one_stem_are_pictures_apart(tmp_path: Path) -> None:
    known, other = photo_like(64, 64, seed=1), photo_like(64, 80, seed=2)
    learned = Learned.of({"0123456789abcdef": perceptual_hashes(known)})
    model = write_tiny_model(tmp_path / "model", learned=learned)
    for n, files in enumerate([{"p.png": known, "p.webp": other}, {"p.png": other, "p.webp": known}]):
        (folder := tmp_path / f"copies_{n}").mkdir()
        for name, picture in files.items():
            Image.fromarray(picture).save(folder / name, lossless=True)
        with pytest.raises(TrainingError, match="model was trained on near-duplicates of 1 of the pictures"):
            evaluate.run(EvaluationConfig(models=(str(model),), pictures=folder))

    Image.fromarray(photo_like(64, 64, seed=3)).save(folder / "p.webp", lossless=True)
    evaluate.run(EvaluationConfig(models=(str(model),), pictures=folder))
    (result,) = artifact.read(model).metrics["tests"].values()
    tests = testset.read(folder, "pictures")
    each = [metrics.score(bicubic.double(pair.lr), pair.hr) for pair in tests]
    assert result["pictures"] == len(each) == 2
    assert result["rows"][0]["score"]["psnr_y"] == metrics.mean(each).psnr_y


@pytest.mark.slow
def test_an_evaluation_on_the_test_part_leaves_the_final_pictures_alone(tmp_path: Path) -> None:
    test = write_shard(tmp_path / "test", pictures=20, tiles=2)
    moved = test.rename(tmp_path / "any_name")
    model = write_tiny_model(tmp_path / "model", learned=Learned.of({}))
    evaluate.run(EvaluationConfig(models=(str(model),), shards=moved))
    ((name, result),) = artifact.read(model).metrics["tests"].items()
    assert (name, result["pictures"], result["recorded"]) == ("any_name, first 2 pictures", 2, True)
    assert "any_name, first 2 pictures (2 pictures):" in (model / "README.md").read_text()


@pytest.mark.slow
def test_the_credits_of_all_networks_go_with_the_model(parts: dict[str, Path], tmp_path: Path) -> None:
    for name, authors in (("first", "ab"), ("second", "bc")):
        with (parts[name] / "ATTRIBUTION.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [HEADER, *([author, 1, "CC0", f"by\n{author}", "", "", ""] for author in authors)]
            )
    runs = tuple(
        train.run(
            small_config(
                tmp_path, shards=(parts[n],), validation=(parts["validation"],), out=tmp_path / "runs" / n, steps=1
            )
        ).folder
        for n in ("first", "second", "third")
    )
    assert not (runs[2] / "ATTRIBUTION.csv").exists()
    mean = combine.run(CombineConfig(runs, tmp_path / "mean", "outputs"))
    with (mean.folder / "ATTRIBUTION.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == HEADER
    assert [row[3] for row in rows] == ["by\na", "by\nb", "by\nc"]
    assert "the author if known, of 0 of the 6 photos" in (mean.folder / "README.md").read_text()
    (parts["first"] / "ATTRIBUTION.csv").write_text("no list\n")
    with pytest.raises(TrainingError, match="is no list of credits; make the shards again"):
        train.run(small_config(tmp_path, shards=(parts["first"],), out=tmp_path / "bad", steps=1))
