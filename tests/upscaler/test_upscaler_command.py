"""Command line: inputs, outputs and exit codes."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.models import write_tiny_model
from support.odd_pictures import ODD
from support.pictures import photo_like
from upscaler import Upscaler, files
from upscaler.__main__ import COMMANDS, main
from upscaler.atomic import atomic_path
from upscaler.errors import OptionError
from upscaler.model import find
from upscaler.upscaler import Progress


def save(path: Path, height: int = 12, width: int = 16, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo_like(height, width, seed)).save(path)
    return path


def run(model: Path, *arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments), "--model", str(model)])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_the_default_output_is_next_to_the_input(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = save(tmp_path / "my photo é.jpg")
    assert run(tiny_model, source) == 0
    target = tmp_path / "my photo é_2x.jpg"
    assert size(target) == (32, 24)
    assert capsys.readouterr().out == f"{target}\n"


def test_out_names_a_file_and_its_format(tmp_path: Path, tiny_model: Path) -> None:
    assert run(tiny_model, save(tmp_path / "a.jpg"), "-o", tmp_path / "deep" / "b.webp") == 0
    with Image.open(tmp_path / "deep" / "b.webp") as image:
        assert image.format == "WEBP"


def test_int8_is_used_where_the_model_has_weights_for_it(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model", int8=True)
    assert run(model, save(tmp_path / "a.png"), "--precision", "int8") == 0
    with Image.open(tmp_path / "a_2x.png") as image:
        doubled = np.array(image)
    rounded, exact = (Upscaler(find.model(str(model)), name).upscale(photo_like(12, 16)) for name in ("int8", "f32"))
    assert (doubled == rounded).all()
    assert (doubled != exact).any()


@pytest.mark.parametrize("pictures", [1, 2])
def test_int8_is_refused_where_the_model_has_no_weights_for_it(tmp_path: Path, tiny_model: Path, pictures: int) -> None:
    sources = [save(tmp_path / f"{n}.png") for n in range(pictures)]
    with pytest.raises(SystemExit, match="has no network in int8; leave out --precision"):
        main([*map(str, sources), "-o", f"{tmp_path}/out/", "--precision", "int8", "--model", str(tiny_model)])


def test_several_inputs_go_into_a_folder(tmp_path: Path, tiny_model: Path) -> None:
    a, b = save(tmp_path / "a.jpg"), save(tmp_path / "b.png")
    assert run(tiny_model, a, b, "-o", tmp_path / "out.d", "--format", "png") == 0
    assert sorted(path.name for path in (tmp_path / "out.d").iterdir()) == ["a.png", "b.png"]


@pytest.mark.slow
def test_a_folder_keeps_its_tree(tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "in" / "a.jpg")
    save(tmp_path / "in" / "deep" / "er" / "b.png")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    assert run(tiny_model, tmp_path / "in", "-o", tmp_path / "flat") == 0
    assert [path.name for path in (tmp_path / "flat").iterdir()] == ["a.jpg"]
    assert run(tiny_model, tmp_path / "in", "-o", tmp_path / "tree", "--recursive") == 0
    assert size(tmp_path / "tree" / "deep" / "er" / "b.png") == (32, 24)


@pytest.mark.slow
def test_a_second_run_does_not_upscale_the_results(tmp_path: Path, tiny_model: Path) -> None:
    save(tmp_path / "a.png")
    assert run(tiny_model, tmp_path) == 0
    assert run(tiny_model, tmp_path, "--overwrite") == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["a.png", "a_2x.png"]


def test_a_failure_does_not_stop_the_rest(tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, c = save(tmp_path / "a.png"), save(tmp_path / "c.png")
    broken = tmp_path / "b.png"
    broken.write_bytes(b"no picture")
    assert run(tiny_model, a, broken, c) == 1
    assert (tmp_path / "a_2x.png").exists()
    assert (tmp_path / "c_2x.png").exists()
    sentence, summary = capsys.readouterr().err.splitlines()
    assert sentence.startswith(f"error: {broken}")
    assert summary == f"2 upscaled, 1 passed over: {broken}"


def test_existing_files_are_kept_without_overwrite(tmp_path: Path, tiny_model: Path) -> None:
    source, target = save(tmp_path / "a.png"), tmp_path / "a_2x.png"
    target.write_bytes(b"mine")
    assert run(tiny_model, source) == 1
    assert target.read_bytes() == b"mine"
    assert run(tiny_model, source, "--overwrite") == 0
    assert size(target) == (32, 24)


def test_times_and_flips(tmp_path: Path, tiny_model: Path) -> None:
    source = save(tmp_path / "a.png")
    assert run(tiny_model, source, "--times", 2) == 0
    assert size(tmp_path / "a_4x.png") == (64, 48)
    assert run(tiny_model, source) == 0
    assert run(tiny_model, source, "--ensemble-flips", "-o", tmp_path / "flips.png") == 0
    plain, flipped = (np.asarray(Image.open(tmp_path / name).copy()) for name in ("a_2x.png", "flips.png"))
    assert (plain != flipped).any()


@pytest.mark.parametrize("wrong", [["--quality", "101"], ["--times", "0"], ["--format", "doc"], ["--max-pixels", "x"]])
def test_invalid_option_values_are_named(tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "a.png"), *wrong])
    assert wrong[0] in f"{stopped.value.code}{capsys.readouterr().err}"


def test_max_pixels_is_in_megapixels(tmp_path: Path, tiny_model: Path) -> None:
    source = save(tmp_path / "a.png", 100, 110)
    assert run(tiny_model, source, "--max-pixels", "0.01") == 1
    assert run(tiny_model, source, "--max-pixels", "0.011") == 0


@pytest.mark.slow
def test_what_a_folder_passes_over_is_said(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    save(folder / "a.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "bill.pdf").write_bytes(b"%PDF-1.4")
    assert run(tiny_model, folder) == 0
    assert capsys.readouterr().err == "1 upscaled, 2 other files\n"
    (folder / "raw.psd").write_bytes(b"8BPS" + bytes(100))
    assert run(tiny_model, folder) == 1
    sentence, summary = capsys.readouterr().err.splitlines()
    assert sentence.startswith(f"error: {folder / 'raw.psd'} is a Photoshop document")
    assert summary == f"0 upscaled, 1 finished before, 2 other files, 1 passed over: {folder / 'raw.psd'}"


@pytest.mark.slow
def test_a_run_is_finished_by_the_same_command(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(3):
        save(tmp_path / "in" / f"{n}.png")
    assert run(tiny_model, tmp_path / "in", "-o", tmp_path / "out") == 0
    (tmp_path / "out" / "1.png").unlink()
    kept = (tmp_path / "out" / "0.png").stat().st_mtime_ns
    capsys.readouterr()
    assert run(tiny_model, tmp_path / "in", "-o", tmp_path / "out") == 0
    assert capsys.readouterr() == (f"{tmp_path / 'out' / '1.png'}\n", "1 upscaled, 2 finished before\n")
    assert (tmp_path / "out" / "0.png").stat().st_mtime_ns == kept
    assert run(tiny_model, tmp_path / "in" / "0.png", "-o", tmp_path / "out") == 1
    assert run(tiny_model, tmp_path / "in" / "0.png", "-o", tmp_path / "out", "--skip-existing") == 0


def test_the_time_of_the_input_is_kept_on_request(tmp_path: Path, tiny_model: Path) -> None:
    source = save(tmp_path / "a.png")
    os.utime(source, (0, 1_000_000_000.5))
    assert run(tiny_model, source, "--keep-time") == 0
    assert (tmp_path / "a_2x.png").stat().st_mtime == 1_000_000_000.5
    assert run(tiny_model, source, "--overwrite") == 0
    assert (tmp_path / "a_2x.png").stat().st_mtime > 1_000_000_001


@pytest.mark.parametrize(
    "wrong",
    [
        ["a.png", "--overwrite", "--skip-existing"],
        ["-", "a.png"],
        ["a.png", "b.png", "-o", "-"],
        ["-", "--keep-time"],
    ],
)
def test_options_that_contradict_each_other_are_refused(wrong: list[str]) -> None:
    with pytest.raises(OptionError):
        COMMANDS[0].parse(wrong)


def test_warnings_about_a_picture_in_a_folder_are_said_once(
    tmp_path: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = save(tmp_path / "in" / "a.jpg")
    source.write_bytes(ODD["jpeg_ultra_hdr_gain_map.jpg"]())
    assert run(tiny_model, tmp_path / "in", "-o", tmp_path / "out") == 0
    assert capfd.readouterr().err == f"{source}: its HDR gain map is left out\n1 upscaled\n"


def test_a_name_that_becomes_too_long_costs_one_picture(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = save(tmp_path / f"{'a' * 250}.png")
    save(tmp_path / "b.png")
    assert run(tiny_model, tmp_path) == 1
    assert (tmp_path / "b_2x.png").exists()
    assert capsys.readouterr().err.endswith(f"1 upscaled, 1 passed over: {long}\n")


def test_errors_of_the_system_say_what_to_do(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = save(tmp_path / "a.png")
    pipe, file = tmp_path / "pipe.jpg", tmp_path / "file"
    os.mkfifo(pipe)
    file.touch()
    for arguments, sentence in (
        ([pipe, "-o", tmp_path / "b.jpg"], f"{pipe} is a pipe or a device, not a file; redirect it, as in - < {pipe}"),
        (
            [source, "-o", file / "b.png"],
            f"there is a file where a folder is meant ({file}); give another place",
        ),
        ([file / "a.png"], f"a part of this path is a file, not a folder ({file}/a.png); correct it"),
        ([tmp_path, "-o", "-"], f"there is a folder where a file is meant ({tmp_path}); name a file"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main([*map(str, arguments), "--model", str(tiny_model)])
        said = capsys.readouterr().err or f"{stopped.value.code}\n"  # which Python would print
        assert said == f"error: {sentence}\n"


def test_an_error_names_the_target_and_not_its_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OSError, match="directory") as failed, atomic_path(tmp_path / "a.png"):
        pass
    assert failed.value.filename == str(tmp_path / "a.png")


def test_control_characters_of_names_do_not_reach_the_terminal(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tiny_model, save(tmp_path / "a.png"), tmp_path / "new\nline\x1b[31m\x9b.png", "-o", tmp_path / "out")
    error, summary = capsys.readouterr().err.splitlines()
    assert error == f"error: no such file or directory ({tmp_path}/new\\nline\\x1b[31m\\x9b.png)"
    assert summary.endswith("new\\nline\\x1b[31m\\x9b.png")


def test_control_characters_of_names_do_not_reach_the_terminal_in_warnings(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's, as in a process of the command's own
    source = tmp_path / "new\nline\x1b[31m\x9b.tif"
    Image.new("CMYK", (16, 12)).save(source)
    run(tiny_model, tmp_path)
    logging.getLogger(__name__).warning("%s", source)  # without a bar
    within_bar, _, without_bar = capsys.readouterr().err.splitlines()
    escaped = f"{tmp_path}/new\\nline\\x1b[31m\\x9b.tif"
    assert within_bar.startswith(f"{escaped}: converted its CMYK colours")
    assert without_bar == escaped


def test_a_lack_of_memory_is_said(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Iterator[Progress]:
        raise MemoryError
        yield

    monkeypatch.setattr(files, "double_file", fail)
    with pytest.raises(SystemExit, match=r"^error: this needs more memory than is free; "):
        main([str(save(tmp_path / "a.png")), "--model", str(tiny_model)])
