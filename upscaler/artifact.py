"""The model artifact, written and read: a folder with config.json, model.safetensors, model.onnx, metrics.json
and README.md (the model card, which takes in DATA.md if there is one). One trained network is an artifact with one
member, an ensemble has several. In the folder `jpegs` may lie a second artifact, for pictures that JPEG damaged."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from upscaler.architecture import Architecture, Weights
from upscaler.atomic import atomic_path, write_text
from upscaler.errors import ModelError

CONFIG, WEIGHTS, GRAPH, METRICS, CARD, DATA = (
    "config.json",
    "model.safetensors",
    "model.onnx",
    "metrics.json",
    "README.md",
    "DATA.md",  # what the model was trained on, for its card, if that is not Open Images
)

FILES = (WEIGHTS, GRAPH, METRICS, CARD, DATA, CONFIG)
_FOR_JPEGS = "jpegs"
_CONFIG_FOR_JPEGS = f"{_FOR_JPEGS}/{CONFIG}"
FILES_FOR_JPEGS = tuple(f"{_FOR_JPEGS}/{file}" for file in (WEIGHTS, GRAPH, METRICS, CONFIG))  # the order of writing

Combination = Literal["single", "outputs", "weights", "distilled"]


class Member(BaseModel):
    """One trained network that went into an artifact.

    `ancestor` is the SHA-256 of the weights it started from (None: from nothing); members with one ancestor
    may be averaged weight by weight.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    parts: tuple[str, ...]
    pictures: NonNegativeInt
    steps: NonNegativeInt
    ancestor: str | None = None


class ModelConfig(BaseModel):
    """What config.json holds. `combination` says how the members became the output.

    mirrored: each network stands beside its mirror image, and the output is the mean over all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    architecture: Architecture
    combination: Combination
    members: tuple[Member, ...]
    mirrored: bool = False
    sha256: dict[str, str] = {}

    @property
    def networks(self) -> int:
        """How many networks run side by side for one output."""
        networks = len(self.members) if self.combination == "outputs" else 1
        return 2 * networks if self.mirrored else networks


@dataclass(frozen=True)
class Artifact:
    """A model on the disk. `revision` is the Hub's commit, or the first digits of the SHA-256 of all weights.

    for_jpegs: what doubles pictures that JPEG damaged in its place, of the same architecture.
    """

    folder: Path
    name: str
    revision: str
    config: ModelConfig
    metrics: dict[str, Any]
    for_jpegs: "Artifact | None" = None

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files in its folder that it consists of."""
        for_jpegs = FILES_FOR_JPEGS if self.for_jpegs else ()
        return (*(file for file in FILES if (self.folder / file).exists()), *for_jpegs)

    @property
    def graph(self) -> Path:
        """The ONNX file that the engine runs."""
        return self.folder / GRAPH

    def weights(self) -> Weights:
        """Arrays named networks.N.layers.I.weight (OI33), .bias (O) and .slope (O; not on the last layer)."""
        return load_weights(self.folder / WEIGHTS)


def write(
    folder: Path,
    config: ModelConfig,
    weights: Weights,
    metrics: dict[str, Any],
    card: str,
    for_jpegs: Artifact | None = None,
) -> Artifact:
    """Write an artifact; config.json comes last, with the other files' hashes, so a part-written one is not read.

    `weights` are float32 arrays named as in `Artifact.weights`. `for_jpegs` is copied into the folder. Raises
    ModelError if an array is missing or misshaped, or `for_jpegs` is of another size, or holds one itself.
    """
    from upscaler.graph import onnx_graph  # needs `onnx`, which serving does not install

    check_weights(config, weights)
    if for_jpegs:
        _check_fits(config, for_jpegs)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(weights))  # save_file would not say that the disk is full as an OSError
    with atomic_path(folder / GRAPH) as temporary:
        graph = onnx_graph(config.architecture, weights, config.networks)
        temporary.write_bytes(graph.SerializeToString(deterministic=True))
    write_text(folder / METRICS, json.dumps(metrics, indent=2) + "\n")
    write_text(folder / CARD, card)
    hashed = [WEIGHTS, GRAPH]
    if for_jpegs:
        _copy_for_jpegs(for_jpegs, folder)
        hashed.append(_CONFIG_FOR_JPEGS)
    hashes = {name: sha256(folder / name) for name in hashed}
    config = config.model_copy(update={"sha256": hashes})
    write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
    return read(folder)


