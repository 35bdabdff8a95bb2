"""Insertion of bytes into a file."""

import io
import mmap
from typing import BinaryIO


def insert(file: BinaryIO, place: int, content: bytes) -> None:
    """Insert bytes at a place; what follows moves up."""
    size = file.seek(0, io.SEEK_END)
    file.write(content)  # so that a full disk is an error here, and no signal below
    file.flush()
    with mmap.mmap(file.fileno(), 0) as mapped:
        mapped.move(place + len(content), place, size - place)
        mapped[place : place + len(content)] = content
