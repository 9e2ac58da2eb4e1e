"""Counts of any number of virtual detectors, each a mask of pixels, beside the moments of a frame.

From bit planes as everything else there: counted bits under a mask; from pixels by runs of them, which a detector has
one or two of in each detector row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import INLINED, compiled
from stream_rrvae.kernels.memory import add_int, ints_at, load_byte, load_int, population, words_at
from stream_rrvae.kernels.plane_tables import PlaneTables

Scalar = Any


@compiled
def add_detectors(plane: int, valid: int, tables: PlaneTables, first: int, count: int, j: int) -> None:
    """Add `count` words of plane `j`, at address `plane`, to every detector; arguments as `plane_sums.add_plane`."""
    for d in range(tables.n_detectors):
        low = max(first, load_int(tables.detector_spans + 16 * d))
        high = min(first + count, load_int(tables.detector_spans + 16 * d + 8))
        if low >= high:
            continue
        words, counting = (
            words_at(plane + 8 * (low - first), high - low),
            words_at(valid + 8 * (low - first), high - low),
        )
        mask = words_at(tables.detectors + 8 * (d * tables.n_words + low), high - low)
        total = np.int64(0)
        for k in range(high - low):
            total += population(words[k] & counting[k] & mask[k])
        add_int(tables.detected + 8 * d, total << j)


@compiled
def add_to_detectors(tables: PlaneTables, pixel: int, value: int) -> None:
    """Add one pixel to the detectors that it lies in."""
    for d in range(tables.n_detectors):
        if load_byte(tables.detector_pixels + d * tables.pixels + pixel) != 0:
            add_int(tables.detected + 8 * d, value)


@compiled
def write_detected(tables: PlaneTables, detected: Any) -> None:
    """The counts of the frame that was summed, to `detected` f8 [K]."""
    counts = ints_at(tables.detected, tables.n_detectors)
    for d in range(tables.n_detectors):
        detected[d] = float(counts[d])


def sum_runs(pixels: NDArray[Any], low: Scalar, high: Scalar, runs: NDArray[np.int64], detected: Any) -> None:
    """Counts of the `runs` [n, 3] (detector, first pixel, last + 1) of a frame [ky, kx], to `detected` f8 [K].

    Pixels outside the valid range, `low` to `high`, count nowhere. For compiled code only.
    """
    raise NotImplementedError


def _summing_in(sum_type: type[np.integer[Any]]) -> Callable[..., None]:
    """`sum_runs` of whole numbers; a run lies within one detector row, so that short ones need few bits for it."""

    def sum_numbers(pixels: NDArray[Any], _low: Scalar, high: Scalar, runs: NDArray[np.int64], detected: Any) -> None:
        flat = pixels.reshape(-1)
        detected[:] = 0.0
        for run in range(runs.shape[0]):
            part = flat[runs[run, 1] : runs[run, 2]]
            total = sum_type(0)
            for at in range(part.size):
                total = sum_type(total + sum_type(part[at] if part[at] <= high else high - high))
            detected[runs[run, 0]] += float(total)

    return sum_numbers


_SUM_SHORT_NUMBERS, _SUM_NUMBERS = _summing_in(np.uint32), _summing_in(np.int64)


def _sum_floats(pixels: NDArray[Any], low: Scalar, high: Scalar, runs: NDArray[np.int64], detected: Any) -> None:
    flat = pixels.reshape(-1)
    detected[:] = 0.0
    for run in range(runs.shape[0]):
        total = 0.0
        for at in range(runs[run, 1], runs[run, 2]):
            value = flat[at]
            total += np.float64(value) if (value >= low) & (value <= high) else 0.0
        detected[runs[run, 0]] += total


@overload(sum_runs, jit_options=INLINED, strict=False)
def _chosen(pixels: Any, *_others: Any) -> Any:
    if isinstance(pixels.dtype, types.Float):
        return _sum_floats
    return _SUM_SHORT_NUMBERS if pixels.dtype.bitwidth <= 16 else _SUM_NUMBERS
