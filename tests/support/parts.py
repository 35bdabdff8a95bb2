"""Generated parts of Open Images: gzipped tars of photos."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from functools import lru_cache

from PIL import Image

from support.pictures import photo_like


@lru_cache(maxsize=64)
def photo(seed: int, width: int = 600, height: int = 300) -> bytes:
    """Return a JPEG with two tiles."""
    # The frame makes photos differ: the generated shading is always the same
    image = Image.fromarray(photo_like(height, width, seed))
    image.paste(
        Image.effect_noise((width // 4, height // 3), 80).convert("L"), (seed * 37 % (width // 2), seed * 53 % 150)
    )
    content = io.BytesIO()
    image.rotate(seed % 4 * 90 if width == height else seed % 2 * 180).save(content, "JPEG", quality=90)
    return content.getvalue()


def tar_gz(files: Mapping[str, bytes], folder: str = "train_0") -> bytes:
    """Return a part: a gzipped tar with the files in a folder."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", encoding="utf-8") as tar:
        directory = tarfile.TarInfo(folder)
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        for name, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(content.getvalue(), 1, mtime=0)


def part(pictures: int, first: int = 0) -> bytes:
    """Return a part of `pictures` photos with image ids of 16 digits."""
    return tar_gz({f"{n:016x}.jpg": photo(n) for n in range(first, first + pictures)})
