"""Entry of a listing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A file of a place: its name, and its bytes."""

    name: str
    bytes: int
