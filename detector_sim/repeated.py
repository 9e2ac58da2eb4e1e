"""A computed scan beside itself: long scans at the price of a short one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector_sim.encoding import EncodedFrame

Pair = tuple[int, int]


def repeated_frames(frames: Sequence[EncodedFrame], shape: Pair, repeat: Pair) -> list[EncodedFrame]:
    """The `frames` of a scan of `shape` (y, x), `repeat` (y, x) times beside each other; payloads are shared."""
    places = repeated_map(np.arange(len(frames)).reshape(shape), repeat).ravel().tolist()
    return [replace(frames[place], number=number) for number, place in enumerate(places)]


def repeated_map(values: NDArray[Any], repeat: Pair) -> NDArray[Any]:
    """Values [y, x, ...] of the computed scan as those of the repeated one."""
    return np.tile(values, (*repeat, *[1] * (values.ndim - 2)))
