"""The model artifact, written and read: a folder with config.json, model.safetensors, metrics.json and README.md.

README.md is the model card, which takes in DATA.md if there is one. One trained network is an artifact with one member,
an ensemble has several. In the folder `jpegs` may lie a second artifact, for JPEG input.

Format 1 had an ONNX graph beside the weights; it is still read, without the graph.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors.numpy import save

from upscaler import json_files
from upscaler.atomic import atomic_path, write_text
from upscaler.errors import ModelError
from upscaler.json_files import JsonError
from upscaler.model import weights_file
from upscaler.model.architecture import Architecture, Weights

CONFIG, WEIGHTS, METRICS, CARD, DATA = (
    "config.json",
    "model.safetensors",
    "metrics.json",
    "README.md",
    "DATA.md",  # what the model was trained on, for its card, if that is not Open Images
)

FILES = (WEIGHTS, METRICS, CARD, DATA, CONFIG)
_JPEG_MODEL = "jpegs"
_JPEG_MODEL_CONFIG = f"{_JPEG_MODEL}/{CONFIG}"
JPEG_MODEL_FILES = tuple(f"{_JPEG_MODEL}/{file}" for file in (WEIGHTS, METRICS, CONFIG))  # the order of writing

# Bounds on what a model from elsewhere may say of itself; those on the network are in `architecture`
MAX_MEMBERS = 256
MAX_PARTS = 64  # of a member; Open Images has 18
MAX_WEIGHT_BYTES = 128 << 20  # seventy times those of `best`
MAX_WEIGHTS_FILE = 2 * MAX_WEIGHT_BYTES  # bytes, the header included
MAX_TEXT_BYTES = 1 << 20  # of any other file
MAX_HASHES = 8

Combination = Literal["single", "outputs", "weights", "distilled"]
Name = Annotated[str, Field(max_length=255)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Member(BaseModel):
    """One trained network that went into an artifact.

    `ancestor` is the SHA-256 of the weights it started from (None: from nothing); members with one ancestor
    may be averaged weight by weight.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    parts: Annotated[tuple[Name, ...], Field(max_length=MAX_PARTS)]
    pictures: Count
    steps: Count
    ancestor: Sha256 | None = None


class ModelConfig(BaseModel):
    """What config.json holds. `combination` says how the members became the output.

    mirrored: each network stands beside its mirror image, and the output is the mean over all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1, 2] = 2
    architecture: Architecture
    combination: Combination
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=MAX_MEMBERS)]
    mirrored: bool = False
    sha256: Annotated[dict[Name, Sha256], Field(max_length=MAX_HASHES)] = {}

    @model_validator(mode="after")
    def _check_size(self) -> "ModelConfig":
        if (size := weights_file.size(self.architecture, self.networks)) > MAX_WEIGHT_BYTES:
            raise ValueError(f"its networks hold {size:,} bytes of weights, where {MAX_WEIGHT_BYTES:,} are the limit")
        return self

    @property
    def networks(self) -> int:
        """How many networks run side by side for one output."""
        networks = len(self.members) if self.combination == "outputs" else 1
        return 2 * networks if self.mirrored else networks


class Origin(Enum):
    """Where a model was found. Only a folder of the user's is written to."""

    BUNDLED = "bundled"
    FOLDER = "folder"
    HUB = "hub"


@dataclass(frozen=True)
class Artifact:
    """A model on the disk. `revision` is the Hub's commit, or the first digits of the SHA-256 of all weights.

    jpeg_model: what upscales JPEG input in its place, of the same architecture.
    """

    folder: Path
    name: str
    revision: str
    config: ModelConfig
    metrics: dict[str, Any]
    jpeg_model: "Artifact | None" = None
    origin: Origin = Origin.FOLDER

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files in its folder that it consists of."""
        jpeg_model = JPEG_MODEL_FILES if self.jpeg_model else ()
        return (*(file for file in FILES if (self.folder / file).exists()), *jpeg_model)

    @property
    def weights_file(self) -> Path:
        """The file of its arrays."""
        return self.folder / WEIGHTS

    def weights(self) -> Weights:
        """Read the arrays, finite float32. Raises ModelError if the file holds anything else."""
        return weights_file.load(self.weights_file, self.config.architecture, self.config.networks)


def write(
    folder: Path,
    config: ModelConfig,
    weights: Weights,
    metrics: dict[str, Any],
    card: str,
    jpeg_model: Artifact | None = None,
) -> Artifact:
    """Write an artifact; config.json comes last, with the other files' hashes, so a part-written one is not read.

    `jpeg_model` is copied into the folder. Raises ModelError if an array is missing or misshaped, or `jpeg_model` is of
    another size, or holds one itself.
    """
    weights_file.check(weights, config.architecture, config.networks)
    if jpeg_model:
        _check_fits(config, jpeg_model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(weights))  # save_file would not say that the disk is full as an OSError
    write_text(folder / METRICS, json.dumps(metrics, indent=2) + "\n")
    write_text(folder / CARD, card)
    hashed = [WEIGHTS]
    if jpeg_model:
        _copy_jpeg_model(jpeg_model, folder)
        hashed.append(_JPEG_MODEL_CONFIG)
    hashes = {name: sha256(folder / name) for name in hashed}
    config = config.model_copy(update={"sha256": hashes})
    write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
    return read(folder)


def read(
    folder: Path, name: str | None = None, revision: str | None = None, origin: Origin = Origin.FOLDER
) -> Artifact:
    """Read and check an artifact; `name` and `revision` default to the folder's name and its weights' hash.

    Raises ModelError, with one sentence, if the folder, a file or a field is missing, unknown, out of bounds, a link
    out of the folder, or not what its hash says.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{folder} is not a model: it has no {CONFIG}; give the folder of an artifact")
    for file in (*FILES, *JPEG_MODEL_FILES):
        _check_file(folder, file)
    config = _read_network(folder)
    jpeg_model = _read_jpeg_model(folder, config)
    return Artifact(
        folder=folder,
        name=name or folder.resolve().name,
        revision=revision or _revision(config, jpeg_model),
        config=config,
        metrics=_read_metrics(folder / METRICS),
        jpeg_model=jpeg_model,
        origin=origin,
    )


