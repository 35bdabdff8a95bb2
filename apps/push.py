"""Deployment of an app to a Hugging Face Space: python -m apps.push ui --space user/name

A Space runs the app's container: it gets the Dockerfile, the lock files that it installs from, and the packages' files
as declared in pyproject.toml. The Hub's image for Gradio apps is unsuitable: it installs further packages without
hashes in the same pip call, and pip then refuses lock files with hashes.
"""

import os
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi, metadata_load, metadata_save

from apps.monitor import settings as monitor
from apps.serving import settings
from apps.ui import settings as ui
from upscaler.errors import DoubleResolutionError, HubUnreachableError
from upscaler.model import artifact, find, hub
from upscaler.options import option
from upscaler.program import Command, run_command

ROOT = Path(__file__).parents[1]
LOCKS = (Path("requirements/build.txt"), Path("requirements/serving.txt"))
SHARED = ("upscaler", "apps/serving")  # packages that both apps import
VARIABLES = {
    "ui": (find.VARIABLE, *ui.VARIABLES, *settings.VARIABLES),
    "monitor": (find.VARIABLE, *monitor.VARIABLES, *settings.VARIABLES),
}
SECRETS = ("HF_TOKEN",)  # for a private model, and for the monitor to write HISTORY_REPO


class PushError(DoubleResolutionError):
    """Error for an app that cannot be deployed."""


def pairs(given: Sequence[str]) -> dict[str, str]:
    """Return what NAME=VALUE texts set; the value of a bare NAME is that of the environment."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals and name not in os.environ:
            raise PushError(f"{name} has no value here; give {name}=VALUE, or set it in the environment")
        found[name] = value if equals else os.environ[name]
    return found


@dataclass(frozen=True)
class SpaceConfig:
    """An app, its Space, and the model, secrets and variables that are set there."""

    app: str = option("the app to put there", positional=True, choices=tuple(sorted(VARIABLES)))
    space: str = option("the Space, made if need be", metavar="USER/NAME")
    model: str = option(find.NAMES, default=find.FAST)
    secrets: Mapping[str, str] = option(
        "secret to set there; without a value, as it is in this environment; may be given several times",
        default_factory=dict,
        flags=("--secret",),
        metavar="NAME[=VALUE]",
        read=pairs,
        repr=False,
    )
    variables: Mapping[str, str] = option(
        "variable to set there, likewise; --dry-run lists those that the app reads",
        default_factory=dict,
        flags=("--variable",),
        metavar="NAME[=VALUE]",
        read=pairs,
    )
    dry_run: bool = option("only list the files, and what would be set", default=False)


def main(arguments: Sequence[str] | None = None, program: str = "python -m apps.push") -> None:
    """Run the command line."""
    run_command(program, COMMANDS, arguments)


def run(config: SpaceConfig) -> None:
    """Stage the app and upload it in one commit. Raises PushError or ModelError and leaves the Space unchanged."""
    check(config)
    with TemporaryDirectory(prefix="space_") as temporary:
        folder = Path(temporary)
        variables = stage(config, folder) | dict(config.variables)
        print(listing(config, folder, variables) if config.dry_run else upload(config, folder, variables))


def check(config: SpaceConfig) -> None:
    """Raise HubError for an invalid name of the Space, PushError for a secret or variable the app does not read."""
    hub.check_name(config.space)
    for kind, names, known in (
        ("secret", config.secrets, SECRETS),
        ("variable", config.variables, VARIABLES[config.app]),
    ):
        if unknown := sorted(set(names) - set(known)):
            raise PushError(f"{config.app} reads no {kind} {unknown[0]}; choose from {', '.join(known)}")


def stage(config: SpaceConfig, folder: Path) -> dict[str, str]:
    """Copy the Space's files to `folder` and return the variables it needs. Raises PushError for a symbolic link."""
    app = Path("apps") / config.app
    dockerfile, front_page = Path("docker") / f"{config.app}.Dockerfile", app / "README.md"
    targets = {path: path for package in (*SHARED, app.as_posix()) for path in declared(package)}
    targets |= {path: path for path in (Path("apps/__init__.py"), *LOCKS)}
    targets |= {dockerfile: Path("Dockerfile"), front_page: Path("README.md")}
    _copy(ROOT, folder, targets)
    _write_front_page(folder / "README.md", config)
    return _stage_model(config.model, folder, app / "model")  # the Dockerfile copies this folder


