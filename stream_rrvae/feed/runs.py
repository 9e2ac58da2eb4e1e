"""What changed in maps since they were sent: of each one run of positions, from the first that differs to the last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_rrvae.messages import Float32Array

NOTHING = slice(0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Values [n] of a map at row-major positions from `first` on."""

    first: int
    values: Float32Array


def changed_runs(
    now: Mapping[str, Float32Array], before: Mapping[str, Float32Array], told: Mapping[str, slice]
) -> dict[str, Run]:
    """Of maps [scan_y, scan_x] by name, those that differ from the maps of these names `before`.

    An array that is still the same one may differ where it is `told`, or, where nothing is, everywhere. Others are
    compared to the bit.
    """
    runs = {}
    for name, image in now.items():
        flat = image.reshape(-1)
        span = told.get(name, slice(None)) if image is before[name] else differing(flat, before[name].reshape(-1))
        first, last, _ = span.indices(flat.size)
        if last > first:
            runs[name] = Run(first, flat[first:last])
    return runs


def differing(now: Float32Array, before: Float32Array) -> slice:
    """From the first value [n] that differs to the last; NaN does not differ from itself."""
    differ: Any = now.view(np.uint32) != before.view(np.uint32)
    first = int(differ.argmax())
    if not differ[first]:
        return NOTHING
    return slice(first, differ.size - int(differ[::-1].argmax()))


def bytes_of(runs: Mapping[str, Run]) -> int:
    """What they hold together."""
    return sum(run.values.nbytes for run in runs.values())
