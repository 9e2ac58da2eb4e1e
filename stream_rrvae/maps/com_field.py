"""The COM of a scan as a field over the specimen, with what derived maps must know of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.maps.values import PositionValues
from stream_rrvae.messages import BoolArray, Calibration, Float32Array


class Need(StrEnum):
    """What a derived map cannot be made without, in the words that say so when it is not known."""

    ROTATION = "the rotation of the detector"
    SCALE = "mrad per pixel"
    STEP = "the scan step"
    ENERGY = "the beam energy"


@dataclass(frozen=True, slots=True)
class ComField:
    """COM (y, x) as [scan_y, scan_x], NaN = not measured, in `axes` and `unit` as in `PositionValues`."""

    y: Float32Array
    x: Float32Array
    axes: str
    unit: str
    calibration: Calibration

    @property
    def step_nm(self) -> tuple[float, float]:
        """(y, x); 1 where it is not known."""
        return self.calibration.scan_step_nm or (1.0, 1.0)

    @property
    def measured(self) -> BoolArray:
        """Where there is a COM."""
        return np.asarray(np.isfinite(self.y) & np.isfinite(self.x))

    def missing(self, needs: Iterable[Need]) -> str:
        """Which of `needs` are not known, in words; empty when all are."""
        lacking = [need for need in needs if not self._knows(need)]
        if not lacking:
            return ""
        *first, last = lacking
        return f"{', '.join(first)} and {last} are not known" if first else f"{last} is not known"

    def _knows(self, need: Need) -> bool:
        known = {
            Need.ROTATION: self.axes == "scan",
            Need.SCALE: self.unit == "mrad",
            Need.STEP: self.calibration.scan_step_nm is not None,
            Need.ENERGY: self.calibration.beam_energy_ev is not None,
        }
        return known[need]


def com_field(values: PositionValues) -> ComField:
    """The COM of `values`, on the scan grid."""
    com_y, com_x = (com.reshape(values.scan_shape) for com in (values.com_y, values.com_x))
    return ComField(com_y, com_x, values.axes, values.com_unit, values.calibration)


def divergence(field: ComField) -> NDArray[np.float64]:
    """d x/dx + d y/dy [scan_y, scan_x] per nm, NaN where one of the four neighbours was not measured."""
    step_y, step_x = field.step_nm
    return _where_measured(field, _difference(field.x, 1, step_x) + _difference(field.y, 0, step_y))


def curl(field: ComField) -> NDArray[np.float64]:
    """d y/dx - d x/dy [scan_y, scan_x] per nm, NaN as in `divergence`; zero in theory for a static field."""
    step_y, step_x = field.step_nm
    return _where_measured(field, _difference(field.y, 1, step_x) - _difference(field.x, 0, step_y))


def _difference(component: Float32Array, axis: int, step_nm: float) -> NDArray[np.float64]:
    """Central difference of [scan_y, scan_x] along `axis`, NaN at the edge."""
    found = np.full(component.shape, np.nan)
    along, into = np.moveaxis(component, axis, 0), np.moveaxis(found, axis, 0)
    into[1:-1] = (along[2:].astype(np.float64) - along[:-2]) / (2.0 * step_nm)
    return found


def _where_measured(field: ComField, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(field.measured, values, np.nan)
