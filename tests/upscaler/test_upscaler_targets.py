"""Names of results, and inputs that are results of earlier runs."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaler.errors import PictureError
from upscaler.naming import ENDINGS, Naming
from upscaler.targets import Found, Task, find

BESIDE = Naming(None, None, "_2x")


def files(folder: Path, *names: str) -> list[Path]:
    """Write empty files, which have the names of pictures."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def names(found: Found) -> dict[str, str]:
    return {task.source.name: task.target.name for task in found.tasks}


def into(out: object, suffix: str | None = None) -> Naming:
    return Naming(str(out), suffix, "_2x")


@pytest.mark.parametrize("out", ["new", "dated.2024-05-01/", "there.jxl", "there.jpg", ".hidden"])
def test_a_folder_exists_or_has_no_suffix_or_ends_with_a_slash(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path, "a.png", "there.jxl/x", "there.jpg/x")
    assert find((Path("a.png"),), into(out), False).tasks == [Task(Path("a.png"), Path(out) / "a.png")]


@pytest.mark.parametrize("out", ["out/res.jxl", "v1.2", "a.tar.gz"])
def test_an_unknown_suffix_is_no_folder(out: str, tmp_path: Path) -> None:
    (source,) = files(tmp_path, "a.png")
    with pytest.raises(PictureError, match=r"has no suffix of a supported format; .* or end the name of a folder with"):
        find((source,), into(tmp_path / out), False)
    assert find((tmp_path,), into(tmp_path / out), False).tasks[0].target == tmp_path / out / "a.png"


@pytest.mark.parametrize("out", ["file", "file/", "file.png/"])
def test_a_file_is_no_folder(out: str, tmp_path: Path) -> None:
    source, *_ = files(tmp_path, "a.png", "file", "file.png")
    with pytest.raises(PictureError, match="is a file, not a folder"):
        find((source,), Naming(f"{tmp_path}/{out}", None, "_2x"), False)


def test_a_picture_s_name_fits_the_format_and_one_input(tmp_path: Path) -> None:
    a, b = files(tmp_path, "a.png", "b.png")
    with pytest.raises(PictureError, match=r"-o y\.jpg and --format png contradict each other"):
        find((a,), into("y.jpg", ".png"), False)
    assert find((a,), into("y.jpeg", ".jpg"), False).tasks == [Task(a, Path("y.jpeg"))]
    for inputs in ((a, b), (tmp_path,)):
        with pytest.raises(PictureError, match=r"y\.jpg names one picture; to name a folder, end it with /"):
            find(inputs, into("y.jpg"), False)


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    (source,) = files(tmp_path, "a.png")
    for inputs, out in (((source,), source), ((tmp_path,), tmp_path)):
        with pytest.raises(PictureError, match="is both an input and an output"):
            find(inputs, into(out), False)


def test_pictures_that_differ_in_their_suffix_get_two_names(tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", "a.png", "b.png")
    naming = Naming(None, ".webp", "_2x")
    first = find((tmp_path,), naming, False)
    assert names(first) == {"a.jpg": "a (jpg)_2x.webp", "a.png": "a (png)_2x.webp", "b.png": "b_2x.webp"}
    for task in first.tasks:
        task.target.touch()
    files(tmp_path, "a.gif")  # a picture that is added changes no other name
    assert names(find((tmp_path,), naming, False)) == names(first) | {"a.gif": "a (gif)_2x.webp"}


def test_two_pictures_that_cannot_have_two_names_do_not_stop_the_rest(tmp_path: Path) -> None:
    a, other, c = files(tmp_path, "1/a.jpg", "2/a.jpg", "2/c.jpg")
    found = find((a, other, c), into(tmp_path / "out"), False)
    assert [task.source for task in found.tasks] == [a, c]
    assert list(found.refused) == [other]
    assert "would both be written to" in found.refused[other]


def test_a_folder_without_pictures_is_refused_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="contains no pictures"):
        find((tmp_path / "empty",), BESIDE, False)
    files(tmp_path, "full/a.png")
    found = find((tmp_path / "empty", tmp_path / "full"), BESIDE, False)
    assert names(found) == {"a.png": "a_2x.png"}
    assert list(found.refused) == [tmp_path / "empty"]


