"""The least versions that the table of known vulnerabilities asks for are those that an installation asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version


@pytest.fixture
def floors(deploy: Path) -> dict[str, Version]:
    """Of deploy/dependencies.md."""
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([\d.]+) \|", (deploy / "dependencies.md").read_text(), re.MULTILINE)
    return {name: Version(least) for name, least in rows}


def required(root: Path) -> list[Requirement]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [Requirement(text) for text in [*project["dependencies"], *extras["dask"], *extras["test"]]]


def test_an_installation_asks_for_no_less(deploy: Path, floors: dict[str, Version]) -> None:
    asked: dict[str, set[Version]] = {}
    for requirement in required(deploy.parent):
        least = [Version(each.version) for each in requirement.specifier if each.operator == ">="]
        asked.setdefault(requirement.name, set()).update(least)
    assert len(floors) >= 10
    assert {name: asked[name] for name in floors} == {name: {least} for name, least in floors.items()}


def test_the_versions_that_are_tested_satisfy_what_is_asked_for(deploy: Path) -> None:
    lines = (deploy.parent / "constraints.txt").read_text().splitlines()
    pinned = dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)
    for requirement in required(deploy.parent):
        if requirement.name.lower() in pinned:
            assert requirement.specifier.contains(pinned[requirement.name.lower()]), requirement


def test_dangerous_dependencies_have_a_least_version(deploy: Path) -> None:
    assert not [str(requirement) for requirement in required(deploy.parent) if not requirement.specifier]
