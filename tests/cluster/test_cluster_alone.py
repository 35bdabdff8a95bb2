"""Access to a Ray cluster started here: from this machine only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STARTED = """
import os
import sys

import psutil

from cluster.engine import Engine
from cluster.task import Task

engine = Engine("ray", storage=sys.argv[1])
assert engine.do(Task("a", "test", lambda: os.environ["RAY_AUTH_MODE"])) == "token"
here = psutil.Process()
for process in (here, *here.children(recursive=True)):
    for connection in process.net_connections("inet"):
        if connection.status == psutil.CONN_LISTEN:
            print(connection.laddr.ip)
"""


@pytest.mark.slow
def test_it_listens_on_the_loopback_and_asks_for_a_token(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-c", STARTED, str(tmp_path / "storage")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"::ffff:127.0.0.1", "127.0.0.1"}
    assert (tmp_path / ".ray" / "auth_token").exists()
