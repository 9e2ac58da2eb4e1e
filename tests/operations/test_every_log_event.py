"""Every line of the log is an event with a name of its own, and the runbook says of each what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for folder in ("stream_rrvae", "dashboards", "detector_sim") for path in (ROOT / folder).rglob("*.py")]
FREE_TEXT = {"info", "warning", "error", "exception", "critical"}


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def told_by(path: Path) -> Iterator[str]:
    """The names of the events that a module tells: `event` and what it is called where that name is taken."""
    if not re.search(r"^from stream_rrvae.log import .*\bevent\b", path.read_text(), re.MULTILINE):
        return
    for call in calls(path):
        name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        first = call.args[0] if call.args else None
        if name in ("event", "tell", "_tell") and isinstance(first, ast.Constant) and str(first.value).isidentifier():
            yield str(first.value)


@pytest.fixture(scope="module")
def told() -> set[str]:
    return {name for path in SOURCES for name in told_by(path)}


@pytest.fixture(scope="module")
def explained() -> dict[str, str]:
    """Of the runbook's table of events."""
    _, _, table = (ROOT / "deploy" / "runbook.md").read_text().partition("## Events of the log")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.+) \|$", table, re.MULTILINE)
    return {name: text for names, text in rows for name in re.findall(r"`(\w+)`", names)}


def test_no_line_is_free_text() -> None:
    lines = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in SOURCES
        for call in calls(path)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in FREE_TEXT
        and re.fullmatch(r"_?log|_?logger|logging\.getLogger\(.*\)", ast.unparse(call.func.value))
    ]
    assert not lines, f"tell it by stream_rrvae.log.event: {lines}"


def test_the_runbook_knows_every_event_and_no_others(told: set[str], explained: dict[str, str]) -> None:
    assert len(told) > 40
    assert {"frame_refused", "message_rejected", "detector_lost", "child_ended", "snapshot_failed"} <= told
    assert told - explained.keys() == set()
    assert explained.keys() - told == set()
