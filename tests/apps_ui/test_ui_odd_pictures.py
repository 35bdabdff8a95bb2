"""Odd pictures through the command line, the API, the monitor and the features: the same result by all four."""

from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from apps.monitor.pictures import BrokenPictureError
from apps.monitor.worker import prepare
from apps.serving import loading
from feature_pipeline.pictures import UnusableError, decode
from support.odd_pictures import ODD, REFUSED
from upscaler.__main__ import main
from upscaler.limits import Limits
from upscaler.model import artifact
from upscaler.model.artifact import Artifact
from upscaler.pictures.reading import read_rgb8

HDR = "png_cicp_pq.png"  # upscaled as it is, and never shown as sRGB


@pytest.fixture(scope="module")
def client(ui: str) -> Client:
    return Client(ui, verbose=False)


@pytest.fixture(scope="module")
def model(ui_folder: Path) -> Artifact:
    """The model of the web UI."""
    return artifact.read(ui_folder / "model")


def by_command_line(source: Path, target: Path, model: Artifact) -> bytes | None:
    with pytest.raises(SystemExit) as ended:
        main([str(source), "-o", str(target), "--model", str(model.folder)])
    return None if ended.value.code else target.read_bytes()


def by_api(source: Path, client: Client) -> bytes | None:
    try:
        return Path(client.predict(handle_file(source), api_name="/double")).read_bytes()
    except AppError:
        return None


def by_monitor(source: Path, folder: Path, model: Artifact) -> bytes | None:
    file = folder / "day"
    file.write_bytes(source.read_bytes())
    jobs, _ = prepare(loading.place_of(model))
    try:
        list(jobs["double"](file=file, name="apod", limits=Limits()))
    except BrokenPictureError:
        return None
    return next(folder.glob("apod_2x.*")).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ODD))
def test_all_programs_agree(client: Client, model: Artifact, tmp_path: Path, name: str) -> None:
    source = tmp_path / f"odd_{name}"
    source.write_bytes(ODD[name]())
    results = [by_command_line(source, tmp_path / f"out{source.suffix}", model), by_api(source, client)]
    if not (name.startswith("apng") or "page" in name or name == HDR):  # the monitor shows single pictures, in sRGB
        results.append(by_monitor(source, tmp_path, model))
    assert all(result == results[0] for result in results)
    assert (results[0] is None) == (name in REFUSED)


@pytest.mark.parametrize("name", sorted(ODD))
def test_features_see_the_picture_that_is_upscaled(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_bytes(ODD[name]())
    if name in REFUSED or name == HDR:
        with pytest.raises(UnusableError):
            decode(source.read_bytes())
    else:
        assert np.array_equal(decode(source.read_bytes()), read_rgb8(source))
