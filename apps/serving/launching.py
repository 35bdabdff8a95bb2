"""Start of an app without the Hub's token: models are fetched with it, then the program replaces itself without it.

An attacker may make a process that answers visitors or opens their pictures reveal all that it can read. So it holds no
token, neither in memory nor in /proc/<pid>/environ; at most one other process does, reached through pipes.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO, NoReturn

from upscaler.model import find

_PIPES = "DOUBLE_RESOLUTION_PIPES"  # set once the token is removed: pipes to the process that holds it, or ""

_ROOT = Path(__file__).parents[2]
_SECRETS = ("TOKEN", "SECRET", "OIDC")  # substrings of variable names from which huggingface_hub may get a token
_WITHOUT_TOKEN = {
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_OFFLINE": "1",  # the models are cached
    "HF_TOKEN_PATH": os.devnull,  # instead of the file of `hf auth login`
}


def leave_token(wanted: Sequence[str], keeper: str | None = None) -> None:
    """Fetch the models `wanted` and restart this program without the Hub's token; return at once in the restarted one.

    The restarted program gets --model with the fetched revisions. `keeper`: module to run with the token until this
    process ends, reached by `pipes_to_keeper`. Raises ModelError if a model cannot be fetched.
    """
    if _PIPES in os.environ:
        return
    command = [sys.executable, *sys.orig_argv[1:], "--model", ",".join(find.pinned(model) for model in wanted)]
    pipes = _start_keeper(keeper) if keeper else ""
    _replace_this_process(command, without_token(os.environ) | _WITHOUT_TOKEN | {_PIPES: pipes})


def pipes_to_keeper() -> tuple[BinaryIO, BinaryIO] | None:
    """Return the pipes for requests to and responses from the keeper that `leave_token` started, or None."""
    if not (numbers := os.environ.get(_PIPES)):
        return None
    requests, answers = map(int, numbers.split(","))
    return os.fdopen(_not_inheritable(requests), "wb", buffering=0), os.fdopen(_not_inheritable(answers), "rb")


def with_project(environment: Mapping[str, str]) -> dict[str, str]:
    """Add the project to PYTHONPATH, so that a Python process finds its packages from any folder."""
    path = os.pathsep.join(filter(None, [str(_ROOT), environment.get("PYTHONPATH")]))
    return {**environment, "PYTHONPATH": path}


def _start_keeper(keeper: str) -> str:
    process = subprocess.Popen(
        [sys.executable, "-m", keeper],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=with_project(os.environ),
        start_new_session=True,  # only the serving process gets Ctrl-C; this one ends with it
    )
    assert process.stdin and process.stdout
    return f"{_inheritable(process.stdin)},{_inheritable(process.stdout)}"


def without_token(environment: Mapping[str, str]) -> dict[str, str]:
    """Remove variables with names of secrets, and any others that contain a token's value."""
    secrets = {name: value for name, value in environment.items() if any(part in name.upper() for part in _SECRETS)}
    tokens = [token for value in secrets.values() if (token := value.strip()).startswith("hf_")]
    return {
        name: value
        for name, value in environment.items()
        if name not in secrets and not any(token in value for token in tokens)
    }


if sys.platform == "win32":  # processes cannot be replaced, and pipes are inherited as handles
    import msvcrt

    def _replace_this_process(command: list[str], environment: dict[str, str]) -> NoReturn:
        sys.exit(subprocess.run(command, env=environment, close_fds=False).returncode)

    def _inheritable(pipe: IO[bytes]) -> int:
        handle = msvcrt.get_osfhandle(pipe.fileno())
        os.set_handle_inheritable(handle, True)
        return handle

    def _not_inheritable(number: int) -> int:
        os.set_handle_inheritable(number, False)
        return msvcrt.open_osfhandle(number, 0)

else:

    def _replace_this_process(command: list[str], environment: dict[str, str]) -> NoReturn:
        os.execve(command[0], command, environment)

    def _inheritable(pipe: IO[bytes]) -> int:
        os.set_inheritable(pipe.fileno(), True)
        return pipe.fileno()

    def _not_inheritable(number: int) -> int:
        os.set_inheritable(number, False)
        return number
