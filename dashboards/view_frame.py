"""One snapshot made ready for browsers, once for all of them: nothing here belongs to a session."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dashboards import placement
from dashboards.map_styles import choosable, style_of
from dashboards.palettes import ROTATION, rgb_table
from dashboards.quantise import (
    Limits,
    Pixels,
    angle_rgba,
    binned,
    linear_limits,
    log_limits,
    quantise,
    quantise_angle,
    quantise_log,
    thinned,
)
from stream_rrvae.messages import Snapshot

EMPTY: Pixels = np.zeros((1, 1), np.uint8)
EMPTY_RGBA = np.zeros((1, 1), np.uint32)
SCATTER_LIMIT = 3000
_ROTATION_TABLE = rgb_table(ROTATION)
_ANGLE_LIMITS = Limits(-180.0, 180.0)


@dataclass(frozen=True, slots=True)
class Painted:
    """An image as the browser gets it, and what its colours mean."""

    pixels: Pixels
    limits: Limits
    unit: str


class ViewFrame:
    """What pages draw of `snapshot`; each image is quantised at its first use and kept.

    `received_s` is this process' monotonic clock; `model_generation` changes whenever the
    learner's maps do.
    """

    def __init__(self, snapshot: Snapshot, received_s: float, model_generation: int) -> None:
        self.snapshot = snapshot
        self.received_s = received_s
        self.model_generation = model_generation
        self._painted: dict[str, Painted] = {}

    def map(self, name: str) -> Painted:
        """The map `name`, or an empty image where the service has no such map."""
        if name not in self._painted:
            self._painted[name] = self._paint(name)
        return self._painted[name]

    def _paint(self, name: str) -> Painted:
        values, style = self.snapshot.maps.get(name), style_of(name)
        if values is None or not values.size:
            return Painted(EMPTY, Limits(0.0, 1.0), "")
        shown, unit = thinned(values), self.snapshot.units.get(name, "")
        if style.cyclic:
            return Painted(quantise_angle(shown), _ANGLE_LIMITS, "deg")
        limits = linear_limits(shown, style.signed)
        return Painted(quantise(shown, limits), limits, unit)

    @cached_property
    def pattern(self) -> Painted:
        """The latest pattern, log10 counts; `limits` are logarithms."""
        pattern = self.snapshot.pattern
        if pattern is None or not pattern.size:
            return Painted(EMPTY, Limits(0.0, 1.0), "counts")
        shown = binned(pattern)
        limits = log_limits(shown)
        return Painted(quantise_log(shown, limits), limits, "counts")

    @cached_property
    def rotation(self) -> NDArray[np.uint32]:
        """The rotation as colours whose opacity is the confidence."""
        angles = self.snapshot.maps.get("rotation")
        if angles is None or not angles.size:
            return EMPTY_RGBA
        confidence = self.snapshot.maps.get("rotation_confidence")
        opacity = np.ones_like(angles) if confidence is None else confidence
        return angle_rgba(thinned(angles), thinned(opacity), _ROTATION_TABLE)

    @cached_property
    def scatter(self) -> dict[str, NDArray[np.float32] | Pixels]:
        """At most SCATTER_LIMIT positions in latent space: x, y, and COM magnitude as colour."""
        maps = self.snapshot.maps
        first, second = maps.get("latent_1"), maps.get("latent_2")
        if first is None or second is None:
            nothing = np.zeros(0, np.float32)
            return {"x": nothing, "y": nothing, "colour": np.zeros(0, np.uint8)}
        where = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
        where = where[:: max(1, math.ceil(where.size / SCATTER_LIMIT))]
        colour = maps.get("com_magnitude", first).ravel()[where]
        limits = self.map("com_magnitude").limits
        return {"x": first.ravel()[where], "y": second.ravel()[where], "colour": quantise(colour, limits)}

    @cached_property
    def scatter_extent(self) -> float:
        """Half the width of latent space as shown: whole numbers from 3 on, for all but stray points."""
        points = np.abs(np.concatenate([self.scatter["x"], self.scatter["y"]]))
        return float(max(3, math.ceil(1.05 * np.percentile(points, 99.8)))) if points.size else 4.0

    @cached_property
    def choices(self) -> list[str]:
        return choosable(list(self.snapshot.maps))

    @property
    def map_placement(self) -> placement.Placement:
        return placement.scan_placement(self.snapshot.scan_shape, self.snapshot.calibration)

    @property
    def pattern_placement(self) -> placement.Placement:
        shape = (
            (1, 1)
            if self.snapshot.pattern is None
            else (self.snapshot.pattern.shape[0], self.snapshot.pattern.shape[1])
        )
        return placement.pattern_placement(shape, self.snapshot.calibration)

    @cached_property
    def pattern_com_px(self) -> tuple[float, float] | None:
        """COM (ky, kx) of the pattern as it is shown; None where it holds no counts."""
        pattern = self.snapshot.pattern
        if pattern is None:
            return None
        counts = np.where(np.isfinite(pattern), pattern, 0.0).astype(np.float64)
        total = float(counts.sum())
        if total <= 0:
            return None
        rows, columns = counts.sum(axis=1), counts.sum(axis=0)
        return float(rows @ np.arange(rows.size)) / total, float(columns @ np.arange(columns.size)) / total
