"""The container's files, read as an engine would: nobody is root, nothing can be written but what must be."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

Understood = Callable[[Sequence[str]], dict[str, object]]
INSTRUCTIONS = {
    "FROM", "ARG", "ENV", "COPY", "RUN", "VOLUME", "WORKDIR", "USER", "STOPSIGNAL", "ENTRYPOINT", "CMD", "HEALTHCHECK",
}  # fmt: skip
HEALTH_URL = re.compile(r"http://(127\.0\.0\.1:\d+)/(livez|readyz)")


@pytest.fixture
def compose(deploy: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((deploy / "container" / "compose.yaml").read_text())
    return read


@pytest.fixture
def instructions(deploy: Path) -> list[tuple[str, str]]:
    """The Containerfile's instructions and what follows them."""
    text = (deploy / "container" / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_image_runs_as_nobody_in_particular(instructions: list[tuple[str, str]], deploy: Path) -> None:
    names = [name for name, _ in instructions]
    last_stage = instructions[len(names) - 1 - names[::-1].index("FROM") :]
    users = [value for name, value in last_stage if name == "USER"]
    assert users and all(int(part) > 0 for part in users[-1].split(":"))
    images = [value.split()[0] for name, value in instructions if name == "FROM"]
    assert all(re.fullmatch(r"[a-z0-9./-]+:(?!latest)[\w.-]+", image) for image in images)
    assert "ADD" not in names and not [value for name, value in instructions if "chmod" in value or "sudo" in value]
    known = {
        "FROM",
        "ARG",
        "ENV",
        "COPY",
        "RUN",
        "VOLUME",
        "WORKDIR",
        "USER",
        "STOPSIGNAL",
        "ENTRYPOINT",
        "CMD",
        "HEALTHCHECK",
    }
    assert set(names) <= known
    for name, value in last_stage:
        if name in ("ENTRYPOINT", "CMD", "VOLUME"):
            assert json.loads(value)


def test_what_the_image_copies_is_there(instructions: list[tuple[str, str]], deploy: Path) -> None:
    for name, value in instructions:
        if name == "COPY" and "--from" not in value:
            assert all((deploy.parent / source).exists() for source in shlex.split(value)[:-1]), value


def test_every_service_is_hardened(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"serve", "dashboard"}
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert all(int(part) > 0 for part in service["user"].split(":"))
        assert service["cap_drop"] == ["ALL"] and not {"cap_add", "privileged", "devices", "pid"} & set(service)
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all("noexec" in mount and "size=" in mount for mount in service["tmpfs"])
        assert service["mem_limit"] and service["pids_limit"]
        assert service["healthcheck"]["test"][0] == "CMD"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
        for volume in service.get("volumes", []):
            assert volume.endswith(":ro") or volume.split(":")[0] in compose["volumes"]
        assert set(service["secrets"]) <= set(compose["secrets"])


def test_the_commands_are_understood_and_asked_about_where_they_answer(
    compose: dict[str, Any], understood: Understood
) -> None:
    services = compose["services"]
    for service in services.values():
        service["parsed"] = understood(service["command"])
        assert HEALTH_URL.search(service["healthcheck"]["test"][-1])
    serve, pages = services["serve"]["parsed"], services["dashboard"]["parsed"]
    asked = [HEALTH_URL.search(each["healthcheck"]["test"][-1]) for each in services.values()]
    assert asked[0] and asked[0][1] == serve["http"]
    assert asked[1] and asked[1][1] == f"127.0.0.1:{pages['port']}"
    assert services["serve"]["ports"] == [f"127.0.0.1:{pages['port']}:{pages['port']}"]


def test_the_image_asks_for_its_health_where_compose_lets_it_answer(
    instructions: list[tuple[str, str]], compose: dict[str, Any]
) -> None:
    told = [value for name, value in instructions if name == "HEALTHCHECK"]
    asked = HEALTH_URL.search(told[0])
    assert asked and asked[1] in compose["services"]["serve"]["command"]
