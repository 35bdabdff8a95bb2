"""The start of an app: what needs the Hub's token is done first, then the program is started anew without it.

A process that answers visitors or opens their pictures may be made to tell all that it can read. So it holds no token,
neither in memory nor in /proc/<pid>/environ; at most one other process does, which takes requests by pipes.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO, NoReturn

from upscaler.model import find

_PIPES = "DOUBLE_RESOLUTION_PIPES"  # set once the token is gone: the pipes to the program that kept it, or nothing

_ROOT = Path(__file__).parents[2]
_SECRETS = ("TOKEN", "SECRET", "OIDC")  # parts of the names of variables from which huggingface_hub gets a token
_WITHOUT_TOKEN = {
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_OFFLINE": "1",  # the models are in the cache
    "HF_TOKEN_PATH": os.devnull,  # in place of the file that `hf auth login` writes
}


def leave_token(wanted: Sequence[str], keeper: str | None = None) -> None:
    """Fetch the models `wanted`, and start this program anew without the Hub's token; in that one, return at once.

    There the option --model names the models as they were fetched. `keeper`: a module to run with the token until
    this process has ended, for `pipes_to_keeper`. Raises ModelError if a model cannot be had.
    """
    if _PIPES in os.environ:
        return
    command = [sys.executable, *sys.orig_argv[1:], "--model", ",".join(find.pinned(model) for model in wanted)]
    pipes = _started(keeper) if keeper else ""
    _replace_this_process(command, without_token(os.environ) | _WITHOUT_TOKEN | {_PIPES: pipes})


def pipes_to_keeper() -> tuple[BinaryIO, BinaryIO] | None:
    """Take the pipes for requests to, and answers of, the program that `leave_token` started, if it did."""
    if not (numbers := os.environ.get(_PIPES)):
        return None
    requests, answers = map(int, numbers.split(","))
    return os.fdopen(_taken(requests), "wb", buffering=0), os.fdopen(_taken(answers), "rb")


def with_project(environment: Mapping[str, str]) -> dict[str, str]:
    """Let a Python with this environment find the project's packages, whatever folder it is started in."""
    path = os.pathsep.join(filter(None, [str(_ROOT), environment.get("PYTHONPATH")]))
    return {**environment, "PYTHONPATH": path}


def _started(keeper: str) -> str:
    process = subprocess.Popen(
        [sys.executable, "-m", keeper],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=with_project(os.environ),
        start_new_session=True,  # Ctrl-C is for the serving process, at whose end this one ends
    )
    assert process.stdin and process.stdout
    return f"{_handed_on(process.stdin)},{_handed_on(process.stdout)}"


def without_token(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out the variables that are named as secrets, and whatever else holds the value of one."""
    secrets = {name: value for name, value in environment.items() if any(part in name.upper() for part in _SECRETS)}
    tokens = [token for value in secrets.values() if (token := value.strip()).startswith("hf_")]
    return {
        name: value
        for name, value in environment.items()
        if name not in secrets and not any(token in value for token in tokens)
    }


if sys.platform == "win32":  # where a process cannot be replaced, and pipes are handed on as handles
    import msvcrt

    def _replace_this_process(command: list[str], environment: dict[str, str]) -> NoReturn:
        sys.exit(subprocess.run(command, env=environment, close_fds=False).returncode)

    def _handed_on(pipe: IO[bytes]) -> int:
        handle = msvcrt.get_osfhandle(pipe.fileno())
        os.set_handle_inheritable(handle, True)
        return handle

    def _taken(number: int) -> int:
        os.set_handle_inheritable(number, False)
        return msvcrt.open_osfhandle(number, 0)

else:

    def _replace_this_process(command: list[str], environment: dict[str, str]) -> NoReturn:
        os.execve(command[0], command, environment)

    def _handed_on(pipe: IO[bytes]) -> int:
        os.set_inheritable(pipe.fileno(), True)
        return pipe.fileno()

    def _taken(number: int) -> int:
        os.set_inheritable(number, False)
        return number
