"""Model artifact: a folder with config.json, model.safetensors, metrics.json and README.md.

README.md is the model card, which includes DATA.md if there is one. ATTRIBUTION.csv, the credits of the training
photos, and before_after.png, the card's picture, may accompany it; upscaling needs neither. A single trained network is
an artifact with one member; an ensemble has several. The sub-folder `jpegs` may hold a second artifact, the JPEG
network. learned.json records the pictures that the network learned from; older artifacts lack it.

Format 1 had an additional ONNX graph; it is still read, without the graph.
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
from upscaler.links import followed
from upscaler.model import learned as learned_record
from upscaler.model import weights_file
from upscaler.model.architecture import Architecture, Weights, as_stored
from upscaler.model.learned import UNKNOWN, Learned

CONFIG, WEIGHTS, METRICS, LEARNED, CARD, DATA = (
    "config.json",
    "model.safetensors",
    "metrics.json",
    "learned.json",
    "README.md",
    "DATA.md",  # description of the training data for the model card, if it is not Open Images
)

ATTRIBUTION, PICTURE = "ATTRIBUTION.csv", "before_after.png"

FILES = (WEIGHTS, METRICS, LEARNED, CARD, DATA, CONFIG)
COMPANIONS = (ATTRIBUTION, PICTURE)
_JPEG_MODEL = "jpegs"
_JPEG_MODEL_CONFIG = f"{_JPEG_MODEL}/{CONFIG}"
JPEG_MODEL_FILES = tuple(f"{_JPEG_MODEL}/{file}" for file in (WEIGHTS, METRICS, LEARNED, CONFIG))  # as written

# Bounds on untrusted models; those on the network are in `architecture`
MAX_MEMBERS = 256
MAX_PARTS = 64  # of a member; Open Images has 18
MAX_CONVOLUTIONS = 2048  # of all networks; engines compile each, and 16 mirrored networks of 48x20 have 704
MAX_WEIGHT_BYTES = 128 << 20  # 70 times the weights of `best`
MAX_WEIGHTS_FILE = 2 * MAX_WEIGHT_BYTES  # bytes, including the header
MAX_TEXT_BYTES = 1 << 20  # per other file
MAX_HASHES = 8
MAX_ATTRIBUTION = 2 << 30  # bytes; those of all of Open Images take 1.3 GB
MAX_PICTURE = 8 << 20  # bytes, six times the uncompressed picture
_LIMITS = {
    WEIGHTS: MAX_WEIGHTS_FILE,
    LEARNED: learned_record.MAX_BYTES,
    ATTRIBUTION: MAX_ATTRIBUTION,
    PICTURE: MAX_PICTURE,
}

Combination = Literal["single", "outputs", "weights", "distilled"]
Name = Annotated[str, Field(max_length=255)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Member(BaseModel):
    """A trained network of an artifact.

    ancestor: SHA-256 of the weights of its warm start (None: random initialisation); the weights of members with the
    same ancestor can be averaged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    parts: Annotated[tuple[Name, ...], Field(max_length=MAX_PARTS)]
    pictures: Count
    steps: Count
    ancestor: Sha256 | None = None


