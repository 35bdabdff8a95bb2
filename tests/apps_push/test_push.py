"""Staging of an app, and its upload as a Space by the Hub's client."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import SpaceCard

from apps import push
from apps.monitor import settings as monitor
from apps.push import PushError, SpaceConfig
from apps.ui import settings as ui
from ensemble_pipeline import publish
from ensemble_pipeline.config import PublishConfig
from support.hub import READ_TOKEN, Hub
from upscaler.errors import DoubleResolutionError
from upscaler.model import artifact, find

pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=:DeprecationWarning"
)  # raised by the client during uploads

SPACE = "ada/doubler"
MODEL = ("config.json", "model.safetensors")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the client's pauses between retries."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the web UI's files, to which a test may add others."""
    root = tmp_path / "checkout"
    for name in ("apps", "docker", "requirements"):
        shutil.copytree(push.ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "upscaler").mkdir()
    shutil.copy(push.ROOT / "upscaler/__init__.py", root / "upscaler")
    shutil.copy(push.ROOT / "pyproject.toml", root)
    monkeypatch.setattr(push, "ROOT", root)
    return root


@pytest.mark.parametrize("app", ["ui", "monitor"])
def test_the_staged_files_are_the_app_the_upscaler_and_the_model(app: str, tmp_path: Path) -> None:
    push.stage(SpaceConfig(app, SPACE), tmp_path)
    files = files_in(tmp_path)
    assert files >= {"README.md", "Dockerfile", "apps/__init__.py", f"apps/{app}/app.py", "upscaler/engines/engine.py"}
    assert files >= {f"upscaler/bundled/fast/{name}" for name in MODEL}
    assert {path.split("/")[0] for path in files} == {"README.md", "Dockerfile", "requirements", "apps", "upscaler"}
    assert {path.split("/")[1] for path in files if path.startswith("apps/")} <= {"__init__.py", "serving", app}


def test_other_files_in_an_app_are_not_staged(checkout: Path, tmp_path: Path) -> None:
    push.stage(SpaceConfig("ui", SPACE), tmp_path / "clean")
    others = [".env", ".env.local", ".netrc", "id_rsa", "token", "notes.txt", ".hidden.py", ".git/config"]
    others += ["app.py~", "app.py.orig", "#app.py#", ".app.py.swp", "page.css~", "page.css.bak"]
    others += ["samples/.DS_Store", "samples/private.heic", "samples/a.jpg~", "__pycache__/app.cpython-311.pyc"]
    for other in others:
        for folder in ("apps/ui", "upscaler", "apps"):
            (checkout / folder / other).parent.mkdir(exist_ok=True)
            (checkout / folder / other).write_text("hf_secret")
    (checkout / "apps/ui/.#app.py").symlink_to("somebody@host.1234")  # lock file of Emacs
    push.stage(SpaceConfig("ui", SPACE), tmp_path / "staged")
    assert files_in(tmp_path / "staged") == files_in(tmp_path / "clean")


@pytest.mark.parametrize(
    ("name", "target"),
    [("app.py", "secret"), ("page/desk.css", "secret"), ("samples", "folder"), ("README.md", "secret")],
)
def test_any_link_is_refused(checkout: Path, tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / "secret").write_text("hf_secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/private.jpg").write_text("hf_secret")
    place = checkout / "apps/ui" / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    place.symlink_to(tmp_path / target)
    with pytest.raises(PushError, match=f"{Path(name).name} is a link"):
        push.stage(SpaceConfig("ui", SPACE), tmp_path / "staged")