def read(folder: Path, name: str | None = None, revision: str | None = None) -> Artifact:
    """Read and check an artifact; `name` and `revision` default to the folder's name and its weights' hash.

    Raises ModelError, with one sentence, if the folder, a file or a field is missing, unknown or not what its hash
    says.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{folder} is not a model: it has no {CONFIG}; give the folder of an artifact")
    config = read_config(folder / CONFIG)
    for file in (WEIGHTS, GRAPH, *(config.sha256.keys() & {_CONFIG_FOR_JPEGS})):
        if not (folder / file).is_file():
            raise ModelError(f"the model in {folder} lacks {file}; fetch or write it again")
        if sha256(folder / file) != config.sha256.get(file):
            raise ModelError(f"{file} in {folder} is not what {CONFIG} says (SHA-256); fetch or write it again")
    for_jpegs = _read_for_jpegs(folder, config)
    return Artifact(
        folder=folder,
        name=name or folder.resolve().name,
        revision=revision or _revision(config, for_jpegs),
        config=config,
        metrics=_read_metrics(folder / METRICS),
        for_jpegs=for_jpegs,
    )


def read_config(path: Path) -> ModelConfig:
    """Read and check a config.json. Raises ModelError if a field is unknown or wrong, or the format is newer."""
    try:
        return ModelConfig.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{path}: {field}: {first['msg'].lower()}; this version reads format 1") from error


def check_weights(config: ModelConfig, weights: Weights) -> None:
    """Raise ModelError unless `weights` holds just the arrays that the configuration asks for."""
    expected = _expected_shapes(config)
    if missing := sorted(expected.keys() - weights.keys()):
        raise ModelError(f"the weights lack {missing[0]} and {len(missing) - 1} more; the artifact is broken")
    if unknown := sorted(weights.keys() - expected.keys()):
        raise ModelError(f"the weights hold the unknown {unknown[0]}; the artifact is of another format")
    for key, shape in expected.items():
        if weights[key].shape != shape:
            raise ModelError(f"{key} has the shape {weights[key].shape} where {shape} is due; the artifact is broken")


def load_weights(path: Path) -> Weights:
    """Read a safetensors file. Raises ModelError if it is none."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ModelError(f"{path} holds no weights that can be read ({error}); fetch or write it again") from error


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy_for_jpegs(model: Artifact, folder: Path) -> None:
    (folder / _FOR_JPEGS).mkdir(exist_ok=True)
    for file in map(Path, FILES_FOR_JPEGS):
        with atomic_path(folder / file) as temporary:
            temporary.write_bytes((model.folder / file.name).read_bytes())


def _read_for_jpegs(folder: Path, config: ModelConfig) -> Artifact | None:
    if _CONFIG_FOR_JPEGS not in config.sha256:
        return None
    model = read(folder / _FOR_JPEGS)
    _check_fits(config, model)
    return model


def _check_fits(config: ModelConfig, for_jpegs: Artifact) -> None:
    if for_jpegs.for_jpegs:
        raise ModelError(f"{for_jpegs.folder} holds a model for JPEGs itself; give {for_jpegs.for_jpegs.folder}")
    if for_jpegs.config.architecture != config.architecture:
        sizes = [f"{size.width}x{size.depth}" for size in (for_jpegs.config.architecture, config.architecture)]
        raise ModelError(
            f"{for_jpegs.folder}, for JPEGs, is {sizes[0]} beside {sizes[1]}; combine networks of one size"
        )


def _revision(config: ModelConfig, for_jpegs: Artifact | None) -> str:
    own = config.sha256[WEIGHTS]
    if for_jpegs:
        own = hashlib.sha256((own + for_jpegs.config.sha256[WEIGHTS]).encode()).hexdigest()
    return own[:12]


def _read_metrics(path: Path) -> dict[str, Any]:
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON; fetch or write the model again") from error
    return metrics


def _expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    layers = list(config.architecture.layers)
    for n in range(config.networks):
        for i, (inputs, outputs) in enumerate(layers):
            name = f"networks.{n}.layers.{i}"
            shapes[f"{name}.weight"] = (outputs, inputs, 3, 3)
            shapes[f"{name}.bias"] = (outputs,)
            if i < len(layers) - 1:
                shapes[f"{name}.slope"] = (outputs,)
    return shapes
