"""The model card: what the model is, how it was made and how good it is, in Markdown under the Hub's metadata."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from upscaler.model.artifact import DATA, Artifact, Member, ModelConfig
from upscaler.pictures import lossy

PICTURE = "before_after.png"

_HOW = {
    "single": "one network",
    "outputs": "the mean of the outputs of {n} networks",
    "weights": "one network whose weights are the mean of those of {n} networks with a common beginning",
    "distilled": "one network trained to give what {n} networks give together",
}
_HEAD = ("| network | parts of Open Images | pictures | steps |", "|---|---|---|---|")
_MEASURES = {"psnr_y": ("psnr", "PSNR (Y), dB"), "ssim_y": ("ssim", "SSIM (Y)"), "psnr_rgb": ("psnr", "PSNR (RGB), dB")}

_USE = """## Use
It is not a transformers or diffusers model: the networks are plain convolutions, which other programs find as ONNX in
`model.onnx`, and the program around them cuts a picture into windows, keeps its transparency, profile and metadata, and
puts it together again.

```sh
python -m upscaler photo.jpg -o photo_2x.png --model {name}
```
"""
_LIMITS = """## Limits
- It doubles, once; more is doubling again, and each time invents a little less of what a larger photo would show.
- It was trained on photos that were halved by bicubic interpolation. {damage}; drawings and text were few.
- It is made to be near the truth in the mean (PSNR), so it would rather be soft than invent texture. Do not read from a
  doubled picture what the small one does not show: no number plate, no face.