class ModelConfig(BaseModel):
    """Content of config.json.

    combination: how the members were combined. mirrored: each network is stored with its mirrored copy, and all outputs
    are averaged. int8: each network is stored a second time, in int8.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1, 2] = 2
    architecture: Architecture
    combination: Combination
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=MAX_MEMBERS)]
    mirrored: bool = False
    int8: Annotated[bool, Field(exclude_if=lambda int8: not int8)] = False  # so that earlier versions read the others
    sha256: Annotated[dict[Name, Sha256], Field(max_length=MAX_HASHES)] = {}

    @model_validator(mode="after")
    def _check_size(self) -> "ModelConfig":
        if (convolutions := self.networks * self.architecture.radius) > MAX_CONVOLUTIONS:
            raise ValueError(
                f"its networks have {convolutions:,} convolutions, more than the limit of {MAX_CONVOLUTIONS:,}"
            )
        if (size := weights_file.size(self.architecture, self.networks)) > MAX_WEIGHT_BYTES:
            raise ValueError(
                f"its networks have {size:,} bytes of weights, more than the limit of {MAX_WEIGHT_BYTES:,}"
            )
        return self

    @property
    def networks(self) -> int:
        """Number of networks whose outputs are averaged."""
        networks = len(self.members) if self.combination == "outputs" else 1
        return 2 * networks if self.mirrored else networks


class Origin(Enum):
    """Origin of a model. Only models in folders of the user may be written to."""

    BUNDLED = "bundled"
    FOLDER = "folder"
    HUB = "hub"


@dataclass(frozen=True)
class Artifact:
    """A model on disk.

    revision: commit on the Hub, or the first 12 digits of the weights' SHA-256. jpeg_model: JPEG network, of the same
    architecture.
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
        """Names of its files, relative to its folder."""
        files = (*FILES, *COMPANIONS, *(JPEG_MODEL_FILES if self.jpeg_model else ()))
        return tuple(file for file in files if (self.folder / file).is_file())

    @property
    def weights_file(self) -> Path:
        """Path of the weights."""
        return self.folder / WEIGHTS

    def weights(self) -> Weights:
        """Read the weights, finite float32. Raises ModelError if the file holds anything else."""
        weights, _ = self._arrays()
        return weights

    def int8_weights(self) -> Weights:
        """Read the weights in int8. Raises ModelError if there are none, or the file holds anything else."""
        if not self.config.int8:
            raise ModelError(
                f"{self.folder} has no network in int8; leave out --precision, or fine-tune it "
                "with python -m training_pipeline --int8"
            )
        _, int8 = self._arrays()
        return int8

    def _arrays(self) -> tuple[Weights, Weights]:
        config = self.config
        return weights_file.load(self.weights_file, config.architecture, config.networks, config.int8)

    def learned(self) -> Learned:
        """Read the pictures that the network learned from, without those of the JPEG network; UNKNOWN if not recorded.

        Raises ModelError if the record is broken.
        """
        if LEARNED not in self.config.sha256:
            return UNKNOWN
        try:
            return learned_record.read(self.folder / LEARNED)
        except JsonError as error:
            raise ModelError(f"{self.folder / LEARNED}: {error}; download or write the model again") from error


def write(
    folder: Path,
    config: ModelConfig,
    weights: Weights,
    metrics: dict[str, Any],
    card: str,
    jpeg_model: Artifact | None = None,
    learned: Learned | None = None,
    int8: Weights | None = None,
) -> Artifact:
    """Write an artifact; config.json comes last, with the other files' hashes, so a partial artifact is not readable.

    `learned`: the pictures that the network learned from; None: an artifact without that record. `int8`: the same
    networks in int8. `jpeg_model` is copied into the folder. Raises ModelError if an array is missing, misshaped or out
    of bounds, or `jpeg_model` has another architecture or a JPEG network itself.
    """
    weights_file.check(weights, int8, config.architecture, config.networks)
    if jpeg_model:
        _check_fits(config, jpeg_model)
    folder.mkdir(parents=True, exist_ok=True)
    for old in (CONFIG, LEARNED):
        (folder / old).unlink(missing_ok=True)
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(as_stored(weights, int8 or {})))  # save_file would not raise OSError for a full disk
    write_text(folder / METRICS, json.dumps(metrics, indent=2) + "\n")
    write_text(folder / CARD, card)
    hashed = [WEIGHTS]
    if learned:
        write_text(folder / LEARNED, learned.encoded())
        hashed.append(LEARNED)
    if jpeg_model:
        _copy_jpeg_model(jpeg_model, folder)
        hashed.append(_JPEG_MODEL_CONFIG)
    hashes = {name: sha256(folder / name) for name in hashed}
    config = config.model_copy(update={"sha256": hashes, "int8": int8 is not None})
    write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
    return read(folder)


