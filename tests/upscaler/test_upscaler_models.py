"""Models found by name, and pulled from a Hub on loopback by the real client."""

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
from generated import photo_like, write_tiny_model
from hub_server import Hub
from hub_server import hub as hub  # a fixture
from PIL import Image

from upscaler import Upscaler
from upscaler.__main__ import main
from upscaler.engines.engine import PRECISIONS
from upscaler.errors import HubError, HubUnreachableError, ModelError
from upscaler.model import find
from upscaler.model import hub as hub_module

NAME = "ada/double"
Files = dict[str, bytes]


def files_of(folder: Path) -> Files:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def files(tiny_model: Path) -> Files:
    return files_of(tiny_model)


@pytest.fixture
def other_files(tmp_path: Path) -> Files:
    return files_of(write_tiny_model(tmp_path / "other", seed=1))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client tries again and again; here without waiting in between."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_a_pulled_model_is_the_commit_that_the_branch_stands_at(hub: Hub, files: Files) -> None:
    repository = hub.create(NAME, files=files)
    model = find.model(NAME)
    assert (model.name, model.revision) == (NAME, repository.branches["main"][:12])
    assert {name: (model.folder / name).read_bytes() for name in files} == files


def test_a_model_for_jpegs_comes_with_it(hub: Hub, two_models: Path) -> None:
    hub.create(NAME, files=files_of(two_models))
    pulled = find.model(NAME).jpeg_model
    assert pulled
    assert pulled.weights_file.read_bytes() == (two_models / "jpegs" / "model.safetensors").read_bytes()


def test_a_branch_is_followed_and_an_older_commit_is_kept(hub: Hub, files: Files, other_files: Files) -> None:
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
def test_the_cached_model_serves_when_the_hub_does_not_answer(
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
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    else:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("lost", ["down", "refused", "offline"])
def test_the_fast_model_serves_when_nothing_is_cached(
    hub: Hub, lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_model(tmp_path / "fast")
    lose(hub, lost, monkeypatch)
    monkeypatch.setattr(find, "_FOLDER", tmp_path)
    assert Upscaler.load(NAME).model.name == "fast"
    assert f"the Hub does not answer, and {NAME} is not in the cache" in capsys.readouterr().err
    with pytest.raises(HubUnreachableError):
        find.model(NAME)


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


def test_pinned_names_are_of_what_serves(hub: Hub, tiny_model: Path, impatient: None) -> None:
    hub.down = True
    assert [find.pinned(name) for name in ("best", str(tiny_model), NAME)] == ["best", str(tiny_model), "fast"]


@pytest.mark.parametrize("breaks", ["breaks_at", "cuts_at"])
def test_a_download_that_breaks_is_no_model_and_is_taken_up_again(hub: Hub, files: Files, breaks: str) -> None:
    hub.create(NAME, files=files)
    setattr(hub_module, breaks, "/cdn/")
    with pytest.raises(HubUnreachableError):
        find.model(NAME)
    setattr(hub_module, breaks, None)
    hub.down = True
    with pytest.raises(HubUnreachableError):  # the half that is there is no model
        find.model(NAME)
    hub.down = False
    assert find.model(NAME).weights_file.read_bytes() == files["model.safetensors"]


def test_what_the_hub_does_not_have_is_refused_in_a_sentence(hub: Hub, files: Files) -> None:
    hub.create(NAME, files=files)
    hub.create("ada/data", kind="dataset", files={"data.csv": b"1"})
    for name, sentence in (
        (f"{NAME}@v9", "has no revision v9"),
        ("ada/nothing", "shows no model ada/nothing; check the name"),
        ("ada/data", "shows no model ada/data"),
        ("ada/a--b", "is not a name that the Hub allows"),
        ("no such folder", "there is no model 'no such folder'"),
    ):
        with pytest.raises(ModelError, match=sentence) as caught:
            find.model(name)
        assert "\n" not in str(caught.value)


def test_a_wrong_token_is_named_and_not_shown(hub: Hub, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.create(NAME, files=files)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_token")
    with pytest.raises(ModelError, match="does not accept the token") as caught:
        find.model(NAME)
    assert "hf_wrong_token" not in str(caught.value)


def changed_config(files: Files, **changes: object) -> Files:
    config = json.loads(files["config.json"]) | changes
    return files | {"config.json": json.dumps(config).encode()}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda files: files | {"model.safetensors": b"another"}, "model.safetensors .* is not what config.json says"),
        (lambda files: {name: files[name] for name in files if name != "model.safetensors"}, "lacks model.safetensors"),
        (lambda files: {name: files[name] for name in files if name != "config.json"}, "has no config.json"),
        (lambda files: changed_config(files, surprise=1), "surprise: extra inputs are not permitted"),
        (
            lambda files: changed_config(files, format_version=3),
            "format_version: .* this version reads the formats 1 and 2",
        ),
        (
            lambda files: {"config.json": b'{"model_type": "bert"}'},
            "config.json: .* this version reads the formats 1 and 2",
        ),
    ],
)
def test_a_pulled_repository_that_is_no_whole_model_is_refused(
    hub: Hub, files: Files, change: Callable[[Files], Files], sentence: str
) -> None:
    hub.create(NAME, files=change(files))
    with pytest.raises(ModelError, match=sentence):
        find.model(NAME)


