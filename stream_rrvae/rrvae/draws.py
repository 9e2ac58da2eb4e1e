"""A number for each frame by which samples of frames are drawn: it depends on seed, scan and position alone."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.messages import BoolArray


def draws_of(seed: int, scan: str, n_positions: int) -> NDArray[np.float64]:
    """[n_positions] between 0 and 1; whoever wants fewer frames takes those with the smallest."""
    return np.random.default_rng([seed, zlib.crc32(scan.encode())]).random(n_positions)


def smallest_drawn(there: BoolArray, most: int, seed: int, scan: str) -> BoolArray:
    """At most so many of the positions [n] that are `there`, every one of them with the same chance."""
    positions = np.flatnonzero(there)
    if positions.size <= most:
        return there
    draws = draws_of(seed, scan, int(positions[-1]) + 1)[positions]
    kept = np.zeros_like(there)
    kept[positions[np.argpartition(draws, most - 1)[:most]]] = True
    return kept
