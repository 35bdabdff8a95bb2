"""Allow-list of routes: those of the pages and the documented endpoints. All others return 404."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from starlette.routing import compile_path

GRADIO = "/gradio_api"
_LONGEST_NAME, _LONGEST_PATH = 255, 2000  # bytes; file systems refuse more than 255 and 4,096


class Body(Enum):
    """Kind of request body that a route accepts."""

    NONE = "none"
    JSON = "JSON"
    FILE = "a file"
    FILES = "files"


@dataclass(frozen=True)
class Route:
    """A path template in Starlette's notation with its methods. changes: True if a request changes state."""

    template: str
    methods: tuple[str, ...] = ("GET", "HEAD")
    body: Body = Body.NONE
    changes: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        """Compiled template."""
        return compile_path(self.template)[0]


JOIN = Route(f"{GRADIO}/queue/join", ("POST",), Body.JSON, changes=True)
CALL = Route(f"{GRADIO}/call/{{name}}", ("POST",), Body.JSON, changes=True)
CALL_BY_NAME = Route(f"{GRADIO}/call/v2/{{name}}", ("POST",), Body.JSON, changes=True)
UPLOAD = Route(f"{GRADIO}/upload", ("POST",), Body.FILES, changes=True)
UPLOAD_PROGRESS = Route(f"{GRADIO}/upload_progress", changes=True)
FILE = Route(f"{GRADIO}/file={{path:path}}")
JOBS = (JOIN, CALL, CALL_BY_NAME)  # routes that start jobs
MESSAGES = Route(f"{GRADIO}/queue/data", changes=True)
CALL_MESSAGES = Route(f"{GRADIO}/call/{{name}}/{{event_id}}", changes=True)
PAGES = (Route("/"), Route("/config"), Route("/config/"))

ALLOWED = (
    *PAGES,
    Route("/health"),
    Route("/static/{path:path}"),
    Route("/assets/{path:path}"),
    Route("/svelte/{path:path}"),
    Route("/favicon.ico"),
    Route("/card.jpg"),
    Route("/theme.css"),
    Route("/robots.txt"),
    Route("/manifest.json"),
    Route(f"{GRADIO}/theme.css"),
    Route(f"{GRADIO}/info"),
    Route(f"{GRADIO}/info/"),
    Route(f"{GRADIO}/app_id"),  # a page that has lost the connection asks for it until it is answered, and reloads
    Route(f"{GRADIO}/startup-events", changes=True),
    Route(f"{GRADIO}/heartbeat/{{session_hash}}", changes=True),
    UPLOAD_PROGRESS,
    Route(f"{GRADIO}/cancel", ("POST",), Body.JSON, changes=True),
    Route(f"{GRADIO}/reset", ("POST",), Body.JSON, changes=True),
    Route(f"{GRADIO}/reset/", ("POST",), Body.JSON, changes=True),
    JOIN,
    MESSAGES,
    CALL,
    CALL_BY_NAME,
    CALL_MESSAGES,
    UPLOAD,
    FILE,
)


def patterns(own: Iterable[Route] = ()) -> tuple[tuple[Route, re.Pattern[str]], ...]:
    """Return the allowed routes, and an app's own, with their patterns."""
    return tuple((route, route.pattern) for route in (*ALLOWED, *own))


def find(
    method: str, path: str, allowed: Iterable[tuple[Route, re.Pattern[str]]] = patterns()
) -> tuple[Route, dict[str, str]] | None:
    """Return the allowed route for a decoded path with its parameters, or None."""
    if len(path.encode()) > _LONGEST_PATH or max(len(name.encode()) for name in path.split("/")) > _LONGEST_NAME:
        return None
    for route, pattern in allowed:
        if method in route.methods and (match := pattern.fullmatch(path)):
            return route, match.groupdict()
    return None
