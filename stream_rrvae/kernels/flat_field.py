"""Frames evened out by a detector's flat field before they are measured: every value is then of evened pixels.

Whole-number pixels become float32, so that such a frame takes the way of float32 frames. That is the correct way for
every value at once, and costs up to seven times as much: a detector that needs a flat field mostly applies it itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled_entry
from stream_rrvae.messages import Float32Array

MOST_AT_ONCE_BYTES = 2 << 20


@compiled_entry
def even_out(frame: NDArray[Any], low: Any, high: Any, gain: Float32Array, out: Float32Array) -> None:
    """`frame` [ky, kx] times `gain` [ky, kx] to `out`; NaN where a pixel has no data (outside `low` to `high`)."""
    for y in range(frame.shape[0]):
        for x in range(frame.shape[1]):
            value = frame[y, x]
            out[y, x] = np.float32(value) * gain[y, x] if (value >= low) & (value <= high) else np.float32(np.nan)


def in_parts(count: int, frame_shape: tuple[int, int], measure: Callable[[slice, Float32Array], None]) -> None:
    """Call `measure` with a few frames after another and room [n, ky, kx] for them, so that caches hold the room."""
    at_once = max(1, min(count, MOST_AT_ONCE_BYTES // (4 * frame_shape[0] * frame_shape[1])))
    room = np.empty((at_once, *frame_shape), np.float32)
    for begin in range(0, count, at_once):
        part = slice(begin, min(begin + at_once, count))
        measure(part, room[: part.stop - part.start])
