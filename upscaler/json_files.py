"""JSON files of others, read within bounds."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

Kind = TypeVar("Kind")

_SHOWN = 80  # characters of a field's name, which the file's author chose


class JsonError(ValueError):
    """A JSON file that is too long or not of the kind due; the message names the first field that is wrong."""


def load(path: Path, kind: type[Kind], limit: int) -> Kind:
    """Read a JSON file of at most `limit` bytes and check it. Raises JsonError and OSError.

    Pydantic's parser bounds the depth of nesting, where Python's own runs out of stack.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise JsonError(f"the file is longer than {limit:,} bytes")
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        raise JsonError(_first(error)) from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    field = ascii(".".join(map(str, first["loc"])))[1:-1][:_SHOWN]
    return f"{field or 'the file'}: {first['msg'].lower()}"