"""
_DAMAGE = """Noise and the blocks of strong JPEG compression
  are details to it, and are doubled with the rest"""
_DAMAGE_BUT_JPEGS = """Noise is detail to it, and is doubled with the
  rest, and so are the traces of JPEG in a picture that is not a JPEG any more"""
_OPEN_IMAGES = """## Data and attribution
The photos are of [Open Images](https://storage.googleapis.com/openimages/web/index.html), listed there as CC BY 2.0.
`ATTRIBUTION.csv`, which the feature pipeline writes beside the tiles of each part, names every photographer.
"""


def model_card(
    name: str, config: ModelConfig, measured: dict[str, Any], folder: Path, jpeg_model: Artifact | None
) -> str:
    """Write the card of a model. name: as `--model` takes it. folder: its own, whose DATA.md is put in.

    measured: what its metrics.json holds; "tests" and "picture" are of `evaluate`. jpeg_model: the model
    inside of it for those, if there is one.
    """
    title = name.rpartition("/")[2]
    parts = [
        f"---\n{metadata(title, config, measured).to_yaml()}\n---",
        f"# {title}\n\nDoubles the width and height of photos: {_what(config)}.\n\n{_USE.format(name=name)}",
        _making(config, measured),
        *_making_of_jpeg_model(config, jpeg_model),
        *_tests(measured),
        *_samples(measured),
        _LIMITS.format(damage=_DAMAGE_BUT_JPEGS if jpeg_model else _DAMAGE),
        _data(folder / DATA),
        "## Licence\nApache-2.0, the weights too.\n",
    ]
    return "\n".join(parts)


def of(model: Artifact, name: str) -> str:
    """The card of a model that is written already, under another name or its own."""
    return model_card(name, model.config, model.metrics, model.folder, model.jpeg_model)


def metadata(name: str, config: ModelConfig, measured: dict[str, Any]) -> ModelCardData:
    """What the Hub reads of the card, the tests in its model-index form."""
    return ModelCardData(
        license="apache-2.0",
        library_name="double-resolution",
        pipeline_tag="image-to-image",
        tags=["super-resolution", "onnx", "openvino", "ncnn", "cpu", f"combination:{config.combination}"],
        datasets=["open-images"],
        metrics=["psnr", "ssim"],
        model_name=name,
        eval_results=list(_results(name, measured)) or None,
    )


def test_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of an evaluation (name, score and cost) as Markdown."""
    head = "| | PSNR Y, dB | SSIM Y | PSNR RGB, dB | cross-entropy above the floor | megapixels a second | memory, MB |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for row in rows:
        score, cost = row["score"], row["cost"]
        lines.append(
            f"| {row['name']} | {score['psnr_y']:.2f} | {score['ssim_y']:.4f} | {score['psnr_rgb']:.2f} | "
            f"{score['cross_entropy_above_floor']:.2%} | {cost['megapixels_per_second']:.2f} | "
            f"{cost['memory'] / 1e6:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _what(config: ModelConfig) -> str:
    size = config.architecture
    return f"{_how(config)}, {size.width} channels wide and {size.depth} layers deep, between a first and a last one"


def _how(config: ModelConfig) -> str:
    mirrored = ", over the picture and its mirror image" if config.mirrored else ""
    return _HOW[config.combination].format(n=len(config.members)) + mirrored


def _making(config: ModelConfig, measured: dict[str, Any]) -> str:
    lines = ["## How it was made", *_HEAD]
    beginning = [Member(**member) for member in measured.get("beginning", [])]
    it = "it" if len(beginning) == 1 else f"the mean of these {len(beginning)}"
    lines += [_row(member, f" (all began with {it})") for member in beginning]
    lines += [_row(member) for member in config.members]
    if selection := measured.get("selection"):
        lines += ["", "The networks were chosen one by one, each the one that helps most on the validation tiles:", ""]
        lines += [f"- {step['member']}: {step['psnr_y']:.3f} dB PSNR (Y) with it" for step in selection]
    return "\n".join(lines) + "\n"


def _making_of_jpeg_model(config: ModelConfig, jpeg_model: Artifact | None) -> Iterator[str]:
    if jpeg_model:
        members = jpeg_model.config.members
        kinds = f"JPEGs of quality {lossy.MOST_QUALITY} or less, and lossy WebPs,"
        what = f"{kinds} are doubled by another of its size: {_how(jpeg_model.config)}"
        if members == config.members:
            yield f"{what}, the same ones.\n"
        else:
            yield "\n".join([f"{what}:\n", *_HEAD, *map(_row, members), ""])


def _row(member: Member, remark: str = "") -> str:
    parts = ", ".join(dict.fromkeys(member.parts))  # one of which clean and augmented tiles were seen is there twice
    return f"| {member.name}{remark} | {parts} | {member.pictures:,} | {member.steps:,} |"


def _tests(measured: dict[str, Any]) -> Iterator[str]:
    if tests := measured.get("tests"):
        yield (
            "## Tests\nMeans over pictures that were halved by bicubic interpolation and doubled again, two border "
            "pixels left out; speed and memory on 512x512 pixels, on the machine that tested.\n"
        )
    for name, test in (tests or {}).items():
        yield f"{name} ({test['pictures']} pictures):\n\n{test_table(test['rows'])}"


def _samples(measured: dict[str, Any]) -> Iterator[str]:
    if credits := measured.get("picture"):
        listed = "; ".join(credits)
        yield f"![bicubic, this model, truth]({PICTURE})\n\nBicubic, this model, truth. From the top: {listed}.\n"


def _data(own: Path) -> str:
    return own.read_text("utf-8") if own.exists() else _OPEN_IMAGES


def _results(name: str, measured: dict[str, Any]) -> Iterator[EvalResult]:
    """The model's own row of each test, a measure at a time."""
    for test_name, test in measured.get("tests", {}).items():
        own = next(row for row in test["rows"] if row["name"] == test["model"])
        for measure, (metric, label) in _MEASURES.items():
            yield EvalResult(
                task_type="image-to-image",
                task_name="Doubling",
                dataset_type=test_name.lower(),
                dataset_name=test_name,
                metric_type=metric,
                metric_name=label,
                metric_value=round(own["score"][measure], 4),
            )
