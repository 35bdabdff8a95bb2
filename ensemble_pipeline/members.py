"""Members of an ensemble: compatibility and common warm start."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ensemble_pipeline.config import INT8_LAST, NO_ANCESTOR, How
from ensemble_pipeline.errors import EnsembleError
from training_pipeline.folder import recorded
from training_pipeline.measured import checked
from upscaler import json_files
from upscaler.json_files import JsonError
from upscaler.model import artifact, find
from upscaler.model.architecture import Architecture
from upscaler.model.artifact import Artifact, Member, ModelConfig

MOST_MEMBERS = 16  # one for each part of Open Images


def read_members(runs: Sequence[Path], how: How) -> list[Artifact]:
    """Read the runs' artifacts. Raises EnsembleError unless they are 1 to 16 single networks of one size.

    Raises TrainingError if a metrics.json has a wrong entry.
    A network that was itself combined from several, or that has int8 weights, is valid if it is the only run, as a
    teacher or to be mirrored, or in weight averaging if it is the warm start of the others.
    """
    if not 1 <= len(runs) <= MOST_MEMBERS:
        raise EnsembleError(f"{len(runs)} runs cannot be combined; give 1 to {MOST_MEMBERS}")
    members = [checked(artifact.read(run)) for run in runs]
    first, apart = members[0], without_warm_start(members) if how == "weights" else members
    for run, member in zip(runs, members, strict=True):
        alone = len(runs) == 1 or member not in apart
        if member.config.networks != 1 or (member.config.combination != "single" and not alone):
            raise EnsembleError(f"{run} is itself an ensemble; give its member runs")
        if member.config.int8 and not alone:  # beside them, it has the float32 weights of its warm start
            raise EnsembleError(f"{run} has a network in int8, which cannot be combined; {INT8_LAST}")
        if member.config.architecture != first.config.architecture:
            raise EnsembleError(
                f"{runs[0]} is {first.config.architecture} and {run} is {member.config.architecture}; "
                "combine networks of one size"
            )
    return members


def check_common_ancestor(members: Sequence[Artifact]) -> None:
    """Raise EnsembleError unless all members share a warm start.

    Otherwise the networks spread the same function over different channels, and the average of their weights is noise.
    """
    ancestors = {_ancestor(member) for member in without_warm_start(members)}
    if None in ancestors or len(ancestors) > 1:
        raise EnsembleError(NO_ANCESTOR)


def without_warm_start(members: Sequence[Artifact]) -> list[Artifact]:
    """Return the members without the warm start of all others, if it is among them.

    A network averaged with its fine-tuned version is good on the data of both: M. Wortsman et al., "Robust fine-tuning
    of zero-shot models", CVPR 2022.
    """

    def is_warm_start(start: Artifact) -> bool:
        others = [member for member in members if member is not start]
        return bool(others) and {_ancestor(member) for member in others} == {start.config.sha256[artifact.WEIGHTS]}

    return [member for member in members if not is_warm_start(member)]


def common_warm_start(members: Sequence[Artifact]) -> tuple[Member, ...]:
    """Return the members of the network that all members started from; none if it is unknown or has changed.

    It accounts for most of the training.
    """
    known = members[0].metrics.get("beginning")
    if known and len({_ancestor(member) for member in members}) == 1:
        return tuple(Member(**member) for member in known)
    start = (recorded(members[0].folder) or {}).get("init_from")
    if start is None or not Path(start).is_dir():
        return ()
    found = find.model(start).config
    same = {_ancestor(member) for member in members} == {found.sha256[artifact.WEIGHTS]}
    return found.members if same else ()


def config_for(
    members: Sequence[Artifact], combination: artifact.Combination, architecture: Architecture
) -> ModelConfig:
    """Return the config.json of a model combined from `members`. Raises EnsembleError if it is out of bounds."""
    networks = tuple(network for member in members for network in member.config.members)
    return within_bounds({"architecture": architecture, "combination": combination, "members": networks})


def within_bounds(fields: dict[str, Any]) -> ModelConfig:
    """Return a config.json of these fields. Raises EnsembleError if its networks are too large together to be read."""
    try:
        return json_files.check(fields, ModelConfig)
    except JsonError as error:
        raise EnsembleError(f"{error}; combine fewer or smaller networks, by --how weights or distill") from error


def _ancestor(member: Artifact) -> str | None:
    return member.config.members[0].ancestor
