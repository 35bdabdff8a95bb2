"""Lookup of models by name, and downloads from a local Hub with the Hub's client."""

import hashlib
import io
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from support.hub import Hub
from support.models import write_tiny_model
from support.pictures import photo_like
from upscaler import Upscaler
from upscaler.__main__ import main
from upscaler.engines.precision import PRECISIONS
from upscaler.errors import HubError, HubUnreachableError, ModelError
from upscaler.model import find
from upscaler.model import hub as hub_module

NAME = "ada/double"
Files = dict[str, bytes]


def files_of(folder: Path) -> Files:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return files_of(write_tiny_model(tmp_path / "tiny_model", int8=True))


@pytest.fixture
def other_files(tmp_path: Path) -> Files:
    return files_of(write_tiny_model(tmp_path / "other", seed=1))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the client's pauses between retries."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_a_pulled_model_is_the_branchs_commit(hub: Hub, files: Files) -> None:
    repository = hub.create(NAME, files=files)
    model = find.model(NAME)
    assert (model.name, model.revision) == (NAME, repository.branches["main"][:12])
    assert {name: (model.folder / name).read_bytes() for name in files} == files


def test_the_jpeg_network_is_pulled_too(hub: Hub, two_models: Path) -> None:
    hub.create(NAME, files=files_of(two_models))
    pulled = find.model(NAME).jpeg_model
    assert pulled
    assert pulled.weights_file.read_bytes() == (two_models / "jpegs" / "model.safetensors").read_bytes()


def test_a_branch_is_followed_and_older_commits_stay_available(hub: Hub, files: Files, other_files: Files) -> None:
    repository = hub.create(NAME, files=files)
    old = repository.branches["main"]
    assert find.model(NAME).revision == old[:12]
    new = repository.commit(other_files)
    assert find.model(NAME).revision == new[:12]
    pinned = find.model(f"{NAME}@{old}")
    assert pinned.revision == old[:12]
    assert pinned.weights_file.read_bytes() == files["model.safetensors"]


def test_a_pinned_commit_is_used_again_without_a_request(hub: Hub, files: Files) -> None:
    commit = hub.create(NAME, files=files).branches["main"]
    find.model(f"{NAME}@{commit}")
    before = len(hub.requests)
    find.model(f"{NAME}@{commit}")
    assert len(hub.requests) == before


