"""Reception of a picture file."""

import secrets
import unicodedata
from pathlib import Path

from starlette.requests import Request

from apps.serving.refusal import RequestRefusedError, fault
from upscaler.atomic import atomic_path

_LONGEST_SUFFIX = 16  # characters; what is longer belongs to the name
_JOINERS = "\u200c\u200d"
_LONGEST_NAME = 180  # bytes; file systems allow 255, and the results' names are longer


async def received(request: Request, folder: Path) -> Path:
    """Write a request's body to a file in a new folder in `folder`, with the name that the query gives; return it.

    Raises RequestRefusedError if the system does not take it, such as on a full disk, and what the guard raises.
    """
    source = folder / f"upload_{secrets.token_hex(4)}" / safe_name(request.query_params.get("name", ""))
    try:
        with atomic_path(source) as temporary, temporary.open("wb") as file:
            async for part in request.stream():
                file.write(part)
    except OSError as error:
        raise RequestRefusedError(507, f"{fault(error)}; try again later") from error
    return source


def safe_name(given: str) -> str:
    """Return a name for a file of a visitor: without folders, control characters, or a dot at the start.

    Joiners stay, which Persian, Hindi and many emoji need, and characters that this Python does not know yet.
    """
    name = given.replace("\\", "/").rpartition("/")[2]
    name = "".join(filter(_is_harmless, name)).strip().lstrip(".")
    suffix = found if len(found := Path(name).suffix) <= _LONGEST_SUFFIX else ""
    stem = name.removesuffix(suffix).encode()[: _LONGEST_NAME - len(suffix.encode())].decode(errors="ignore")
    return f"{stem or 'picture'}{suffix}"


def _is_harmless(letter: str) -> bool:
    return letter in _JOINERS or unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
