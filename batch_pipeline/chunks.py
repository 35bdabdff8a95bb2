"""Chunks of pictures of about equal work, for the actors of a cluster."""

from collections.abc import Iterator

from batch_pipeline.catalogue import Task

_PIXELS = 25e6  # of a chunk: two photos, or seconds of work
_LONGEST = 50  # pictures of a chunk
_PICTURE = 50_000  # pixels that a picture costs beside its own
# Pixels for each byte, to guess from a listing alone: of photos at usual qualities
_PIXELS_PER_BYTE = {".jpg": 3.0, ".jpeg": 3.0, ".webp": 6.0, ".avif": 8.0, ".heic": 6.0, ".png": 0.6}
_OTHERS = 0.35  # uncompressed, such as BMP and most TIFFs


def chunks(tasks: Iterator[Task]) -> Iterator[list[Task]]:
    """Yield pictures in chunks of about equal pixels, as their sizes and suffixes suggest."""
    chunk, pixels = list[Task](), 0.0
    for task in tasks:
        chunk.append(task)
        suffix = task.source[task.source.rfind(".") :].lower()
        pixels += _PICTURE + task.bytes * _PIXELS_PER_BYTE.get(suffix, _OTHERS)
        if pixels >= _PIXELS or len(chunk) == _LONGEST:
            yield chunk
            chunk, pixels = [], 0.0
    if chunk:
        yield chunk
