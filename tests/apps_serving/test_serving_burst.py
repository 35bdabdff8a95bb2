"""A burst of connections while the server is busy."""

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
from apps.serving.serve import run
from apps.serving.settings import ServingSettings

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/busy":
        time.sleep(3)  # nothing else is served meanwhile
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})

run(app, ServingSettings(port=int(sys.argv[1])))
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
