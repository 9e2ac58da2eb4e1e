"""Maps derived from the calibrated COM: electric field, charge density, divergence and curl, projected phase.

A thin specimen of thickness t turns a beam of momentum p and speed v by the angle -e E t / (p v): the COM, in
radians, is that angle for the field E averaged over probe and thickness. Hence E t = -COM p v / e and, by Gauss's
law, the charge density rho t = eps0 div(E t); Mueller et al., Nat. Commun. 5, 5653 (2014), and Mueller-Caspary et al.,
Ultramicroscopy 178, 62 (2017). Without a thickness the maps are of E t (V) and rho t (e/nm^2), which their units say.
A thick specimen breaks the formula: the probe spreads, and the COM is no longer proportional to t.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import c, e, epsilon_0, m_e

from stream_rrvae.maps.com_field import ComField, Need, com_field, curl, divergence
from stream_rrvae.maps.phase import phase_of, phase_unit
from stream_rrvae.maps.values import PositionValues
from stream_rrvae.messages import Float32Array

VACUUM_E_PER_V_NM = epsilon_0 / e * 1e-9  # 0.05526 elementary charges per V and nm


@dataclass(frozen=True, slots=True)
class DerivedProduct:
    """A map product made of the COM of the whole scan, where all of `needs` are known."""

    name: str
    needs: tuple[Need, ...]
    of: Callable[[ComField], NDArray[np.floating]]  # [scan_y, scan_x]
    unit_of: Callable[[ComField], str]
    note_of: Callable[[ComField], str] = lambda _field: ""
    results_only: bool = True  # a position's value depends on others: a scan in progress has no neighbours yet

    def unit(self, values: PositionValues) -> str:
        """The unit of the map, given what is calibrated."""
        return self.unit_of(com_field(values))

    def compute(self, values: PositionValues) -> Float32Array:
        """The map as [n], row-major; NaN = not measured, everywhere where it cannot be made."""
        field = com_field(values)
        if field.missing(self.needs):
            return np.full(field.y.size, np.nan, np.float32)
        return self.of(field).astype(np.float32).ravel()

    def why_not(self, values: PositionValues) -> str:
        """What it cannot be made without; empty = it can be made."""
        return com_field(values).missing(self.needs)

    def note(self, values: PositionValues) -> str:
        """What to know of the map before it is trusted."""
        return self.note_of(com_field(values))


def volts_per_radian(energy_ev: float) -> float:
    """p v / e in V, relativistic, of electrons of `energy_ev`: what E t turns them by one radian."""
    rest_ev = m_e * c**2 / e
    return energy_ev * (energy_ev + 2.0 * rest_ev) / (energy_ev + rest_ev)


def electric_field(field: ComField) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(y, x) [scan_y, scan_x] in V/nm, or in V where no thickness is known; away from positive charge."""
    assert field.calibration.beam_energy_ev is not None
    per_mrad = 1e-3 * volts_per_radian(field.calibration.beam_energy_ev) / (field.calibration.thickness_nm or 1.0)
    return -per_mrad * field.y.astype(np.float64), -per_mrad * field.x.astype(np.float64)


def charge_density(field: ComField) -> NDArray[np.float64]:
    """[scan_y, scan_x] in e/nm^3, or in e/nm^2 where no thickness is known; positive at nuclei."""
    assert field.calibration.beam_energy_ev is not None
    per_mrad = 1e-3 * volts_per_radian(field.calibration.beam_energy_ev) / (field.calibration.thickness_nm or 1.0)
    return -VACUUM_E_PER_V_NM * per_mrad * divergence(field)


def _phase(field: ComField) -> Float32Array:
    if field.axes != "scan":
        return np.full(field.y.shape, np.nan, np.float32)
    return phase_of(field.y, field.x, field.unit, field.calibration)


def _gaps(field: ComField) -> str:
    """How much of the scan the integration had to do without."""
    unmeasured = int(field.measured.size - np.count_nonzero(field.measured))
    if not unmeasured:
        return ""
    return f"{unmeasured} of {field.measured.size} positions were not measured and count as no deflection"


def _field_unit(field: ComField) -> str:
    return "V/nm" if field.calibration.thickness_nm else "V"


def _charge_unit(field: ComField) -> str:
    return "e/nm^3" if field.calibration.thickness_nm else "e/nm^2"


def _per_nm(field: ComField) -> str:
    return f"{field.unit}/nm"


_DERIVATIVE = (Need.ROTATION, Need.SCALE, Need.STEP)
_FIELD = (Need.ROTATION, Need.SCALE, Need.ENERGY)
PHASE = DerivedProduct("dpc_phase", (), _phase, lambda field: phase_unit(field.unit, field.calibration), _gaps)
CHARGE_DENSITY = DerivedProduct("charge_density", (*_DERIVATIVE, Need.ENERGY), charge_density, _charge_unit)
DIVERGENCE = DerivedProduct("divergence", _DERIVATIVE, divergence, _per_nm)
DERIVED: tuple[DerivedProduct, ...] = (
    PHASE,
    DerivedProduct("electric_field_x", _FIELD, lambda field: electric_field(field)[1], _field_unit),
    DerivedProduct("electric_field_y", _FIELD, lambda field: electric_field(field)[0], _field_unit),
    DerivedProduct("electric_field_magnitude", _FIELD, lambda field: np.hypot(*electric_field(field)), _field_unit),
    CHARGE_DENSITY,
    DIVERGENCE,
    DerivedProduct("curl", _DERIVATIVE, curl, _per_nm),
)