def test_a_link_in_the_folder_of_a_model_is_refused(two_models: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hf_secret")
    (two_models / "README.md").unlink()
    (two_models / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(DoubleResolutionError, match=r"README\.md is a link"):
        push.stage(SpaceConfig("ui", SPACE, str(two_models)), tmp_path / "staged")


@pytest.mark.parametrize("app", ["ui", "monitor"])
def test_a_space_is_built_from_the_locks(app: str, tmp_path: Path) -> None:
    push.stage(SpaceConfig(app, SPACE), tmp_path)
    assert (tmp_path / "Dockerfile").read_bytes() == (push.ROOT / f"docker/{app}.Dockerfile").read_bytes()
    for lock in push.LOCKS:
        assert (tmp_path / lock).read_bytes() == (push.ROOT / lock).read_bytes()


@pytest.mark.parametrize("app", ["ui", "monitor"])
def test_the_front_matter_describes_the_space(app: str, tmp_path: Path) -> None:
    push.stage(SpaceConfig(app, SPACE), tmp_path)
    card = SpaceCard.load(tmp_path / "README.md")
    assert card.data.sdk == "docker"
    assert f"EXPOSE {card.data.app_port}" in (tmp_path / "Dockerfile").read_text()
    for link in re.findall(r"\]\((?!\w+:|#)([^)]+)\)", card.text):
        assert (tmp_path / link).exists()


def test_an_app_is_uploaded_in_one_commit(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    push.run(SpaceConfig("ui", SPACE))
    space = hub.space(SPACE)
    assert space.sdk == "docker"
    assert len(space.commits) == 2  # the Hub's initial commit, and ours
    assert space.files()["upscaler/bundled/fast/model.safetensors"] == find.model("fast").weights_file.read_bytes()
    assert f"{hub.url}/spaces/{SPACE}" in capsys.readouterr().out


def test_the_next_version_replaces_the_previous(hub: Hub) -> None:
    hub.create(SPACE, "space", {"upscaler/old.py": b"old", "README.md": b"old"})
    push.run(SpaceConfig("monitor", SPACE))
    space = hub.space(SPACE)
    assert len(space.commits) == 2
    assert "upscaler/old.py" not in space.files()
    assert "apps/monitor/app.py" in space.files()


def test_best_is_set_as_a_variable_without_further_files(hub: Hub) -> None:
    push.run(SpaceConfig("ui", SPACE, model="best"))
    space = hub.space(SPACE)
    assert space.settings["variables"] == {find.VARIABLE: "best"}
    assert "upscaler/bundled/best/model.safetensors" in space.files()
    assert not any(path.startswith("apps/ui/model/") for path in space.files())


def test_a_dry_run_lists_the_files_without_requests(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    push.run(
        SpaceConfig("monitor", SPACE, secrets={"HF_TOKEN": "hf_hidden"}, variables={"CACHE_GB": "2"}, dry_run=True)
    )
    shown = capsys.readouterr().out
    for line in (
        "apps/monitor/app.py",
        "upscaler/bundled/fast/model.safetensors",
        "variable CACHE_GB = 2",
        "secret HF_TOKEN",
    ):
        assert line in shown
    assert "HISTORY_REPO" in shown  # a known variable that is not set
    assert "hf_hidden" not in shown
    assert hub.requests == []


def test_secrets_and_variables_are_set_before_the_app_starts(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    push.run(SpaceConfig("ui", SPACE, secrets={"HF_TOKEN": "hf_hidden"}, variables={"QUEUE_SIZE": "5"}))
    assert hub.space(SPACE).settings == {"secrets": {"HF_TOKEN": "hf_hidden"}, "variables": {"QUEUE_SIZE": "5"}}
    paths = [request.split()[1] for request in hub.requests]
    assert paths.index(f"/api/spaces/{SPACE}/secrets") < paths.index(f"/api/spaces/{SPACE}/commit/main")
    assert "hf_hidden" not in "".join(capfd.readouterr())
    assert b"hf_hidden" not in b"".join(hub.space(SPACE).files().values())


def test_a_model_folder_is_staged(hub: Hub, two_models: Path) -> None:
    push.run(SpaceConfig("ui", SPACE, str(two_models)))
    space = hub.space(SPACE)
    assert space.settings["variables"] == {find.VARIABLE: "apps/ui/model"}
    for name in artifact.read(two_models).files:
        assert space.files()[f"apps/ui/model/{name}"] == (two_models / name).read_bytes()


def test_a_model_on_the_hub_is_named_in_the_front_matter(hub: Hub, tiny_model: Path) -> None:
    publish.run(PublishConfig(str(tiny_model), "ada/model"))
    push.run(SpaceConfig("ui", SPACE, "ada/model@main"))
    space = hub.space(SPACE)
    assert space.settings["variables"] == {find.VARIABLE: "ada/model@main"}
    assert SpaceCard(space.files()["README.md"].decode()).data.get("models") == ["ada/model"]


def test_the_hub_can_read_the_front_page(hub: Hub) -> None:
    push.run(SpaceConfig("ui", SPACE))
    card = SpaceCard(hub.space(SPACE).files()["README.md"].decode())
    card.validate()
    assert card.data.get("emoji") == "🔍"


class Environment(dict[str, str]):
    """Variables without values, with a log of those that are read."""

    def __init__(self) -> None:
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """Note the variable."""
        self.read.add(key)
        return default


@pytest.mark.parametrize(
    ("app", "from_environment"), [("ui", ui.from_environment), ("monitor", monitor.from_environment)]
)
def test_the_variables_of_an_app_are_those_that_it_reads(app: str, from_environment: Callable[..., object]) -> None:
    environment = Environment()
    from_environment("fast", environment)
    of_the_host = {"GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "SPACE_HOST"}
    assert environment.read - of_the_host | {find.VARIABLE} == {*push.VARIABLES[app]}


@pytest.mark.parametrize(
    ("config", "token", "sentence"),
    [
        (SpaceConfig("ui", SPACE), None, "no token for the Hub"),
        (SpaceConfig("ui", SPACE), "hf_wrong_and_secret", "the Hub does not accept the token"),
        (SpaceConfig("ui", SPACE), READ_TOKEN, "the token has no permission"),
        (SpaceConfig("ui", "doubler"), "", "names no owner"),
        (SpaceConfig("ui", "ada/not--allowed"), "", "not a valid repository name"),
        (SpaceConfig("ui", SPACE, "ada/no-model"), "", "the Hub has no model ada/no-model"),
        (SpaceConfig("ui", SPACE, variables={"CACHE_GB": "1"}), "", "ui reads no variable CACHE_GB"),
        (SpaceConfig("ui", SPACE, secrets={"PASSWORD": "x"}), "", "ui reads no secret PASSWORD"),
    ],
)
def test_refusals_are_one_sentence_and_create_no_space(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, config: SpaceConfig, token: str | None, sentence: str
) -> None:
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    elif token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(DoubleResolutionError, match=sentence) as refused:
        push.run(config)
    assert "\n" not in str(refused.value)
    assert hub.repositories == {}


def test_a_space_of_another_app_is_not_overwritten(hub: Hub) -> None:
    space = hub.create(SPACE, "space", {"app.py": b"print('another')"})
    with pytest.raises(PushError, match="holds another app"):
        push.run(SpaceConfig("ui", SPACE))
    assert len(space.commits) == 1


@pytest.mark.slow
@pytest.mark.parametrize("place", ["/preupload/", "/objects/batch", "/lfs/", "/commit/"])
def test_an_interrupted_upload_leaves_the_previous_version(hub: Hub, place: str) -> None:
    space = hub.create(SPACE, "space")
    hub.breaks_at = place
    with pytest.raises(PushError, match="still serves its previous files"):
        push.run(SpaceConfig("ui", SPACE))
    assert len(space.commits) == 1


def test_a_value_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CACHE_GB", "7")
    monkeypatch.setattr("sys.argv", ["push", "monitor", "--space", SPACE, "--variable", "CACHE_GB", "--dry-run"])
    push.main()
    assert "variable CACHE_GB = 7" in capsys.readouterr().out


def test_a_missing_value_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("CACHE_GB", raising=False)
    monkeypatch.setattr("sys.argv", ["push", "monitor", "--space", SPACE, "--variable", "CACHE_GB", "--dry-run"])
    with pytest.raises(SystemExit) as ended:
        push.main()
    assert "CACHE_GB has no value here" in str(ended.value.code)