def declared(package: str) -> set[Path]:
    """Return the files that a wheel would contain of a package: modules and package data, relative to the root.

    Other files in the folder, such as environment files, notes and editor backups, must not be published.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = set((ROOT / package).rglob("*.py"))
    for name, patterns in project["tool"]["setuptools"]["package-data"].items():
        place = name.replace(".", "/")
        if f"{place}/".startswith(f"{package}/"):
            found |= {path for pattern in patterns for path in (ROOT / place).glob(pattern)}
    files = {path.relative_to(ROOT) for path in found}
    return {path for path in files if not any(part.startswith(".") for part in path.parts)}


def _copy(source: Path, target: Path, files: Mapping[Path, Path]) -> None:
    """Copy files from one folder to another. Raises PushError for a symbolic link, which may lead to a private file."""
    for path, new in files.items():
        if link := next((step for step in (path, *path.parents[:-1]) if (source / step).is_symlink()), None):
            raise PushError(f"{source / link} is a link, and its target would be published; replace it by the file")
        (target / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / new)


def _write_front_page(page: Path, config: SpaceConfig) -> None:
    """Adapt the app's README to the Space: rebase relative links and name the model in the front matter."""
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r"\]\((?!\w+:|#)", f"](apps/{config.app}/", text), encoding="utf-8")
    if _is_reference(config.model):
        metadata_save(page, {**(metadata_load(page) or {}), "models": [config.model.split("@")[0]]})


def _stage_model(model: str, folder: Path, place: Path) -> dict[str, str]:
    if model == find.FAST:
        return {}
    if model == find.BEST or _is_reference(model):
        return {find.VARIABLE: model}
    found = artifact.read(Path(model))
    _copy(found.folder, folder, {Path(file): place / file for file in found.files})
    return {find.VARIABLE: place.as_posix()}


def _is_reference(model: str) -> bool:
    return model not in find.BUNDLED and not Path(model).is_dir()


def listing(config: SpaceConfig, folder: Path, variables: Mapping[str, str]) -> str:
    """List the staged files with sizes, the secrets and variables to set, and all known ones."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{path.stat().st_size:>12,} bytes  {path.relative_to(folder)}" for path in files]
    lines += [f"variable {name} = {value}" for name, value in variables.items()]
    lines += [f"secret {name}" for name in config.secrets]
    lines.append(
        f"Variables that {config.app} reads: {', '.join(VARIABLES[config.app])}; secrets: {', '.join(SECRETS)}"
    )
    return "\n".join(lines)


def upload(config: SpaceConfig, folder: Path, variables: Mapping[str, str]) -> str:
    """Create the Space if needed, set secrets and variables, and commit the files; return the Space's URL."""
    hub.check_token()
    if _is_reference(config.model):
        find.model(config.model)
    try:
        with hub.plain_errors(config.space):
            return _upload(HfApi(), config, folder, variables)
    except (HubUnreachableError, RuntimeError) as error:  # RuntimeError: upload of a large file failed
        raise PushError(
            f"the connection to the Hub failed; {config.space} still serves its previous files; try again"
        ) from error


def _upload(api: HfApi, config: SpaceConfig, folder: Path, variables: Mapping[str, str]) -> str:
    address = api.create_repo(config.space, repo_type="space", space_sdk="docker", exist_ok=True)
    _check_space(api, config.space)
    for name, value in config.secrets.items():
        api.add_space_secret(config.space, name, value)
    for name, value in variables.items():
        api.add_space_variable(config.space, name, value)
    message = f"Put {config.app} here"
    api.upload_folder(
        repo_id=config.space, repo_type="space", folder_path=folder, commit_message=message, delete_patterns="*"
    )
    return str(address)


def _check_space(api: HfApi, space: str) -> None:
    """Raise PushError if the Space holds another app, which would be lost."""
    files = set(api.list_repo_files(space, repo_type="space")) - {".gitattributes", "README.md"}
    if files and not any(file.startswith("upscaler/") for file in files):
        raise PushError(f"{space} holds another app, which would be overwritten; give another name")


COMMANDS = (Command("", "put an app on the Hub as a Space", SpaceConfig, run),)

if __name__ == "__main__":
    main()
