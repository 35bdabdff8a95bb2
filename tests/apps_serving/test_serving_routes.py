"""Allow-list of routes: new routes of Gradio must be reviewed."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

from apps.serving import routes

# Reviewed; needed neither by the pages nor by the documented endpoints
REFUSED = {
    *("/openapi.json", "/login", "/login/", "/logout", "/pwa_icon", "/pwa_icon/{size}"),
    *("/monitoring", "/monitoring/summary", "/monitoring/{key}", "/gradio_api/deep_link"),
    *(
        f"/gradio_api{path}"
        for path in (
            *("/user", "/user/", "/login_check", "/login_check/", "/token", "/token/", "/app_id/"),
            *("/dev/reload", "/runs", "/runs/", "/run-history/connect", "/run-history/buckets", "/run-history/records"),
            *("/run-history/records/{endpoint}/{record_id}/assets/{asset_id}", "/openapi.json"),
            *("/custom_component/{id}/{environment}/{type}/{file_name}", "/proxy={url_path:path}", "/file/{path:path}"),
            *(
                "/stream/{event_id}",
                "/stream/{event_id}/close",
                "/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
            ),
            *("/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",),
            *("/stream/{session_hash}/{run}/{component_id}/playlist-file",),
            *("/run/{api_name}", "/run/{api_name}/", "/api/{api_name}", "/api/{api_name}/", "/call/{api_name}/"),
            *("/call/v2/{api_name}/", "/call/v2/{api_name}/{event_id}"),
            *("/component_server", "/component_server/", "/process_recording", "/queue/status"),
            *("/vibe-edit", "/vibe-edit/", "/undo-vibe-edit", "/undo-vibe-edit/", "/vibe-code", "/vibe-code/"),
            *("/vibe-starter-queries", "/vibe-starter-queries/"),
        )
    ),
}


@cache
def mounted_routes() -> dict[str, list[str]]:
    """Return Gradio's path templates and methods, listed in another process because it leaves event loops open."""
    program = Path(__file__).with_name("list_routes.py")
    printed = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = json.loads(printed.splitlines()[-1])
    return found


def test_every_route_of_gradio_is_allowed_or_refused_by_name() -> None:
    found = mounted_routes()
    assert len(found) > 50  # otherwise the walk no longer finds the routes
    unknown = [path for path in found if path not in REFUSED and not is_allowed(path, found[path])]
    assert unknown == []


def is_allowed(template: str, methods: list[str]) -> bool:
    example = template.replace("{path:path}", "x").replace("{path_or_url:path}", "x").replace("{", "").replace("}", "")
    return any(routes.find(method, example) for method in methods)


def test_no_refused_route_is_allowed() -> None:
    found = mounted_routes()
    for template in REFUSED & found.keys():
        example = template.replace(":path}", "}").replace("{", "").replace("}", "")
        for method in found[template]:
            assert routes.find(method, example) is None, template


def test_a_path_must_match_completely() -> None:
    assert routes.find("GET", "/config") is not None
    for path in ("/config\n", "/configs", "//config", "/config/x", "config", "/health/", "/gradio_api/queue/join"):
        assert routes.find("GET", path) is None