class Malice:
    """What a pickle may hold: an order to whoever loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_malicious_checkpoint_is_refused_and_does_nothing(hub: Hub, files: Files, tmp_path: Path) -> None:
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
        with pytest.raises(ModelError, match="no weights that can be read"):
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
def test_a_file_that_is_too_long_is_refused_before_it_is_sent(hub: Hub, files: Files, name: str) -> None:
    hub.create(NAME, files=files)
    hub.said[name] = 1 << 40
    with pytest.raises(HubError, match=rf"{name} of {NAME} has 1,099,511,627,776 bytes") as refused:
        find.model(NAME)
    assert "\n" not in str(refused.value)
    assert [line for line in hub.requests if "/resolve/" in line or "/cdn/" in line] == []


def test_of_a_repository_nothing_but_the_model_is_fetched(hub: Hub, files: Files) -> None:
    strange = {"training.bin": b"x", "sub/README.md": b"x", "config.json.bak": b"x", "jpegs/README.md": b"x"}
    hub.create(NAME, files=files | strange)
    hub.said["training.bin"] = 1 << 40
    assert files_of(find.model(NAME).folder) == files


def test_a_download_that_never_ends_is_given_up(hub: Hub, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_BYTES", 30_000_000)
    hub.create(NAME, files=files)
    hub.floods_at = "/cdn/"
    with pytest.raises(HubError, match="the Hub sends more than a model has"):
        find.model(NAME)


@pytest.mark.parametrize("where", ["/api/models/", "/cdn/"])
def test_a_trickle_is_given_up_and_the_fast_model_serves(
    hub: Hub, files: Files, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub_module, "DEADLINE", 1.0)
    hub.create(NAME, files=files)
    hub.trickles_at = where
    before = set(threading.enumerate())
    assert find.model_or_fast(NAME).name == "fast"
    assert f"the Hub has not sent {NAME} within 1 seconds" in capsys.readouterr().err
    until = time.monotonic() + 30
    while downloading := {t for t in set(threading.enumerate()) - before if "ThreadPool" in t.name or "run" in t.name}:
        assert time.monotonic() < until, downloading  # or the program could not end
        time.sleep(0.05)


def test_nothing_between_the_hub_and_the_engine_unpickles() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in Path(find.__file__).parent.glob("*.py")}
    assert "hub.py" in sources
    assert [name for name, text in sources.items() if re.search(r"pickle|import (torch|joblib|dill)", text)] == []


def test_a_cached_file_that_was_damaged_is_fetched_again(hub: Hub, files: Files) -> None:
    hub.create(NAME, files=files)
    damage(find.model(NAME).weights_file)
    assert find.model(NAME).weights_file.read_bytes() == files["model.safetensors"]


def test_a_damaged_file_does_not_serve_when_the_hub_does_not_answer(hub: Hub, files: Files) -> None:
    hub.create(NAME, files=files)
    damage(find.model(NAME).weights_file)
    hub.down = True
    with pytest.raises(ModelError):
        find.model(NAME)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("lost", [{"down": True}, {"breaks_at": "/resolve/"}])
def test_for_a_damaged_model_that_cannot_be_fetched_again_the_fast_one_serves(
    hub: Hub, files: Files, lost: dict[str, object]
) -> None:
    hub.create(NAME, files=files)
    damage(find.model(NAME).weights_file)
    vars(hub).update(lost)
    assert find.model_or_fast(NAME).name == "fast"


def damage(graph: Path) -> None:
    graph.resolve().write_bytes(graph.read_bytes()[:-1] + b"x")


def test_the_environment_names_the_model_of_the_command_line(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(photo_like(20, 30)).save(tmp_path / "photo.png")
    monkeypatch.setenv(find.VARIABLE, str(tiny_model))
    with pytest.raises(SystemExit) as done:
        main([str(tmp_path / "photo.png")])
    assert done.value.code == 0
    with Image.open(tmp_path / "photo_2x.png") as doubled:
        assert doubled.size == (60, 40)


def test_a_signal_is_survived_after_models_are_let_go(tiny_model: Path) -> None:
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
