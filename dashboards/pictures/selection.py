"""The positions inside a lasso in latent space, and their outline over the maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboards.pictures.quantise import Pixels, Values, thinned

Corners = Sequence[tuple[float, float]]
SIDE_LIMIT = 256  # positions a side looked at
OUTLINE_SIDE = 512
CASING, LINE = 1, 2


@dataclass(frozen=True, slots=True)
class Selection:
    outline: Pixels  # 0 = nothing, CASING, LINE
    share: float  # of the positions that have latents


def selected(first: Values, second: Values, lasso: Corners) -> Selection:
    """The positions of two latent maps [scan_y, scan_x] inside `lasso`, corners (first, second)."""
    x, y = thinned(first, SIDE_LIMIT), thinned(second, SIDE_LIMIT)
    inside = within(x, y, lasso)
    known = int(np.count_nonzero(np.isfinite(x) & np.isfinite(y)))
    return Selection(outline(inside), float(inside.sum()) / known if known else 0.0)


def within(x: Values, y: Values, corners: Corners) -> NDArray[np.bool_]:
    """Which points lie inside the polygon, by the even-odd rule; none with less than three corners."""
    inside = np.zeros(x.shape, bool)
    if len(corners) < 3:
        return inside
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y1 == y2:
            continue
        with np.errstate(invalid="ignore"):
            crosses = (y1 > y) != (y2 > y)
            inside ^= crosses & (x < x1 + (x2 - x1) * (y - y1) / (y2 - y1))
    return inside & np.isfinite(x) & np.isfinite(y)


def outline(inside: NDArray[np.bool_]) -> Pixels:
    """The edge of `inside` as a line with a dark casing, fine enough for a page."""
    scale = max(1, math.ceil(OUTLINE_SIDE / max(*inside.shape, 1)))
    large = np.pad(np.repeat(np.repeat(inside, scale, axis=0), scale, axis=1), 1)
    core = _shrunk(large)
    casing = core & ~_shrunk(core)
    drawn = np.where(large & ~core, LINE, np.where(casing, CASING, 0)).astype(np.uint8)
    return np.ascontiguousarray(drawn[1:-1, 1:-1])


def _shrunk(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`area` without what touches its outside."""
    kept = area.copy()
    kept[1:] &= area[:-1]
    kept[:-1] &= area[1:]
    kept[:, 1:] &= area[:, :-1]
    kept[:, :-1] &= area[:, 1:]
    return kept
