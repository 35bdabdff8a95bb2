"""Versions of packages that are too old to serve strangers."""

from types import ModuleType

import pytest

from apps.monitor import __main__ as monitor
from apps.serving import floors
from apps.serving.floors import OutdatedError
from apps.ui import __main__ as ui


def test_the_installed_versions_may_serve() -> None:
    floors.check()


@pytest.mark.parametrize("app", [ui, monitor], ids=["ui", "monitor"])
@pytest.mark.parametrize(("name", "old"), [("pillow", "11.3.0"), ("gradio", "6.20.0")])
def test_no_app_is_served_with_an_older_package(
    name: str, old: str, app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floors, "version", lambda asked: old if asked == name else "99")
    with pytest.raises(OutdatedError, match=f"^{name} {old} is too old to serve; run pip install --upgrade '{name}>="):
        app.serve(app.ServeConfig())
