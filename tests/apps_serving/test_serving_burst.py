"""The address of an app: in use, or with a burst of connections while the server is busy."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from support.processes import free_port

ROOT = Path(__file__).parents[2]
BUSY = """
import sys, time
from apps.serving.listening import taken_address
from apps.serving.serve import run
from apps.serving.settings import ServingSettings

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/busy":
        time.sleep(3)  # nothing else is served meanwhile
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})

settings = ServingSettings(port=int(sys.argv[1]))
run(app, "The app", taken_address(settings), settings)
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.mark.slow
def test_connections_wait_while_the_loop_is_busy(port: int) -> None:
    program = subprocess.Popen([sys.executable, "-c", BUSY, str(port)], cwd=ROOT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                requests.get(address, timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        threading.Thread(target=requests.get, args=(f"{address}/busy",), kwargs={"timeout": 30}).start()
        time.sleep(0.5)
        waiting = [socket.create_connection(("127.0.0.1", port), timeout=1) for _ in range(400)]  # else one times out
        for connection in waiting:
            connection.close()
        assert requests.get(address, timeout=20).text == "served"
    finally:
        program.kill()
        program.wait()


@pytest.mark.slow
@pytest.mark.parametrize("app", ["ui", "monitor"])
def test_an_address_in_use_is_said_instead_of_ready(app: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        environment = os.environ | {"GRADIO_SERVER_PORT": str(port)}
        command = [sys.executable, "-m", f"apps.{app}"]
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"error: 127.0.0.1:{port} cannot be served (address already in use); "
        "set another GRADIO_SERVER_PORT or GRADIO_SERVER_NAME\n"
    )
