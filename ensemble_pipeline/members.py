"""Members of an ensemble: which trained networks fit together, and where they come from."""

import json
from collections.abc import Sequence
from pathlib import Path

from ensemble_pipeline.config import How
from ensemble_pipeline.errors import EnsembleError
from upscaler.model import artifact, find
from upscaler.model.architecture import Architecture
from upscaler.model.artifact import Artifact, Member, ModelConfig

MOST_MEMBERS = 16  # one for each part of Open Images
_RUN = "run.json"  # of a training run; importing its module would bring torch


def read_members(runs: Sequence[Path], how: How) -> list[Artifact]:
    """Read the runs' artifacts. Raises EnsembleError unless they are 1 to 16 single networks of one shape.

    What several networks became one by will do too, if it is alone, as a teacher or to be mirrored, or if the others
    began as it and the mean is of weights.
    """
    if not 1 <= len(runs) <= MOST_MEMBERS:
        raise EnsembleError(f"{len(runs)} runs cannot be combined; give 1 to {MOST_MEMBERS}")
    if len({run.resolve() for run in runs}) < len(runs):
        raise EnsembleError("a run is given twice; give each once")
    members = [artifact.read(run) for run in runs]
    first, apart = members[0], without_beginning(members) if how == "weights" else members
    for run, member in zip(runs, members, strict=True):
        alone = len(runs) == 1 or member not in apart
        if member.config.combination != "single" and not (alone and member.config.networks == 1):
            raise EnsembleError(f"{run} is an ensemble itself; give the runs that it was made of")
        if member.config.architecture != first.config.architecture:
            sizes = [f"{m.config.architecture.width}x{m.config.architecture.depth}" for m in (first, member)]
            raise EnsembleError(f"{runs[0]} is {sizes[0]} and {run} is {sizes[1]}; combine networks of one size")
    return members


def check_common_ancestor(members: Sequence[Artifact]) -> None:
    """Raise EnsembleError unless all members started from the same weights.

    Networks that started apart give the same function from different channels: the mean of their weights is noise.
    """
    ancestors = {_ancestor(member) for member in without_beginning(members)}
    if None in ancestors or len(ancestors) > 1:
        raise EnsembleError(
            "the mean of weights needs runs that started from one network, and these have no common ancestor on "
            "record; train them with --init-from one artifact, or combine them with --how outputs"
        )


def without_beginning(members: Sequence[Artifact]) -> list[Artifact]:
    """The members but for the one, if it is among them, that all others began as.

    Between a network and what it became on other pictures lies one that is good on both: M. Wortsman et al., "Robust
    fine-tuning of zero-shot models", CVPR 2022.
    """

    def is_beginning(start: Artifact) -> bool:
        others = [member for member in members if member is not start]
        return bool(others) and {_ancestor(member) for member in others} == {start.config.sha256[artifact.WEIGHTS]}

    return [member for member in members if not is_beginning(member)]


def common_beginning(members: Sequence[Artifact]) -> tuple[Member, ...]:
    """What the network that all members started from was made of, where it is still at hand; else nothing.

    Most of what the members learned is from there.
    """
    if known := members[0].metrics.get("beginning"):  # of the networks that a lone member was made of
        return tuple(Member(**member) for member in known)
    record = members[0].folder / _RUN
    start = json.loads(record.read_text(encoding="utf-8")).get("init_from") if record.exists() else None
    if start is None or not Path(start).is_dir():
        return ()
    found = find.model(start).config
    same = {_ancestor(member) for member in members} == {found.sha256[artifact.WEIGHTS]}
    return found.members if same else ()


def config_for(
    members: Sequence[Artifact], combination: artifact.Combination, architecture: Architecture
) -> ModelConfig:
    """What config.json says of a model made of `members`."""
    made_of = tuple(network for member in members for network in member.config.members)
    return ModelConfig(architecture=architecture, combination=combination, members=made_of)


def _ancestor(member: Artifact) -> str | None:
    return member.config.members[0].ancestor
