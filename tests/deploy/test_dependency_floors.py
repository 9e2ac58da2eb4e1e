"""The least versions that the table of known vulnerabilities asks for are those that an installation asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

Row = tuple[str, Version, str]  # package, least version, because of


def rows(deploy: Path, first_column: str) -> list[Row]:
    """Of the table of deploy/dependencies.md that begins with this column."""
    _, _, rest = (deploy / "dependencies.md").read_text().partition(f"| {first_column} | least |")
    found = re.findall(r"^\| ([a-z0-9-]+) \| ([\d.]+) \| (.+?) \|", rest.partition("\n\n")[0], re.MULTILINE)
    return [(name, Version(least), because) for name, least, because in found]


@pytest.fixture
def floors(deploy: Path) -> dict[str, Version]:
    return {name: least for name, least, _ in rows(deploy, "package")}


@pytest.fixture
def pinned(deploy: Path) -> dict[str, Version]:
    """Of constraints.txt."""
    lines = (deploy.parent / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
    return {name: Version(number) for name, _, number in (line.partition("==") for line in lines) if number}


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


def test_the_versions_that_are_tested_satisfy_what_is_asked_for(deploy: Path, pinned: dict[str, Version]) -> None:
    for requirement in required(deploy.parent):
        if requirement.name.lower() in pinned:
            assert requirement.specifier.contains(pinned[requirement.name.lower()]), requirement


@pytest.mark.parametrize("table", ["package", "brought along"])
def test_no_version_that_is_tested_has_a_vulnerability_that_is_known_here(
    table: str, deploy: Path, pinned: dict[str, Version]
) -> None:
    known = rows(deploy, table)
    assert len(known) >= 7
    assert not [(name, least) for name, least, _ in known if pinned[name] < least]


@pytest.mark.parametrize("table", ["package", "brought along"])
def test_every_least_version_has_the_number_of_its_advisory(table: str, deploy: Path) -> None:
    number = re.compile(r"\b(CVE-20\d\d-\d{4,6}|PYSEC-20\d\d-\d+|GHSA(-\w{4}){3})\b")
    assert not [name for name, _, because in rows(deploy, table) if not number.search(because)]


def test_every_package_that_an_installation_asks_for_was_looked_up(deploy: Path, floors: dict[str, Version]) -> None:
    project = tomllib.loads((deploy.parent / "pyproject.toml").read_text())["project"]
    _, _, nothing_found = (deploy / "dependencies.md").read_text().partition("Known and open:")
    asked = {Requirement(text).name for text in project["dependencies"]}
    assert not [name for name in sorted(asked - floors.keys()) if name not in nothing_found]


def test_dangerous_dependencies_have_a_least_version(deploy: Path) -> None:
    assert not [str(requirement) for requirement in required(deploy.parent) if not requirement.specifier]