def read_config(path: Path) -> ModelConfig:
    """Read and check a config.json. Raises ModelError if a field is unknown or wrong, or the format is newer."""
    try:
        return json_files.load(path, ModelConfig, limit(CONFIG))
    except JsonError as error:
        raise ModelError(f"{path}: {error}; this version reads the formats 1 and 2") from error


def limit(file: str) -> int:
    """The most bytes that a file of an artifact may have."""
    return MAX_WEIGHTS_FILE if Path(file).name == WEIGHTS else MAX_TEXT_BYTES


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy_jpeg_model(model: Artifact, folder: Path) -> None:
    (folder / _JPEG_MODEL).mkdir(exist_ok=True)
    for file in map(Path, JPEG_MODEL_FILES):
        with atomic_path(folder / file) as temporary:
            temporary.write_bytes((model.folder / file.name).read_bytes())


def _check_file(folder: Path, file: str) -> None:
    """Raise ModelError if a file that is there is too long, or lies elsewhere."""
    path = folder / file
    if not path.is_file():
        return
    inside = folder.resolve()
    # A snapshot of the Hub's client consists of links into the folder of its repository, or of its whole cache
    owned = (inside, *(place / "blobs" for place in list(inside.parents)[1:3] if inside.parent.name == "snapshots"))
    if not any(path.resolve().is_relative_to(place) for place in owned):
        raise ModelError(f"{path} is a link out of the model's folder; put the file itself there")
    if path.stat().st_size > limit(file):
        raise ModelError(f"{path} is longer than {limit(file):,} bytes, so it is no file of a model; fetch it again")


def _read_network(folder: Path) -> ModelConfig:
    config = read_config(folder / CONFIG)
    _check_hash(folder, WEIGHTS, config)
    return config


def _check_hash(folder: Path, file: str, config: ModelConfig) -> None:
    if not (folder / file).is_file():
        raise ModelError(f"the model in {folder} lacks {file}; fetch or write it again")
    if sha256(folder / file) != config.sha256.get(file):
        raise ModelError(f"{file} in {folder} is not what {CONFIG} says (SHA-256); fetch or write it again")


def _read_jpeg_model(folder: Path, config: ModelConfig) -> Artifact | None:
    if _JPEG_MODEL_CONFIG not in config.sha256:
        return None
    _check_hash(folder, _JPEG_MODEL_CONFIG, config)
    inner = folder / _JPEG_MODEL
    own = _read_network(inner)
    if _JPEG_MODEL_CONFIG in own.sha256:
        raise ModelError(f"{inner} holds a model for JPEGs itself; give {folder} one network for them")
    model = Artifact(inner, inner.name, _revision(own, None), own, _read_metrics(inner / METRICS))
    _check_fits(config, model)
    return model


def _check_fits(config: ModelConfig, jpeg_model: Artifact) -> None:
    if jpeg_model.jpeg_model:
        raise ModelError(f"{jpeg_model.folder} holds a model for JPEGs itself; give {jpeg_model.jpeg_model.folder}")
    if jpeg_model.config.architecture != config.architecture:
        sizes = [f"{size.width}x{size.depth}" for size in (jpeg_model.config.architecture, config.architecture)]
        raise ModelError(
            f"{jpeg_model.folder}, for JPEGs, is {sizes[0]} beside {sizes[1]}; combine networks of one size"
        )


def _revision(config: ModelConfig, jpeg_model: Artifact | None) -> str:
    own = config.sha256[WEIGHTS]
    if jpeg_model:
        own = hashlib.sha256((own + jpeg_model.config.sha256[WEIGHTS]).encode()).hexdigest()
    return own[:12]


def _read_metrics(path: Path) -> dict[str, Any]:
    try:
        return json_files.load(path, dict[str, Any], limit(METRICS))
    except (OSError, JsonError) as error:
        raise ModelError(f"{path} cannot be read as JSON; fetch or write the model again") from error
