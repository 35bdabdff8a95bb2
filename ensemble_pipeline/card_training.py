"""The model card's section on training."""

from collections.abc import Iterator
from typing import Any

from training_pipeline.dataset import Dataset
from training_pipeline.markdown import literal
from upscaler.model.artifact import Artifact, Member, ModelConfig
from upscaler.pictures import lossy

_COMBINATIONS = {
    "single": "one network",
    "outputs": "the averaged output of {n} networks",
    "weights": "one network with the averaged weights of {n} networks that share a warm start",
    "distilled": "one network distilled from {teacher}",
}
_HEAD = "| network | parts of {} | pictures | steps |\n|---|---|---|---|"


def combination(config: ModelConfig, measured: dict[str, Any]) -> str:
    """Return a phrase for how the model was made of its networks."""
    mirrored = ", averaged over the input and its mirror image" if config.mirrored else ""
    teachers = _teachers(config, measured)
    teacher = "another network" if len(teachers) == 1 else f"an ensemble of {len(teachers)} networks"
    return _COMBINATIONS[config.combination].format(n=len(config.members), teacher=teacher) + mirrored


def _teachers(config: ModelConfig, measured: dict[str, Any]) -> list[Member]:
    """Return the networks of a distilled model's teacher; in old artifacts they stand as the model's members."""
    if config.combination != "distilled":
        return []
    recorded = measured.get("teacher")
    return [Member(**member) for member in recorded["members"]] if recorded else list(config.members)


def section(config: ModelConfig, measured: dict[str, Any], data: Dataset) -> str:
    """Return the section on training: the networks, their provenance, and their selection."""
    lines = ["## Training", _HEAD.format(literal(data.name)), *_networks(config, measured), *_provenance(measured)]
    if selection := measured.get("selection"):
        lines += ["", "Greedy selection of the networks by PSNR on the validation tiles:", ""]
        lines += [f"- {literal(step['member'])}: {step['psnr_y']:.3f} dB PSNR (Y)" for step in selection]
    return "\n".join(lines) + "\n"


def _networks(config: ModelConfig, measured: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each network: the warm start, the model's own, and those of its teacher."""
    yield from _warm_start(measured, "of all")
    teacher = measured.get("teacher")
    yield from map(_row, config.members)
    if teacher:
        yield from _warm_start(teacher, "of the teacher")
        yield from (_row(Member(**member), " (teacher)") for member in teacher["members"])


def _warm_start(measured: dict[str, Any], whose: str) -> Iterator[str]:
    start = [Member(**member) for member in measured.get("beginning", [])]
    average = f": the average of these {len(start)}" if len(start) > 1 else ""
    yield from (_row(member, f" (warm start {whose}{average})") for member in start)


def _provenance(measured: dict[str, Any]) -> Iterator[str]:
    """Yield a paragraph for each way in which networks were made: code, torch, device and data."""
    made: dict[str, list[str]] = {}
    for network in [*measured.get("training", []), *measured.get("teacher", {}).get("training", [])]:
        how = (
            f"double-resolution {network['code']}, torch {network['torch']}, {network['device']}; "
            f"SHA-256 of the shards: {network['data']}"
        )
        made.setdefault(how, []).append(network["network"])
    for how, names in made.items():
        yield f"\n{literal(', '.join(names))}: trained with {literal(how)}."


def of_jpeg_model(
    config: ModelConfig, measured: dict[str, Any], jpeg_model: Artifact | None, data: Dataset
) -> Iterator[str]:
    """Yield the paragraph on the JPEG network, with the networks that `section` does not list."""
    if jpeg_model:
        inputs = f"JPEG input of quality {lossy.MOST_QUALITY} or less and lossy WebP input"
        how = combination(jpeg_model.config, jpeg_model.metrics)
        sentence = f"{inputs} use a second network of the same size: {how}"
        above = set(_networks(config, measured))
        others = [row for row in _networks(jpeg_model.config, jpeg_model.metrics) if row not in above]
        if not others:
            yield f"{sentence}, with the members above.\n"
        else:
            yield "\n".join(
                [f"{sentence}:\n", _HEAD.format(literal(data.name)), *others, *_provenance(jpeg_model.metrics), ""]
            )


def _row(member: Member, remark: str = "") -> str:
    parts = ", ".join(dict.fromkeys(member.parts))  # a part with clean and augmented tiles is listed twice
    return f"| {literal(member.name)}{remark} | {literal(parts)} | {member.pictures:,} | {member.steps:,} |"
