"""A pattern made small enough to be shown."""

from __future__ import annotations

import math

import numpy as np

from stream_rrvae.messages import Float32Array


def binned(pattern: Float32Array, most_side: int) -> tuple[Float32Array, int]:
    """`pattern` [ky, kx] summed in squares so that no side is longer than `most_side`, and the squares' side.

    A square with pixels without data (NaN) has the sum that its others make likely; without any others it is NaN.
    With a saturated pixel (inf) in it, it is saturated.
    """
    side = math.ceil(max(pattern.shape) / most_side)
    if side == 1:
        return pattern, 1
    rows, columns = (-(-length // side) for length in pattern.shape)
    padded = np.full((rows * side, columns * side), np.nan, np.float64)
    padded[: pattern.shape[0], : pattern.shape[1]] = pattern
    squares = padded.reshape(rows, side, columns, side)
    count = np.isfinite(squares).sum(axis=(1, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.nansum(squares, axis=(1, 3)) * (side * side / count)).astype(np.float32), side
