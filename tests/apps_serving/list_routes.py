"""Script that prints the methods of every path template of a mounted Gradio page as JSON."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from apps.serving.gradio_api import gr


def _walk(some: Any, prefix: str) -> Iterator[tuple[str, set[str]]]:
    for route in some:
        below = prefix + (getattr(route, "path", "") or "")
        if methods := getattr(route, "methods", None):
            yield below, methods
        inside = getattr(route, "original_router", route)  # FastAPI's wrapper of an included router
        yield from _walk(getattr(inside, "routes", None) or (), below)


if __name__ == "__main__":
    with gr.Blocks() as page:
        gr.Markdown("A page")
    server = gr.mount_gradio_app(FastAPI(docs_url=None, redoc_url=None, openapi_url=None), page, path="/")
    found: dict[str, set[str]] = {}
    for path, methods in _walk(server.routes, ""):
        found.setdefault(path, set()).update(methods)
    print(json.dumps({path: sorted(methods) for path, methods in found.items()}))
