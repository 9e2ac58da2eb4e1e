"""What a replay page wants done, as it says it: anybody may be a page, so all of it is checked before it counts."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from dashboards.replay.view import CONTRASTS
from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import RequestError

MOST_CHARS = 4096
ID_CHARS = 64
MOST_PLACE = 1 << 26
OPERATORS_ONLY = ("analyse", "cancel", "control")
NAMES = (
    "refresh", "open", "close", "results", "play", "pause", "seek", "step", "speed", "probe", "follow", "choose",
    "contrast", "same", "hold", *OPERATORS_ONLY,
)  # fmt: skip
CONTROLS = ("play", "pause", "speed", "seek", "status")


@dataclass(frozen=True, slots=True)
class Command:
    """`name` is one of NAMES; the rest is what that name needs."""

    name: str
    side: str = "a"
    id: str = ""
    results: str = ""
    value: float = 0.0  # a place, a step, a speed (0 = as fast as it goes), or a flag
    text: str = ""  # a map, a contrast, a mode, or what to do to the replay
    position: tuple[int, int] = (0, 0)  # (y, x)

    @property
    def speed(self) -> float:
        """Infinite for as fast as it goes."""
        return self.value or math.inf


def command_of(text: Any) -> Command:
    """The command in a JSON text. Raises RequestError."""
    try:
        plain = json.loads(text) if isinstance(text, str) and len(text) <= MOST_CHARS else None
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        raise RequestError("the page asked for something that is not understood")
    given = Arguments(plain)
    name = given.choice("do", NAMES)
    return Command(
        name=name,
        side=given.choice("side", ("a", "b"), "a"),
        id=given.text("id", ID_CHARS, ""),
        results=given.text("results", ID_CHARS, ""),
        value=given.number("value", -MOST_PLACE, MOST_PLACE, 0.0),
        text=_checked_text(name, given),
        position=(given.whole("y", 0, MOST_PLACE, 0), given.whole("x", 0, MOST_PLACE, 0)),
    )


def _checked_text(name: str, given: Arguments) -> str:
    if name == "contrast":
        return given.choice("text", tuple(CONTRASTS))
    if name == "control":
        return given.choice("text", CONTROLS)
    if name == "analyse":
        return given.choice("text", ("apply", "finetune", "off"))
    return given.text("text", ID_CHARS, "")
