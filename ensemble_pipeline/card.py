"""The model card: what the model is, how it was made and how good it is, in Markdown."""

from typing import Any

from upscaler.artifact import ModelConfig

_HOW = {
    "single": "one network",
    "outputs": "the mean of the outputs of {n} networks",
    "weights": "one network whose weights are the mean of those of {n} networks",
    "distilled": "one network trained to give the mean output of {n} networks",
}


def model_card(name: str, config: ModelConfig, metrics: dict[str, Any]) -> str:
    """Write the card of a model."""
    what = _HOW[config.combination].format(n=len(config.members))
    size = config.architecture
    members = "\n".join(f"| {m.name} | {', '.join(m.parts)} | {m.pictures} | {m.steps} |" for m in config.members)
    return (
        f"# {name}\n\nDoubles the width and height of photos: {what}, {size.width} channels wide and {size.depth} "
        f"layers deep.\n\n| member | parts of Open Images | pictures | steps |\n|---|---|---|---|\n{members}\n"
    )
