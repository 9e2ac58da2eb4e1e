"""What one replay page shows: a clock, one or two runs, and what was chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboards.replay.pattern import ShownPattern
from dashboards.replay.player import Player
from dashboards.replay.view import ReplayView
from dashboards.replay.wish import ReplayWish

SIDES = ("a", "b")


@dataclass(slots=True)
class Side:
    """One of the two runs: what was asked for, and what is there of it."""

    name: str
    id: str = ""
    results: str = ""
    view: ReplayView | None = None
    pattern: ShownPattern | None = None
    is_asking: bool = False  # for a pattern
    is_dirty: bool = True
    is_pattern_dirty: bool = True

    def forget(self) -> None:
        """Show nothing."""
        self.view = self.pattern = None
        self.dirty()

    def dirty(self) -> None:
        """Everything of it is to be sent again."""
        self.is_dirty = self.is_pattern_dirty = True


class ReplayState:
    """`clock` is monotonic seconds."""

    def __init__(self, wish: ReplayWish, clock: Callable[[], float]) -> None:
        self.wish = wish
        self.player = Player(clock)
        self.sides = {name: Side(name) for name in SIDES}
        self.notice = ""  # what could not be had

    @property
    def shown(self) -> list[Side]:
        """The sides with a run."""
        return [side for side in self.sides.values() if side.view is not None]

    def place_of(self, view: ReplayView) -> int:
        """How far a run had got: both by the same share of their scans."""
        total = view.run.total
        return self.player.place if total == self.player.total else round(self.player.share * total)

    def position(self, view: ReplayView) -> tuple[int, int]:
        """The scan position (y, x) whose pattern is wanted: the probe's, else the one that had come last."""
        rows, columns = view.run.scan_shape
        if self.wish.probe is not None:
            return min(self.wish.probe[0], rows - 1), min(self.wish.probe[1], columns - 1)
        return view.latest(self.place_of(view))
