"""Workflows: pinned actions and minimal permissions."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def jobs(workflow: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values())


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_actions_are_pinned_by_commit_and_containers_by_digest(workflow: Path) -> None:
    for job in jobs(workflow):
        if "container" in job:
            assert re.search(r"@sha256:[0-9a-f]{64}$", job["container"])
        used = [step["uses"] for step in job["steps"] if "uses" in step]
        assert [action for action in used if not re.search(r"@[0-9a-f]{40}$", action)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_no_job_with_installed_code_has_write_permission(workflow: Path) -> None:
    settings = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert set(settings["permissions"].values()) <= {"read"}
    for job in jobs(workflow):
        if "write" in job.get("permissions", {}).values():
            runs = [step["run"] for step in job["steps"] if "run" in step]
            assert [run for run in runs if re.search(r"\b(make|pip|python|bash)\b", run)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_a_checkout_persists_no_token(workflow: Path) -> None:
    steps = [step for job in jobs(workflow) for step in job["steps"] if "checkout@" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in steps)


def test_packages_are_published_without_a_stored_token() -> None:
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    (step,) = [step for step in release["pypi"]["steps"] if "gh-action-pypi-publish@" in step["uses"]]
    assert "with" not in step  # a password there would take the place of the trust
    assert release["pypi"]["permissions"] == {"id-token": "write"}
    assert release["pypi"]["environment"] == "pypi"
    assert "pypi" in release["github"]["needs"]
