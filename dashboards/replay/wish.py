"""What a replay page shows as its URL says it: run, compare, results, frame, probe, map and contrast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dashboards.pictures.wishes import Contrast
from dashboards.replay.view import CONTRASTS, ROTATION_MAP, USUAL_CONTRAST, ReplayView

ID_CHARS = 64
LARGEST = 1 << 26
LOCK_CHARS, LOCKS = 1024, 16
PATTERN = "pattern"
WITHOUT_MODEL = ("bright_field", "sum")


@dataclass(slots=True)
class ReplayWish:
    """A wish that makes no sense is as good as none; ids are looked up by who has the recordings."""

    run: str = ""
    results: str = ""
    compare: str = ""
    place: int | None = None  # positions due; None = all
    probe: tuple[int, int] | None = None  # (y, x); None = where the scan had got to
    choice: str = ROTATION_MAP
    contrast: str = USUAL_CONTRAST
    is_same: bool = True  # limits of the first run for both
    is_held: bool = False  # limits are locked
    held: dict[str, Contrast] = field(default_factory=dict)  # by map, or PATTERN

    def settle_choice(self, view: ReplayView) -> None:
        """A map that this run has: without a model there is no rotation to see."""
        learnt = bool(view.run.made_by.get("model"))
        if self.choice in view.choices and (learnt or self.choice != ROTATION_MAP):
            return
        offered = [name for name in WITHOUT_MODEL if name in view.choices] if not learnt else view.choices
        self.choice = (offered or view.choices or [self.choice])[0]


def wish_of(arguments: Mapping[str, Sequence[bytes]]) -> ReplayWish:
    """From the arguments of the page's URL."""
    texts = {name: values[0].decode(errors="replace")[:ID_CHARS] for name, values in arguments.items() if values}
    wish = ReplayWish(_id(texts, "run"), _id(texts, "results"), _id(texts, "compare"), _whole(texts.get("frame", "")))
    y, _, x = texts.get("probe", "").partition(",")
    row, column = _whole(y), _whole(x)
    wish.probe = (row, column) if row is not None and column is not None else None
    wish.choice = texts["map"] if texts.get("map", "").isidentifier() else ROTATION_MAP
    wish.contrast = texts["contrast"] if texts.get("contrast") in CONTRASTS else USUAL_CONTRAST
    wish.is_same = texts.get("same") != "0"
    wish.held = _held(arguments.get("lock", ()))
    wish.is_held = bool(wish.held)
    return wish


def _held(values: Sequence[bytes]) -> dict[str, Contrast]:
    """From `NAME:LOW:HIGH;...`; what makes no sense of it is left out."""
    text = values[0].decode(errors="replace")[:LOCK_CHARS] if values else ""
    found = (_one_held(part) for part in text.split(";")[:LOCKS])
    return {name: contrast for name, contrast in found if contrast is not None}


def _one_held(text: str) -> tuple[str, Contrast | None]:
    name, _, ends = text.partition(":")
    try:
        low, high = (float(end) for end in ends.split(":"))
    except ValueError:
        return name, None
    is_good = name.isidentifier() and math.isfinite(high - low) and low < high
    return name, Contrast("locked", low, high) if is_good else None


def _id(texts: Mapping[str, str], name: str) -> str:
    text = texts.get(name, "")
    return text if text.isascii() and text.isalnum() else ""


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= LARGEST else None