def read(
    folder: Path, name: str | None = None, revision: str | None = None, origin: Origin = Origin.FOLDER
) -> Artifact:
    """Read and validate an artifact; `name` and `revision` default to the folder's name and its weights' hash.

    Raises ModelError if the folder, a file or a field is missing, unknown or out of bounds, or a file is a link out of
    the folder or does not match its hash.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{folder} is not a model: it has no {CONFIG}; give the folder of an artifact")
    for file in (*FILES, *COMPANIONS, *JPEG_MODEL_FILES):
        _check_file(folder, file)
    config = _read_network(folder)
    jpeg_model = _read_jpeg_model(folder, config)
    return Artifact(
        folder=folder,
        name=name or followed(folder).name,
        revision=revision or _revision(config, jpeg_model),
        config=config,
        metrics=_read_metrics(folder / METRICS),
        jpeg_model=jpeg_model,
        origin=origin,
    )


def read_config(path: Path) -> ModelConfig:
    """Read and validate a config.json. Raises ModelError if a field is unknown or wrong, or the format is newer."""
    try:
        return json_files.load(path, ModelConfig, limit(CONFIG))
    except JsonError as error:
        raise ModelError(f"{path}: {error}; this version reads formats 1 and 2") from error


def limit(file: str) -> int:
    """Return the maximum size in bytes of a file of an artifact."""
    return _LIMITS.get(Path(file).name, MAX_TEXT_BYTES)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy_jpeg_model(model: Artifact, folder: Path) -> None:
    (folder / _JPEG_MODEL).mkdir(exist_ok=True)
    for file in map(Path, JPEG_MODEL_FILES):
        if file.name == LEARNED and LEARNED not in model.config.sha256:
            (folder / file).unlink(missing_ok=True)
            continue
        with atomic_path(folder / file) as temporary:
            temporary.write_bytes((model.folder / file.name).read_bytes())


def _check_file(folder: Path, file: str) -> None:
    """Raise ModelError if an existing file is too long or a link out of the folder."""
    path = folder / file
    if not path.is_file():
        return
    inside = followed(folder)
    # Snapshots of the Hub's client consist of links into the `blobs` folder of the repository or of the whole cache
    allowed = (inside, *(place / "blobs" for place in list(inside.parents)[1:3] if inside.parent.name == "snapshots"))
    if not any(followed(path).is_relative_to(place) for place in allowed):
        raise ModelError(f"{path} is a link out of the model's folder; replace it by the file itself")
    if path.stat().st_size > limit(file):
        raise ModelError(f"{path} exceeds the limit of {limit(file):,} bytes; download the model again")


def _read_network(folder: Path) -> ModelConfig:
    config = read_config(folder / CONFIG)
    _check_hash(folder, WEIGHTS, config)
    if LEARNED in config.sha256:
        _check_hash(folder, LEARNED, config)
    return config


def _check_hash(folder: Path, file: str, config: ModelConfig) -> None:
    if not (folder / file).is_file():
        raise ModelError(f"the model in {folder} has no {file}; download or write it again")
    if sha256(folder / file) != config.sha256.get(file):
        raise ModelError(f"{file} in {folder} does not match its SHA-256 in {CONFIG}; download or write it again")


def _read_jpeg_model(folder: Path, config: ModelConfig) -> Artifact | None:
    if _JPEG_MODEL_CONFIG not in config.sha256:
        return None
    _check_hash(folder, _JPEG_MODEL_CONFIG, config)
    inner = folder / _JPEG_MODEL
    jpeg_config = _read_network(inner)
    if _JPEG_MODEL_CONFIG in jpeg_config.sha256:
        raise ModelError(f"{inner} has a JPEG network itself; give {folder} a JPEG network without one")
    model = Artifact(inner, inner.name, _revision(jpeg_config, None), jpeg_config, _read_metrics(inner / METRICS))
    _check_fits(config, model)
    return model


def _check_fits(config: ModelConfig, jpeg_model: Artifact) -> None:
    if jpeg_model.jpeg_model:
        raise ModelError(f"{jpeg_model.folder} has a JPEG network itself; give {jpeg_model.jpeg_model.folder}")
    if jpeg_model.config.architecture != config.architecture:
        raise ModelError(
            f"the JPEG network {jpeg_model.folder} has size {jpeg_model.config.architecture}, the clean-image network "
            f"{config.architecture}; combine networks of one size"
        )


def _revision(config: ModelConfig, jpeg_model: Artifact | None) -> str:
    digest = config.sha256[WEIGHTS]
    if jpeg_model:
        digest = hashlib.sha256((digest + jpeg_model.config.sha256[WEIGHTS]).encode()).hexdigest()
    return digest[:12]


def _read_metrics(path: Path) -> dict[str, Any]:
    try:
        return json_files.load(path, dict[str, Any], limit(METRICS))
    except (OSError, JsonError) as error:
        raise ModelError(f"{path} cannot be read as JSON; download or write the model again") from error
