"""The maps of the live feed: those that grow, and the projected phase as far as it is known by now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stream_rrvae.maps.bounded_phase import BoundedPhase
from stream_rrvae.maps.growing import GrowingMaps
from stream_rrvae.maps.phase import gradient_scale, phase_unit
from stream_rrvae.maps.products import ScanMaps
from stream_rrvae.messages import Calibration, Float32Array
from stream_rrvae.scan_store import ScanStore

NAME = "ricom_phase"
LOOKS = 4  # from one phase to the next: 5 Hz of 20, as it costs more than all other maps of a look
LOOKS_WHERE_ALL_CHANGE = 12  # as they do while the mean of the scan is the reference


class LiveMaps:
    """The maps of the latest store that was looked at; for one thread."""

    def __init__(self, with_phase: bool = True) -> None:
        self._maps = GrowingMaps()
        self._with_phase = with_phase
        self._phase: _Phase | None = None

    def look(self, store: ScanStore, calibration: Calibration) -> ScanMaps:
        """All maps of `store` as they are now, as `GrowingMaps.look` gives them, with the phase where it can be made.

        One of several shards has no phase: its positions' neighbours are other services'.
        """
        found = self._maps.look(store, calibration)
        if not self._with_phase or found.axes != "scan" or store.start.shard_count > 1:
            return found
        if self._phase is None or not self._phase.is_of(store, calibration):
            self._phase = _Phase(store, calibration, found.units["com_x"])
        image = self._phase.look(found.maps["com_y"], found.maps["com_x"])
        units = {**found.units, NAME: phase_unit(found.units["com_x"], calibration)}
        return replace(found, maps={**found.maps, NAME: image}, units=units)


class _Phase:
    """The phase of one store in one calibration."""

    def __init__(self, store: ScanStore, calibration: Calibration, com_unit: str) -> None:
        self._of = (store, calibration)
        scale = gradient_scale(com_unit, calibration)
        step = calibration.scan_step_nm if scale is not None else None
        self._scale = np.float32(scale or 1.0)
        self._sum = BoundedPhase(store.shape.scan_shape, step or (1.0, 1.0))
        self._image: Float32Array | None = None
        self._looks = 0  # since the latest phase
        self._is_small = False  # whether that took few lines

    def is_of(self, store: ScanStore, calibration: Calibration) -> bool:
        return self._of[0] is store and self._of[1] == calibration

    def look(self, com_y: Float32Array, com_x: Float32Array) -> Float32Array:
        """The phase of the COM maps [scan_y, scan_x]."""
        self._looks += 1
        if self._image is None or self._looks >= (LOOKS if self._is_small else LOOKS_WHERE_ALL_CHANGE):
            self._image = self._renewed(com_y, com_x)
        return self._image

    def _renewed(self, com_y: Float32Array, com_x: Float32Array) -> Float32Array:
        self._looks = 0
        measured = np.asarray(np.isfinite(com_y) & np.isfinite(com_x))
        gradient = np.where(measured, np.stack([com_y, com_x]), np.float32(0)) * self._scale
        lines = self._sum.changed_lines(gradient)
        self._is_small = 2 * (lines.stop - lines.start) <= com_y.shape[0]
        if lines.stop == 0 and self._image is not None:
            return self._image
        self._sum.take(gradient, lines)
        return self._sum.image(measured)
