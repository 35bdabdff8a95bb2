"""Publishing to a local Hub with the real client; a refused model leaves nothing there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, ModelCard
from PIL import Image

from ensemble_pipeline import card, publish
from ensemble_pipeline.config import PublishConfig
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline.attribution import HEADER
from support.hub import READ_TOKEN, TOKEN, Hub
from support.pictures import photo_like
from support.training_runs import small_config
from training_pipeline import beginning, dataset
from upscaler.errors import DoubleResolutionError, ModelError
from upscaler.model import artifact, find
from upscaler.model.hub import fetch_companions

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # raised by the client itself

ROOT = Path(__file__).parents[2]
REPO = "ada/doubler"
FILES = {"model.safetensors", "model.onnx", "config.json", "metrics.json", "README.md"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client retry without waiting."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def ready(hub: Hub, tiny_model: Path) -> Iterator[tuple[Hub, str]]:
    yield hub, str(tiny_model)


def test_a_published_model_comes_back_as_it_was(ready: tuple[Hub, str], capsys: pytest.CaptureFixture[str]) -> None:
    hub, model = ready
    publish.run(PublishConfig(model, REPO))
    repository = hub.model(REPO)
    commit = repository.branches["main"]
    assert f"{REPO}/commit/{commit}" in capsys.readouterr().out
    assert repository.files().keys() - {".gitattributes"} == FILES
    assert len(repository.commits) == 2  # the Hub's own first one, and ours
    pulled, original = find.model(REPO), artifact.read(Path(model))
    assert pulled.config == original.config
    assert pulled.weights_file.read_bytes() == original.weights_file.read_bytes()


def test_a_second_version_is_one_more_commit(ready: tuple[Hub, str], tiny_model: Path) -> None:
    hub, model = ready
    publish.run(PublishConfig(model, REPO))
    (tiny_model / "metrics.json").write_text('{"validation": {"psnr_y": 36.0}}')
    publish.run(PublishConfig(model, REPO))
    assert len(hub.model(REPO).commits) == 3
    assert b"36.0" in hub.model(REPO).files()["metrics.json"]


def _claims_open_images(text: str) -> bool:
    return "open images" in text.lower().replace("-", " ")


@pytest.mark.parametrize("dataset", ["Open Images", "", None])
def test_a_card_without_data_names_the_data_set_of_the_manifests(
    ready: tuple[Hub, str], tiny_model: Path, dataset: str | None
) -> None:
    hub, model = ready
    made = {"network": "0", "data": "ab12", "code": "0.1.0", "torch": "2.14", "device": "CPU", "dataset": dataset}
    metrics = {"training": [made]} if dataset is not None else {}
    (tiny_model / "metrics.json").write_text(json.dumps(metrics))
    publish.run(PublishConfig(model, REPO))
    text = hub.model(REPO).files()["README.md"].decode()
    assert _claims_open_images(text) is (dataset == "Open Images")
    assert ("0: trained with double-resolution 0.1.0, torch 2.14, CPU; SHA-256 of the shards: ab12." in text) is bool(
        metrics
    )


@pytest.mark.parametrize("name", ["Open Images", "Ada's photos", None])
def test_a_card_names_the_data_set_of_both_networks(two_models: Path, name: str | None) -> None:
    (two_models / "metrics.json").write_text(json.dumps({"datasets": ["Open Images"]}))
    (two_models / "jpegs/metrics.json").write_text(json.dumps({"datasets": [name]} if name else {}))
    text = card.of(find.model(str(two_models)), "v1")
    assert _claims_open_images(text) is (name == "Open Images")


@pytest.mark.parametrize("further", [{"beginning": [{}]}, {"teacher": {}}, {"teacher": {"beginning": [{}]}}])
def test_what_earlier_versions_did_not_record_is_no_known_data_set(further: dict[str, Any]) -> None:
    made = {"training": [{"network": "0", "dataset": "Open Images"}]}
    assert dataset.names(made | further) == ({"Open Images"} if further == {"teacher": {}} else {"", "Open Images"})
    assert dataset.names({"training": [{"network": "0"}]}) == dataset.names({}) == {""}


def test_the_credits_of_the_photos_are_published(ready: tuple[Hub, str], tiny_model: Path) -> None:
    hub, model = ready
    accompany(tiny_model)
    publish.run(PublishConfig(model, REPO))
    files = hub.model(REPO).files()
    assert files["ATTRIBUTION.csv"] == (tiny_model / "ATTRIBUTION.csv").read_bytes()
    card = files["README.md"].decode()
    assert "beside the weights, gives the licence, and the author if known, of the photos in it." in card


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "name"),
    [("# Ada's photos\nAll by Ada, CC0.\n", "Ada's photos"), ("## Data\nAll by Ada, CC0.\n", "its own training data")],
)
def test_the_data_set_of_a_model_travels_with_it(
    ready: tuple[Hub, str], tiny_model: Path, data: str, name: str
) -> None:
    hub, model = ready
    (tiny_model / "DATA.md").write_text(data)
    publish.run(PublishConfig(model, REPO))
    publish.run(PublishConfig(REPO, "ada/copy"))
    for repo in (REPO, "ada/copy"):
        text = hub.model(repo).files()["README.md"].decode()
        assert "All by Ada, CC0." in text
        assert f"| parts of {name} |" in text
        assert not _claims_open_images(text)


def test_a_model_for_jpegs_goes_with_it(ready: tuple[Hub, str], two_models: Path) -> None:
    hub, _ = ready
    publish.run(PublishConfig(str(two_models), REPO))
    inside = {f"jpegs/{name}" for name in FILES - {"README.md"}}
    assert hub.model(REPO).files().keys() - {".gitattributes"} == FILES | inside
    pulled, original = find.model(REPO).jpeg_model, artifact.read(two_models).jpeg_model
    assert pulled and original
    assert pulled.config == original.config


@pytest.mark.parametrize("name", ["fast", "best"])
def test_the_bundled_cards_are_current(name: str) -> None:
    model = find.model(name)
    written = card.of(model, name)
    assert written == (model.folder / "README.md").read_text("utf-8")
    assert "CQ100 | CC BY-SA 4.0" in written
    assert not _claims_open_images(written)


def test_nothing_of_the_former_model_stays(ready: tuple[Hub, str], two_models: Path) -> None:
    hub, model = ready
    accompany(two_models)
    (two_models / "DATA.md").write_text("# Mine\n")
    publish.run(PublishConfig(str(two_models), REPO))
    repository = hub.model(REPO)
    repository.commit(repository.files() | {"notes.txt": b"by hand"})
    publish.run(PublishConfig(model, REPO))
    assert repository.files().keys() - {".gitattributes"} == FILES | {"notes.txt"}


def accompany(model: Path) -> None:
    """Give a model credits and a picture."""
    (model / "ATTRIBUTION.csv").write_text(f"{','.join(HEADER)}\nab12,1,CC0,Ada,,,\n")
    (model / "before_after.png").write_bytes(b"picture")


def test_credits_and_picture_of_a_model_on_the_hub_are_published_with_it(
    ready: tuple[Hub, str], tiny_model: Path
) -> None:
    hub, model = ready
    accompany(tiny_model)
    publish.run(PublishConfig(model, REPO))
    assert not (find.model(REPO).folder / "ATTRIBUTION.csv").exists()  # upscaling does not wait for it
    for repo in ("ada/copy", REPO):
        publish.run(PublishConfig(REPO, repo))
        assert {name: hub.model(repo).files()[name] for name in artifact.COMPANIONS} == {
            name: (tiny_model / name).read_bytes() for name in artifact.COMPANIONS
        }


def test_a_warm_start_on_the_hub_comes_with_its_credits(
    ready: tuple[Hub, str], tiny_model: Path, tmp_path: Path
) -> None:
    _, model = ready
    accompany(tiny_model)
    publish.run(PublishConfig(model, REPO))
    start = beginning.warm_start(small_config(tmp_path, init_from=REPO))
    assert start
    assert "ab12,1,CC0,Ada" in (start.folder / "ATTRIBUTION.csv").read_text()


def test_credits_that_cannot_be_fetched_are_missed(
    ready: tuple[Hub, str], tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub, model = ready
    accompany(tiny_model)
    publish.run(PublishConfig(model, REPO))
    pulled = find.model(REPO)
    hub.down = True
    fetch_companions(pulled)
    assert "the credits of its training photos may be missing" in capsys.readouterr().err
    hub.down = False
    fetch_companions(pulled)
    hub.down = True
    fetch_companions(pulled)
    assert "missing" not in capsys.readouterr().err


def test_private_and_on_a_branch(ready: tuple[Hub, str]) -> None:
    hub, model = ready
    publish.run(PublishConfig(model, REPO, private=True, revision="v2"))
    repository = hub.model(REPO)
    assert repository.private
    assert "model.onnx" in repository.files("v2")
    assert "model.onnx" not in repository.files("main")


def test_a_dry_run_shows_the_files_and_the_card_and_asks_nobody(
    ready: tuple[Hub, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub, model = ready
    monkeypatch.delenv("HF_TOKEN")
    publish.run(PublishConfig(model, REPO, dry_run=True))
    shown = capsys.readouterr().out
    assert all(name in shown for name in FILES)
    assert "# doubler" in shown
    assert f"--model {REPO}" in shown
    assert hub.requests == []


def test_the_hub_can_read_the_card(ready: tuple[Hub, str]) -> None:
    hub, model = ready
    publish.run(PublishConfig(model, REPO))
    written = ModelCard(hub.model(REPO).files()["README.md"].decode())
    written.validate()
    assert written.data.get("license") == "apache-2.0"
    assert written.data.get("pipeline_tag") == "image-to-image"


@pytest.mark.parametrize(
    ("repo", "token", "sentence"),
    [
        (REPO, None, "no token for the Hub"),
        (REPO, "hf_wrong_and_secret", "the Hub does not accept the token"),
        (REPO, READ_TOKEN, "the token has no permission"),
        ("bob/doubler", TOKEN, "the token has no permission"),
        ("ada/not--allowed", TOKEN, "not a valid repository name"),
        ("ada/not/allowed", TOKEN, "not a valid repository name"),
        ("doubler", TOKEN, "names no owner"),
    ],
)
def test_refusals_are_one_sentence_without_the_token(
    ready: tuple[Hub, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    repo: str,
    token: str | None,
    sentence: str,
) -> None:
    hub, model = ready
    monkeypatch.delenv("HF_TOKEN")
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(DoubleResolutionError, match=sentence) as refused:
        publish.run(PublishConfig(model, repo))
    output = str(refused.value) + "".join(capfd.readouterr())
    assert "\n" not in str(refused.value)
    assert token is None or token not in output
    assert hub.repositories == {}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["/preupload/", "/objects/batch", "/lfs/", "/commit/"])
def test_an_upload_that_breaks_off_leaves_the_version_before(ready: tuple[Hub, str], place: str) -> None:
    hub, model = ready
    repository = hub.create(REPO)
    before = dict(repository.branches)
    hub.breaks_at = place
    with pytest.raises(EnsembleError, match="nothing was published"):
        publish.run(PublishConfig(model, REPO))
    assert repository.branches == before
    hub.breaks_at = None
    publish.run(PublishConfig(model, REPO))
    assert len(repository.commits) == 2


def test_a_repository_of_somebody_else_stays_as_it_is(ready: tuple[Hub, str]) -> None:
    hub, model = ready
    repository = hub.create("bob/doubler")
    with pytest.raises(ModelError, match="the token has no permission"):
        publish.run(PublishConfig(model, "bob/doubler"))
    assert len(repository.commits) == 1


def test_another_kind_of_model_is_not_overwritten(ready: tuple[Hub, str]) -> None:
    hub, model = ready
    repository = hub.create(REPO, files={"config.json": b'{"model_type": "bert"}'})
    with pytest.raises(EnsembleError, match="has another kind of model"):
        publish.run(PublishConfig(model, REPO))
    assert len(repository.commits) == 1


def test_the_kind_of_model_counts_on_the_branch_of_the_revision(ready: tuple[Hub, str]) -> None:
    hub, model = ready
    repository = hub.create(REPO)
    api = HfApi()
    for branch in ("other", "ours"):
        api.create_branch(REPO, branch=branch)
    for branch in ("other", "main"):
        other = CommitOperationAdd("config.json", b'{"model_type": "bert"}')
        api.create_commit(REPO, [other], commit_message="Add a model", revision=branch)
    with pytest.raises(EnsembleError, match="has another kind of model"):
        publish.run(PublishConfig(model, REPO, revision="other"))
    assert b"bert" in repository.files("other")["config.json"]
    publish.run(PublishConfig(model, REPO, revision="ours"))
    assert b"bert" not in repository.files("ours")["config.json"]


def test_private_weights_do_not_go_to_a_public_repository(ready: tuple[Hub, str]) -> None:
    hub, model = ready
    repository = hub.create(REPO)
    with pytest.raises(EnsembleError, match="exists and is public"):
        publish.run(PublishConfig(model, REPO, private=True))
    assert len(repository.commits) == 1


def test_a_broken_model_is_not_published(ready: tuple[Hub, str], tiny_model: Path) -> None:
    hub, model = ready
    (tiny_model / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="SHA-256"):
        publish.run(PublishConfig(model, REPO))
    assert hub.requests == []


@pytest.mark.parametrize("name", artifact.COMPANIONS)
def test_a_file_outside_the_models_folder_is_not_published(
    ready: tuple[Hub, str], tiny_model: Path, tmp_path: Path, name: str
) -> None:
    hub, model = ready
    (tmp_path / "private").write_text("image_id\n")
    (tiny_model / name).symlink_to(tmp_path / "private")
    with pytest.raises(ModelError, match=f"{name} is a link out of the model's folder"):
        publish.run(PublishConfig(model, REPO))
    assert hub.requests == []


@pytest.mark.slow
def test_from_one_command_line_to_another(ready: tuple[Hub, str], tmp_path: Path) -> None:
    hub, model = ready

    def run(*arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
        environment = os.environ | hub.environment(tmp_path / "cache", token)
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    refused = run("ensemble_pipeline", "publish", model, "--repo", REPO, token="hf_wrong_and_secret")
    assert refused.returncode == 1
    assert "the Hub does not accept the token" in refused.stderr.splitlines()[-1]
    assert "hf_wrong_and_secret" not in refused.stdout + refused.stderr

    published = run("ensemble_pipeline", "publish", model, "--repo", REPO)
    assert published.returncode == 0, published.stderr
    assert TOKEN not in published.stdout + published.stderr

    Image.fromarray(photo_like(20, 30)).save(tmp_path / "photo.png")
    double = ["upscaler", str(tmp_path / "photo.png"), "--overwrite", "--model", REPO]
    for down in (False, True):  # then from the cache
        hub.down = down
        doubled = run(*double)
        assert doubled.returncode == 0, doubled.stderr
        assert "using fast instead" not in doubled.stderr
    with Image.open(tmp_path / "photo_2x.png") as picture:
        assert picture.size == (60, 40)
