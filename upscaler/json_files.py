"""Bounded reading of untrusted JSON files."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

Kind = TypeVar("Kind")

_MAX_FIELD_NAME = 80  # characters shown of a field's name, which is untrusted


class JsonError(ValueError):
    """Error for a JSON file that is too long or does not match its schema; the message names the first wrong field."""


def load(path: Path, kind: type[Kind], limit: int) -> Kind:
    """Read a JSON file of at most `limit` bytes and validate it as `kind`. Raises JsonError and OSError.

    Pydantic's parser bounds the nesting depth; Python's own overflows the stack.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise JsonError(f"the file is longer than {limit:,} bytes")
    return parse(content, kind)


def parse(content: bytes, kind: type[Kind]) -> Kind:
    """Parse JSON and validate it as `kind`. Raises JsonError."""
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        raise JsonError(_first_error(error)) from error


def check(content: object, kind: type[Kind]) -> Kind:
    """Validate parsed JSON as `kind`. Raises JsonError."""
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise JsonError(_first_error(error)) from error


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    field = ascii(".".join(map(str, first["loc"])))[1:-1][:_MAX_FIELD_NAME]
    own = first["msg"].removeprefix("Value error, ")  # a sentence of this project, about the whole if there is no field
    subject = "" if own != first["msg"] and not field else f"{field or 'the file'}: "
    return f"{subject}{own.lower()}"
