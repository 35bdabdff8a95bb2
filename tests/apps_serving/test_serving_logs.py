"""Logs of a running app: no names of visitors' files, and limited in size."""

import logging
from pathlib import Path

import pytest
import requests
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from apps.serving import logs
from support.models import write_tiny_model
from support.pictures import photo_like
from support.processes import running_app


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_logs_name_no_file_and_stay_small(tmp_path: Path) -> None:
    photo, broken = tmp_path / "private.png", tmp_path / "private.jpg"
    Image.fromarray(photo_like(30, 40)).save(photo)
    broken.write_bytes(b"no picture")
    settings = {"DOUBLE_RESOLUTION_MODEL": str(write_tiny_model(tmp_path / "model")), "TMPDIR": str(tmp_path)}
    with running_app("apps.ui", settings) as (app, address):
        client = Client(address, verbose=False)
        client.predict(handle_file(photo), api_name="/double")
        for file, format in ((broken, "PNG"), (photo, "private")):
            with pytest.raises(AppError):
                client.predict(handle_file(file), format=format, api_name="/double")
        for _ in range(200):
            answer = requests.post(f"{address}/gradio_api/call/double", json={"data": ["private"]}, timeout=30)
            if answer.status_code == 200:
                event = answer.json()["event_id"]
                body = requests.get(f"{address}/gradio_api/call/double/{event}", timeout=30).text
                assert "error" in body
        app.terminate()
        assert app.stderr
        log = app.stderr.read()
    assert "a picture was refused" in log
    assert "ERROR" not in log  # visitors' mistakes are no failures
    assert "private" not in log
    assert len(log) < 40_000


def test_a_failure_is_logged_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    given = "private.png"
    try:
        int(given)
    except ValueError:
        logs._log_failure()
    assert "a call failed with ValueError" in caplog.text
    assert given not in caplog.text


def test_records_are_limited() -> None:
    limit, record = logs.RateLimit(), logging.makeLogRecord({})
    assert sum(limit.filter(record) for _ in range(200)) == logs.MOST