@pytest.mark.parametrize("lost", ["down", "refused", "offline"])
def test_the_cached_model_is_used_during_an_outage(
    hub: Hub, files: Files, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.create(NAME, files=files)
    fetched = find.model(NAME)
    lose(hub, lost, monkeypatch)
    assert find.model(NAME) == fetched


def lose(hub: Hub, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "down":
        hub.down = True
    elif how == "refused":
        hub.breaks_at = ""
        monkeypatch.setattr(
            "huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9"
        )  # no server listens on this port
    else:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("lost", ["down", "refused", "offline"])
def test_the_fast_model_is_used_without_a_cached_one(
    hub: Hub, lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_model(tmp_path / "fast")
    lose(hub, lost, monkeypatch)
    monkeypatch.setattr(find, "_FOLDER", tmp_path)
    assert Upscaler.load(NAME).model.name == "fast"
    assert f"the Hub does not respond, and {NAME} is not cached" in capsys.readouterr().err
    with pytest.raises(HubUnreachableError):
        find.model(NAME)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("down", [True, False])
def test_a_mistyped_folder_is_said_and_replaced_by_no_model(
    hub: Hub, down: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.down = down
    write_tiny_model(tmp_path / "ensembles/mine")
    monkeypatch.chdir(tmp_path)
    for name in ("ensembles/mien", "./mien"):
        with pytest.raises(ModelError, match=f"^{name} is no folder here, and ") as refused:
            find.model_or_fast(name)
        assert not isinstance(refused.value, HubError)


@pytest.mark.usefixtures("impatient")
def test_a_pinned_name_gives_the_same_model_without_the_hub(hub: Hub, files: Files, other_files: Files) -> None:
    repository = hub.create(NAME, files=files)
    pinned = find.pinned(NAME)
    repository.commit(other_files)
    asked = len(hub.requests)
    found = find.model(pinned)
    assert (found.name, found.revision) == (NAME, pinned.removeprefix(f"{NAME}@")[:12])
    assert (found.folder / "config.json").read_bytes() == files["config.json"]
    assert len(hub.requests) == asked


def test_pinned_names_name_the_used_model(hub: Hub, tiny_model: Path, impatient: None) -> None:
    hub.down = True
    assert [find.pinned(name) for name in ("best", str(tiny_model), NAME)] == ["best", str(tiny_model), "fast"]


@pytest.mark.slow
@pytest.mark.parametrize("breaks", ["breaks_at", "cuts_at"])
def test_an_interrupted_download_is_resumed(hub: Hub, files: Files, breaks: str) -> None:
    hub.create(NAME, files=files)
    setattr(hub, breaks, "/cdn/")
    with pytest.raises(HubUnreachableError):
        find.model(NAME)
    setattr(hub, breaks, None)
    hub.down = True
    with pytest.raises(HubUnreachableError):  # a partial download is not a model
        find.model(NAME)
    hub.down = False
    assert find.model(NAME).weights_file.read_bytes() == files["model.safetensors"]


def test_missing_models_get_one_sentence(hub: Hub, files: Files) -> None:
    hub.create(NAME, files=files)
    hub.create("ada/data", kind="dataset", files={"data.csv": b"1"})
    for name, sentence in (
        (f"{NAME}@v9", "has no revision v9"),
        ("ada/nothing", "has no model ada/nothing; check the name"),
        ("ada/data", "has no model ada/data"),
        ("ada/a--b", "is not a valid repository name"),
        ("no such folder", "model 'no such folder' does not exist"),
    ):
        with pytest.raises(ModelError, match=sentence) as caught:
            find.model(name)
        assert "\n" not in str(caught.value)


def test_a_wrong_token_is_reported_but_not_shown(hub: Hub, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.create(NAME, files=files)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_token")
    with pytest.raises(ModelError, match="does not accept the token") as caught:
        find.model(NAME)
    assert "hf_wrong_token" not in str(caught.value)


def changed_config(files: Files, **changes: object) -> Files:
    config = json.loads(files["config.json"]) | changes
    return files | {"config.json": json.dumps(config).encode()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda files: files | {"model.safetensors": b"another"},
            "model.safetensors .* does not match its SHA-256 in config.json",
        ),
        (
            lambda files: {name: files[name] for name in files if name != "model.safetensors"},
            "has no model.safetensors",
        ),
        (lambda files: {name: files[name] for name in files if name != "config.json"}, "has no config.json"),
        (lambda files: changed_config(files, surprise=1), "surprise: extra inputs are not permitted"),
        (
            lambda files: changed_config(files, format_version=3),
            "format_version: .* this version reads formats 1 and 2",
        ),
        (
            lambda files: {"config.json": b'{"model_type": "bert"}'},
            "config.json: .* this version reads formats 1 and 2",
        ),
    ],
)
def test_an_incomplete_model_on_the_hub_is_refused(
    hub: Hub, files: Files, change: Callable[[Files], Files], sentence: str
) -> None:
    hub.create(NAME, files=change(files))
    with pytest.raises(ModelError, match=sentence):
        find.model(NAME)


class Malice:
    """A pickle that runs code when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_malicious_pickle_is_refused_and_not_executed(hub: Hub, files: Files, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    payload = pickle.dumps(Malice(trap))
    pickle.load(io.BytesIO(payload))
    assert trap.exists()
    trap.rmdir()
    hashes = json.loads(files["config.json"])["sha256"] | {"model.safetensors": hashlib.sha256(payload).hexdigest()}
    bad = files | {"model.safetensors": payload, "pytorch_model.bin": payload}
    hub.create(NAME, files=changed_config(bad, sha256=hashes))
    model = find.model(NAME)
    assert not (model.folder / "pytorch_model.bin").exists()
    for precision in PRECISIONS:
        with pytest.raises(ModelError, match="no readable weights"):
            Upscaler(model, precision)
    assert not trap.exists()


def test_a_model_of_format_1_is_read_without_its_graph(hub: Hub, files: Files) -> None:
    hashes = json.loads(files["config.json"])["sha256"] | {"model.onnx": "0" * 64}
    hub.create(NAME, files=changed_config(files, format_version=1, sha256=hashes) | {"model.onnx": b"graph"})
    model = find.model(NAME)
    assert not (model.folder / "model.onnx").exists()
    for precision in PRECISIONS:
        Upscaler(model, precision).upscale(photo_like(8, 8))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "README.md"])
def test_a_file_over_the_size_limit_is_not_downloaded(hub: Hub, files: Files, name: str) -> None:
    hub.create(NAME, files=files)
    hub.said[name] = 1 << 40
    with pytest.raises(HubError, match=rf"{name} of {NAME} has 1,099,511,627,776 bytes") as refused:
        find.model(NAME)
    assert "\n" not in str(refused.value)
    assert [line for line in hub.requests if "/resolve/" in line or "/cdn/" in line] == []


def test_only_the_models_files_are_downloaded(hub: Hub, files: Files) -> None:
    strange = {"training.bin": b"x", "sub/README.md": b"x", "config.json.bak": b"x", "jpegs/README.md": b"x"}
    hub.create(NAME, files=files | strange)
    hub.said["training.bin"] = 1 << 40
    assert files_of(find.model(NAME).folder) == files


def test_an_endless_download_is_aborted(hub: Hub, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_BYTES", 30_000_000)
    hub.create(NAME, files=files)
    hub.floods_at = "/cdn/"
    with pytest.raises(HubError, match="the download exceeds the limit"):
        find.model(NAME)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["/api/models/", "/cdn/"])
def test_a_trickling_download_falls_back_to_the_fast_model(
    hub: Hub, files: Files, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub_module, "DEADLINE", 1.0)
    hub.create(NAME, files=files)
    hub.trickles_at = where
    before = set(threading.enumerate())
    assert find.model_or_fast(NAME).name == "fast"
    assert f"the download of {NAME} from the Hub did not finish within 1 seconds" in capsys.readouterr().err
    until = time.monotonic() + 30
    while downloading := {t for t in set(threading.enumerate()) - before if "ThreadPool" in t.name or "run" in t.name}:
        assert time.monotonic() < until, downloading  # otherwise the program could not exit
        time.sleep(0.05)


def test_nothing_between_the_hub_and_the_engine_unpickles() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in Path(find.__file__).parent.glob("*.py")}
    assert "hub.py" in sources
    assert [name for name, text in sources.items() if re.search(r"pickle|import (torch|joblib|dill)", text)] == []


def test_a_damaged_cached_file_is_downloaded_again(hub: Hub, files: Files) -> None:
    hub.create(NAME, files=files)
    damage(find.model(NAME).weights_file)
    assert find.model(NAME).weights_file.read_bytes() == files["model.safetensors"]


def test_a_damaged_file_is_not_used_during_an_outage(hub: Hub, files: Files) -> None:
    hub.create(NAME, files=files)
    damage(find.model(NAME).weights_file)
    hub.down = True
    with pytest.raises(ModelError):
        find.model(NAME)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("lost", [{"down": True}, {"breaks_at": "/resolve/"}])
def test_a_damaged_model_falls_back_to_the_fast_one_during_an_outage(
    hub: Hub, files: Files, lost: dict[str, object]
) -> None:
    hub.create(NAME, files=files)
    damage(find.model(NAME).weights_file)
    vars(hub).update(lost)
    assert find.model_or_fast(NAME).name == "fast"


def damage(graph: Path) -> None:
    graph.resolve().write_bytes(graph.read_bytes()[:-1] + b"x")


def test_the_environment_sets_the_default_model(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(photo_like(20, 30)).save(tmp_path / "photo.png")
    monkeypatch.setenv(find.VARIABLE, str(tiny_model))
    with pytest.raises(SystemExit) as done:
        main([str(tmp_path / "photo.png")])
    assert done.value.code == 0
    with Image.open(tmp_path / "photo_2x.png") as doubled:
        assert doubled.size == (60, 40)


def test_a_signal_is_survived_after_models_are_freed(tiny_model: Path) -> None:
    program = f"""
import signal
from upscaler import Upscaler
first, second = Upscaler.load({str(tiny_model)!r}), Upscaler.load({str(tiny_model)!r})
del first
del second
signal.signal(signal.SIGTERM, lambda number, frame: print("heard"))
signal.raise_signal(signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