@pytest.mark.parametrize("given", ["folder", "names"])
def test_results_beside_their_inputs_are_no_inputs(given: str, tmp_path: Path) -> None:
    paths = files(tmp_path, "x.jpg", "x_2x.jpg", "x_4x.webp", "x (jpg)_2x.webp", "y_2x.jpg", "x_3x.jpg")
    found = find((tmp_path,) if given == "folder" else tuple(paths), Naming(None, None, "_4x"), False)
    assert sorted(names(found)) == ["x.jpg", "x_3x.jpg", "y_2x.jpg"]
    assert found.results == 3
    assert find((tmp_path / "x_2x.jpg",), BESIDE, False).tasks  # asked for by its name


def test_results_in_a_folder_inside_the_input_are_no_inputs(tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", "out/a.webp", "deep/b.jpg", "out/deep/b.webp")
    found = find((tmp_path,), into(tmp_path / "out"), True)
    assert names(found) == {"a.jpg": "a.jpg", "b.jpg": "b.jpg"}
    found = find((tmp_path / "out" / "deep",), into(tmp_path / "out"), False)
    assert names(found) == {"b.webp": "b.webp"}


def test_results_that_lie_among_their_inputs_are_no_inputs(tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", "a.webp")
    found = find((tmp_path,), into(tmp_path, ".webp"), False)
    assert found.tasks == [Task(tmp_path / "a.jpg", tmp_path / "a.webp")]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", ".b.jpg", ".part-1/a.jpg")
    assert names(find((tmp_path,), BESIDE, True)) == {"a.jpg": "a_2x.jpg"}


@pytest.mark.parametrize("recursive", [False, True])
def test_a_folder_that_cannot_be_listed_is_refused(
    recursive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, "a.jpg", "closed/b.jpg", "open/c.jpg")
    scandir, closed = os.scandir, tmp_path / "closed"

    def denied(path: Path) -> Any:
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    sentence = f"permission denied ({closed}); change the permissions or give another place"
    with pytest.raises(PictureError, match=re.escape(sentence)):
        find((closed,), BESIDE, recursive)
    found = find((tmp_path,), BESIDE, recursive)
    assert sorted(names(found)) == (["a.jpg", "c.jpg"] if recursive else ["a.jpg"])
    assert found.refused == ({closed: sentence} if recursive else {})


def test_a_file_that_cannot_be_opened_is_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "closed", "notes")
    opening = Path.open

    def denied(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opening(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", denied)
    found = find((tmp_path,), BESIDE, False)
    assert list(names(found)) == ["closed"]
    assert found.others == 1


def test_links_named_as_pictures_that_lead_nowhere_are_not_passed_over(tmp_path: Path) -> None:
    files(tmp_path, "in/a.jpg")
    for name, to in (("loop.jpg", "loop.jpg"), ("gone.PNG", "none.png"), ("latest", "none"), ("again", "again")):
        (tmp_path / "in" / name).symlink_to(to)
    (tmp_path / "in/folder.jpg").symlink_to(tmp_path)
    (tmp_path / "in/refused").symlink_to("x" * 300)  # by the system, for its length: reading complains
    found = find((tmp_path / "in",), BESIDE, False)
    assert sorted(names(found)) == ["a.jpg", "gone.PNG", "loop.jpg", "refused"]
    assert found.others == 0


@pytest.mark.parametrize(("given", "out"), [("loop.jpg", "b.jpg"), ("a.jpg", "loop.jpg"), ("a.jpg", "loop.jpg/b.jpg")])
def test_a_link_in_a_circle_is_a_path_like_others(tmp_path: Path, given: str, out: str) -> None:
    files(tmp_path, "a.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    task = Task(tmp_path / given, tmp_path / out)
    assert find((task.source,), Naming(str(task.target), None, "_2x"), False).tasks == [task]


NAMES = ["a.jpg", "a.png", "a (png).jpg", "b_2x.png", "b.tif", "c_2x_4x.bmp", "c_2x.gif"]
FORMATS = [None, ".webp", ".png"]


@given(
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.lists(st.tuples(st.sampled_from(FORMATS), st.sampled_from(ENDINGS)), min_size=2, max_size=4),
)
def test_no_run_takes_a_result_for_an_input_or_writes_two_to_one_name(
    tmp_path_factory: pytest.TempPathFactory, pictures: set[str], runs: list[tuple[str | None, str]]
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    files(folder, *pictures)
    inputs = []
    for suffix, ending in runs:
        found = find((folder,), Naming(None, suffix, ending), False)
        inputs.append({task.source for task in found.tasks} | found.refused.keys())
        targets = [task.target for task in found.tasks]
        assert len(targets) == len(set(targets))
        assert not inputs[0] & set(targets)
        for target in targets:
            target.touch()
    assert all(one == inputs[0] for one in inputs)
