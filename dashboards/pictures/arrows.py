"""COM vectors as arrows, every n-th of them, so that a direction never rests on colour alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dashboards.pictures.placement import Placement
from dashboards.pictures.quantise import Values

ARROWS_A_SIDE = 20
LENGTH = 0.95  # of the distance between two arrows, for the longest
HEAD, HEAD_ANGLE_RAD = 0.35, 0.5
Columns = dict[str, NDArray[np.float32]]


def no_arrows() -> Columns:
    """The columns of `arrow_segments` without any."""
    return {name: np.zeros(0, np.float32) for name in ("x0", "y0", "x1", "y1")}


def arrow_segments(com_y: Values, com_x: Values, place: Placement) -> Columns:
    """Three strokes an arrow in the coordinates of `place`; the length tells the magnitude, clipped at its 95 %."""
    rows, columns = com_y.shape
    step = max(1, math.ceil(max(rows, columns) / ARROWS_A_SIDE))
    row, column = np.mgrid[step // 2 : rows : step, step // 2 : columns : step].astype(np.float64)
    vy, vx = (image[step // 2 :: step, step // 2 :: step].astype(np.float64) for image in (com_y, com_x))
    known = np.isfinite(vy) & np.isfinite(vx)
    if not known.any():
        return no_arrows()
    size, angle = np.hypot(vy, vx)[known], np.arctan2(vy, vx)[known]
    longest = float(np.percentile(size, 95)) or 1.0
    reach = LENGTH * step * place.width / columns * np.clip(size / longest, 0, 1)
    middle_x, middle_y = (column[known] + 0.5) * place.width / columns, (row[known] + 0.5) * place.height / rows
    tip = middle_x + reach / 2 * np.cos(angle), middle_y + reach / 2 * np.sin(angle)
    ends = [(tip[0] - reach * np.cos(angle), tip[1] - reach * np.sin(angle))]
    ends += [
        (tip[0] - HEAD * reach * np.cos(angle + turn), tip[1] - HEAD * reach * np.sin(angle + turn))
        for turn in (HEAD_ANGLE_RAD, -HEAD_ANGLE_RAD)
    ]
    x1, y1 = (np.concatenate([end[axis] for end in ends]).astype(np.float32) for axis in (0, 1))
    return {
        "x0": np.tile(tip[0], 3).astype(np.float32),
        "y0": np.tile(tip[1], 3).astype(np.float32),
        "x1": x1,
        "y1": y1,
    }
