"""Sends what has changed to a replay page: images one push at a time, the next when the page has painted the last.

A watchdog sends again when an acknowledgement was lost, as on the live page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from dashboards.replay.held_limits import contrast_of, hold_maps, hold_pattern
from dashboards.replay.models import ReplayModels
from dashboards.replay.state import ReplayState, Side
from dashboards.replay.texts import run_told
from dashboards.replay.view import ALWAYS, ROTATION_MAP
from dashboards.replay.wish import PATTERN

WATCHDOG_S = 2.0


class ReplayPainter:
    """Its methods but `push` only note what is to be done; `push` needs the document's lock."""

    def __init__(self, state: ReplayState, models: ReplayModels, clock: Callable[[], float]) -> None:
        self._state, self._models, self._clock = state, models, clock
        self._listing: Mapping[str, Any] | None = None
        self._are_runs_dirty = False
        self._pushes = 0
        self._unacknowledged_since_s: float | None = None

    def show_list(self, listing: Mapping[str, Any]) -> None:
        """Another list of recordings."""
        self._listing = listing

    def all_dirty(self) -> None:
        """Other runs, or all of them in another way."""
        self._are_runs_dirty = True
        for side in self._state.sides.values():
            side.dirty()

    def painted(self, push: object) -> None:
        """What the page says that it has painted."""
        if push == self._pushes:
            self._unacknowledged_since_s = None

    def push(self) -> None:
        """Send what is to be sent."""
        if self._listing is not None:
            self._models.listed.data = {"text": [json.dumps(self._listing)]}
            self._listing = None
        if self._are_runs_dirty:
            self._are_runs_dirty = False
            told = {name: run_told(side.view.run) if side.view else None for name, side in self._state.sides.items()}
            self._models.runs.data = {"text": [json.dumps(told)]}
        for side in self._state.shown:
            if side.is_pattern_dirty and side.view is not None:
                side.is_pattern_dirty = False
                hold_pattern(self._state.wish, side.pattern)
                held = self._state.wish.held.get(PATTERN)
                self._models.sides[side.name].show_pattern(side.view.run, side.pattern, held)
        self._push_maps([side for side in self._state.shown if side.is_dirty])

    def _push_maps(self, sides: list[Side]) -> None:
        since_s = self._unacknowledged_since_s
        if not sides or (since_s is not None and self._clock() - since_s < WATCHDOG_S):
            return
        self._pushes += 1
        self._unacknowledged_since_s = self._clock()
        wish, first = self._state.wish, self._state.sides["a"].view
        if first is not None:
            hold_maps(wish, first, [name for name in (*ALWAYS, wish.choice) if name != ROTATION_MAP])
        for side in sides:
            assert side.view is not None
            side.is_dirty = False
            models, like = self._models.sides[side.name], first if wish.is_same and side.name == "b" else None
            models.place(side.view.map_placement)
            models.colour_choice(wish.choice)
            models.show_cross(side.view.probe_point)
            place = self._state.place_of(side.view)
            models.maps.data = side.view.columns(place, wish.choice, self._pushes, contrast_of(wish, like))
