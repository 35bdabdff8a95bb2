"""Provenance of a trained network: data, code and device, for its metrics and its card."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from feature_pipeline import shards
from feature_pipeline.manifest import MANIFEST
from training_pipeline import device
from training_pipeline.config import TrainingConfig
from training_pipeline.data import Tiles
from upscaler import version
from upscaler.links import followed


@dataclass(frozen=True)
class Provenance:
    """The making of one network. `dataset`: "" if unknown. `data`: SHA-256 of its shards, those for validation too."""

    network: str
    dataset: str
    data: str
    code: str
    torch: str
    device: str


def of(config: TrainingConfig, tiles: Tiles) -> Provenance:
    """Return the provenance of a run that ends on this machine."""
    return Provenance(
        network=followed(config.out).name,
        dataset=_dataset(config.shards),
        data=tiles.digest,
        code=version.installed(),
        torch=torch.__version__,
        device=_device_name(config),
    )


def _dataset(folders: Iterable[Path]) -> str:
    """Return the data set that all the manifests name, or ""."""
    names = {shards.read_manifest(folder).dataset if (folder / MANIFEST).exists() else "" for folder in folders}
    return names.pop() if len(names) == 1 else ""


def _device_name(config: TrainingConfig) -> str:
    return torch.cuda.get_device_name() if device.chosen(config.device).type == "cuda" else "CPU"
