"""Limits of colours that are locked: for every recording, position and model that is shown after."""

from __future__ import annotations

import math

from dashboards.pictures.map_styles import style_of
from dashboards.pictures.painting import painted_pattern
from dashboards.pictures.wishes import Contrast
from dashboards.replay.pattern import ShownPattern
from dashboards.replay.view import CONTRASTS, ContrastOf, ReplayView
from dashboards.replay.wish import PATTERN, ReplayWish


def hold_maps(wish: ReplayWish, view: ReplayView, names: list[str]) -> None:
    """Where limits are locked, those of maps that have none yet become what they are for `view`."""
    for name in names if wish.is_held else ():
        if name in view.run.maps and name not in wish.held and not style_of(name).cyclic:
            wish.held[name] = view.limits(name, CONTRASTS[wish.contrast])


def hold_pattern(wish: ReplayWish, shown: ShownPattern | None) -> None:
    """The same for patterns; limits of patterns are counts."""
    if wish.is_held and PATTERN not in wish.held and shown is not None and shown.pattern.values is not None:
        limits = painted_pattern(shown.pattern.values, linear=False).limits
        wish.held[PATTERN] = Contrast("locked", math.pow(10, limits.low), math.pow(10, limits.high))


def contrast_of(wish: ReplayWish, like: ReplayView | None) -> ContrastOf:
    """Which limits each map gets: those that are locked, those of `like`, or the usual ones of its own run."""
    usual = CONTRASTS[wish.contrast]

    def of(name: str) -> Contrast:
        if wish.is_held and name in wish.held:
            return wish.held[name]
        return like.limits(name, usual) if like is not None and name in like.run.maps else usual

    return of
