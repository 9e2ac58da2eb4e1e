"""The maps of the live feed: those that grow, and from time to time those that are derived from the COM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stream_rrvae.maps.bounded_phase import BoundedPhase
from stream_rrvae.maps.com_field import ComField, Need
from stream_rrvae.maps.derived import CHARGE_DENSITY, DIVERGENCE
from stream_rrvae.maps.growing import GrowingMaps
from stream_rrvae.maps.phase import gradient_scale, phase_unit
from stream_rrvae.maps.products import ScanMaps
from stream_rrvae.messages import Calibration, Float32Array
from stream_rrvae.scan_store import ScanStore

PHASE_NAME = "ricom_phase"
NEIGHBOURS = "this service has only some lines of the scan: the results of all of it have this map"
LOOKS = 4  # from one time to the next: 5 Hz of 20, as they cost more than all other maps of a look
LOOKS_WHERE_ALL_CHANGE = 12  # as they do while the mean of the scan is the reference


class LiveMaps:
    """The maps of the latest store that was looked at; for one thread."""

    def __init__(self, with_derived: bool = True) -> None:
        self._maps = GrowingMaps()
        self._with_derived = with_derived
        self._derived: _Derived | None = None
        self.changed: dict[str, slice] = {}  # as `GrowingMaps.changed`

    def look(self, store: ScanStore, calibration: Calibration) -> ScanMaps:
        """All maps of `store` as they are now, as `GrowingMaps.look` gives them, with what is derived from the COM.

        One of several shards has none of these: its positions' neighbours are other services'.
        """
        found = self._maps.look(store, calibration)
        self.changed = dict(self._maps.changed)
        if not self._with_derived:
            return found
        com = ComField(found.maps["com_y"], found.maps["com_x"], found.axes, found.units["com_x"], calibration)
        found = replace(found, not_made=found.not_made | _why_not(com, store.start.shard_count > 1))
        if PHASE_NAME in found.not_made:
            return found
        if self._derived is None or not self._derived.is_of(store, calibration):
            self._derived = _Derived(store, com)
        self._derived.look(com)
        self.changed |= dict.fromkeys(self._derived.maps, slice(0, 0))  # arrays that are never written again
        return replace(
            found, maps={**found.maps, **self._derived.maps}, units={**found.units, **self._derived.units(com)}
        )


def _why_not(com: ComField, is_shard: bool) -> dict[str, str]:
    """Which of the derived maps cannot be made, and why."""
    if is_shard:
        return dict.fromkeys((PHASE_NAME, CHARGE_DENSITY.name), NEIGHBOURS)
    needs = {PHASE_NAME: (Need.ROTATION,), CHARGE_DENSITY.name: CHARGE_DENSITY.needs}
    return {name: reason for name, needed in needs.items() if (reason := com.missing(needed))}


class _Derived:
    """The phase of what came so far, and charge density, or divergence without the beam's energy; of one store."""

    def __init__(self, store: ScanStore, com: ComField) -> None:
        self._of = (store, com.calibration)
        scale = gradient_scale(com.unit, com.calibration)
        self._scale = np.float32(scale or 1.0)
        self._phase = BoundedPhase(com.y.shape, com.step_nm if scale is not None else (1.0, 1.0))
        possible = (product for product in (CHARGE_DENSITY, DIVERGENCE) if not com.missing(product.needs))
        self._density = next(possible, None)
        self._looks = 0  # since the latest maps
        self._is_small = False  # whether those took few lines
        self.maps: dict[str, Float32Array] = {}

    def is_of(self, store: ScanStore, calibration: Calibration) -> bool:
        return self._of[0] is store and self._of[1] == calibration

    def units(self, com: ComField) -> dict[str, str]:
        of_phase = {PHASE_NAME: phase_unit(com.unit, com.calibration)}
        return of_phase | ({self._density.name: self._density.unit_of(com)} if self._density else {})

    def look(self, com: ComField) -> None:
        """Make the maps again, where it is time."""
        self._looks += 1
        if not self.maps or self._looks >= (LOOKS if self._is_small else LOOKS_WHERE_ALL_CHANGE):
            self._looks = 0
            self._renew(com)

    def _renew(self, com: ComField) -> None:
        measured = com.measured
        gradient = np.where(measured, np.stack([com.y, com.x]), np.float32(0)) * self._scale
        lines = self._phase.changed_lines(gradient)
        self._is_small = 2 * (lines.stop - lines.start) <= len(measured)
        if lines.stop == 0 and self.maps:
            return
        self._phase.take(gradient, lines)
        made = {PHASE_NAME: self._phase.image(measured)}
        if self._density:
            made[self._density.name] = self._density.of(com).astype(np.float32)
        self.maps = made
