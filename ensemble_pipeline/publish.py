"""Publishing of a model and its card to a repository on the Hugging Face Hub, in one commit."""

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo

from ensemble_pipeline import card
from ensemble_pipeline.config import PublishConfig
from ensemble_pipeline.errors import EnsembleError
from training_pipeline.measured import checked
from upscaler.errors import HubUnreachableError, ModelError
from upscaler.model import artifact, find, hub
from upscaler.model.artifact import Artifact

GRAPH, JPEG_GRAPH = "model.onnx", "jpegs/model.onnx"
PUBLISHED = {*artifact.FILES, *artifact.COMPANIONS, *artifact.JPEG_MODEL_FILES, GRAPH, JPEG_GRAPH}

Files = Mapping[str, Path | bytes]


def run(config: PublishConfig) -> None:
    """Publish the model and print the commit's address.

    Raises EnsembleError, ModelError or TrainingError and publishes nothing.
    """
    hub.check_name(config.repo)
    model = checked(find.model(config.model))
    hub.fetch_companions(model)
    files = contents(model, config.repo)
    print(upload(files, config) if not config.dry_run else listing(files))


def contents(model: Artifact, repo: str) -> Files:
    """Return the files to publish by their names on the Hub, with the card under the model's new name."""
    from ensemble_pipeline.onnx_export import serialised  # needs the package onnx, which is optional

    files = {file: model.folder / file for file in model.files}
    graphs = {GRAPH: serialised(model)}
    if model.jpeg_model:
        graphs[JPEG_GRAPH] = serialised(model.jpeg_model)
    return files | graphs | {artifact.CARD: card.of(model, repo).encode()}


def listing(files: Files) -> str:
    """List the files with their sizes, followed by the card."""
    sizes = {name: len(file) if isinstance(file, bytes) else file.stat().st_size for name, file in files.items()}
    lines = [f"{size:>12,} bytes  {name}" for name, size in sizes.items()]
    text = files[artifact.CARD]
    return "\n".join([*lines, "", text.decode() if isinstance(text, bytes) else ""])


def upload(files: Files, config: PublishConfig) -> str:
    """Commit all files or none to the repository, created if missing; return the commit's address.

    Files of a former model that this one lacks are removed; others stay.
    """
    hub.check_token()
    try:
        with hub.plain_errors(config.repo):
            return _commit(HfApi(), files, config)
    except (HubUnreachableError, RuntimeError) as error:  # RuntimeError: the upload of a large file failed
        raise EnsembleError(
            f"the connection to the Hub broke, and nothing was published in {config.repo}; try again"
        ) from error


def _commit(api: HfApi, files: Files, config: PublishConfig) -> str:
    api.create_repo(config.repo, private=config.private, exist_ok=True)
    found = _checked_repository(api, config)
    if config.revision:
        api.create_branch(config.repo, branch=config.revision, exist_ok=True)
    held = _names(found)
    written = [CommitOperationAdd(name, file) for name, file in files.items()]
    removed = [CommitOperationDelete(name) for name in sorted(PUBLISHED & held - files.keys())]
    commit = api.create_commit(
        config.repo, [*written, *removed], commit_message="Publish the model", revision=config.revision
    )
    return commit.commit_url


def _checked_repository(api: HfApi, config: PublishConfig) -> ModelInfo:
    """Return what the branch of the revision holds, or what main does if there is no such branch yet.

    Raises EnsembleError if the repository is public against --private, or that is another kind of model.
    """
    exists = config.revision and api.revision_exists(config.repo, config.revision)
    found = api.model_info(config.repo, revision=config.revision if exists else None)
    if config.private and not found.private:
        raise EnsembleError(f"{config.repo} exists and is public; make it private on the Hub, or give another name")
    if artifact.CONFIG not in _names(found):
        return found
    try:
        artifact.read_config(Path(api.hf_hub_download(config.repo, artifact.CONFIG, revision=found.sha)))
    except ModelError as error:
        raise EnsembleError(
            f"{config.repo} has another kind of model, which would be overwritten; give another name"
        ) from error
    return found


def _names(found: ModelInfo) -> set[str]:
    return {file.rfilename for file in found.siblings or []}
