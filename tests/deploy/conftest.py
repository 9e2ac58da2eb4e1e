"""What the tests of samples have in common: where they are, and the commands that they start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stream_rrvae.cli import cli


@pytest.fixture
def deploy() -> Path:
    """The folder of samples."""
    return Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture
def understood() -> Callable[[Sequence[str]], dict[str, object]]:
    """Takes the words after `stream-rrvae` as the program does, without doing it; gives the command's options."""

    def parse(words: Sequence[str]) -> dict[str, object]:
        command = cli.commands[words[0]]
        return dict(command.make_context(words[0], list(words[1:])).params)

    return parse
