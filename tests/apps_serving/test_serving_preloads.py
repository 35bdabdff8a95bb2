"""Preloads of Gradio's chunks. The tests of the pages hold them to what a browser loads."""

from pathlib import Path

import pytest

from apps.serving import preloads


def test_a_component_is_preloaded_with_all_that_it_imports_once() -> None:
    links = preloads.links(["html", "html"]).split("<link ")[1:]
    assert len(links) == len(set(links)) > 20
    for chunk in ("core-", "Blocks-", "HTML-"):
        assert sum(f'modulepreload" crossorigin href="./assets/{chunk}' in link for link in links) == 1
    assert any('stylesheet" crossorigin href="./assets/HTML-' in link for link in links)


def test_more_components_need_more_and_unknown_ones_nothing() -> None:
    assert len(preloads.links(["html", "audio"])) > len(preloads.links(["html"])) == len(preloads.links(["html", "no"]))


def test_another_frontend_is_not_preloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preloads, "_FRONTEND", tmp_path)
    index, entry = tmp_path / "index.html", tmp_path / "assets" / "index-1.js"
    index.write_text("<p>no scripts", encoding="utf-8")
    assert preloads.links(["html"]) == ""
    entry.parent.mkdir()
    entry.write_text("import('./x.js')", encoding="utf-8")
    index.write_text('<script src="./assets/index-1.js"></script>', encoding="utf-8")
    assert preloads.links(["html"]) == ""
