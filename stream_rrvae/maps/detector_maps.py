"""Maps of the virtual detectors that settings name: what each counts, and of four quadrants which way the beam went.

x and y of quadrants are the sum of their counts times the direction of each quadrant's middle, over the sum of all:
differential phase contrast (Dekkers and de Lang, Optik 41, 452 (1974)), in the axes of the COM and with its sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from stream_rrvae.calibration.geometry import to_scan_axes
from stream_rrvae.detectors.laid_out import LEFT_OUT, WHOLE
from stream_rrvae.maps.values import PositionValues
from stream_rrvae.messages import Float32Array
from stream_rrvae.scan_store import ScanStore

COUNTS, SHARE = "counts", "1"


def detector_maps(values: PositionValues) -> Iterator[tuple[str, Float32Array, str]]:
    """Name, map [n] and unit of each; all of a position's values depend on nothing but that position."""
    for told in values.detectors_told:
        first, names = int(told["first"]), told["channels"]
        counts = values.detectors[first : first + len(names)]
        for name, image in zip(names, counts, strict=True):
            yield name, image, COUNTS
        if told["shape"] == "quadrants":
            y, x = _deflection(counts, told["angles_rad"], values)
            yield f"{told['name']}_x", x, SHARE
            yield f"{told['name']}_y", y, SHARE


def detector_notes(values: PositionValues) -> dict[str, str]:
    """By map, that not all of its detector lies on the frames."""
    notes = {}
    for told in values.detectors_told:
        if told["covered"] < WHOLE:
            text = f"{100 * told['covered']:.0f} % of the detector's area lies on the frames"
            notes.update(dict.fromkeys(_names(told), text))
    return notes


def left_out_of(store: ScanStore) -> dict[str, str]:
    """By map, why the store's scan has none of it."""
    return dict(store.features_info.get(LEFT_OUT, {}))


def _names(told: Mapping[str, Any]) -> list[str]:
    more = [f"{told['name']}_x", f"{told['name']}_y"] if told["shape"] == "quadrants" else []
    return [*told["channels"], *more]


def _deflection(
    counts: Float32Array, angles_rad: list[float], values: PositionValues
) -> tuple[Float32Array, Float32Array]:
    """(y, x) of quadrants' counts [4, n]; NaN where nothing was counted."""
    total = counts.sum(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        y = np.tensordot(np.sin(angles_rad), counts.astype(np.float64), 1) / total
        x = np.tensordot(np.cos(angles_rad), counts.astype(np.float64), 1) / total
    if values.axes == "scan":
        y, x = to_scan_axes(y, x, values.calibration)
    return np.asarray(y, np.float32), np.asarray(x, np.float32)
