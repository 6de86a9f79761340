"""The files that hosts and tools read are well formed, and all of them run the project's own scripts."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.syntax import ROOT

GITHUB = ROOT / ".github"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_workflow_runs_the_one_check_and_may_only_read() -> None:
    workflow = _yaml(GITHUB / "workflows/ci.yml")
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert workflow["permissions"] == {"contents": "read"}
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_hook_before_a_commit_is_the_check_script() -> None:
    (repository,) = _yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["entry"], hook["language"]) == ("local", "scripts/check", "system")
    assert os.access(ROOT / hook["entry"], os.X_OK)


def test_updates_are_proposed_for_actions_and_for_python() -> None:
    updates = _yaml(GITHUB / "dependabot.yml")["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"github-actions", "pip"}


def test_there_is_a_form_for_a_bug_a_provider_and_an_idea() -> None:
    assert [path.stem for path in FORMS] == ["bug", "idea", "provider"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_has_what_github_requires(path: Path) -> None:
    form = _yaml(path)
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_security_and_pull_requests_have_their_files() -> None:
    assert "private vulnerability reporting" in (GITHUB / "SECURITY.md").read_text(encoding="utf-8")
    assert ".ci/run" in (GITHUB / "pull_request_template.md").read_text(encoding="utf-8")
