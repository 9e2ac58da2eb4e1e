"""Numbers that physics fixes: wavelengths, interaction, and the tails of scattering factors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import constants

from detector_sim.electron import interaction_rad_per_volt_angstrom, wavelength_angstrom
from detector_sim.lobato import PARAMETERS, scattering_factor_angstrom
from stream_rrvae.errors import ConfigError

ATOMIC_NUMBERS = {
    "H": 1, "Li": 3, "B": 5, "C": 6, "N": 7, "O": 8, "F": 9, "Al": 13, "Si": 14, "P": 15, "S": 16, "Ti": 22,
    "Fe": 26, "Cu": 29, "Se": 34, "Mo": 42, "Te": 52, "W": 74, "Au": 79,
}  # fmt: skip


@pytest.mark.parametrize(("energy_ev", "angstrom"), [(60e3, 0.0486606), (100e3, 0.0370144), (300e3, 0.0196875)])
def test_wavelength(energy_ev: float, angstrom: float) -> None:
    assert wavelength_angstrom(energy_ev) == pytest.approx(angstrom, rel=2e-5)


@pytest.mark.parametrize(("energy_ev", "rad_per_kv_angstrom"), [(100e3, 0.9244), (200e3, 0.7288), (300e3, 0.6526)])
def test_interaction_constant(energy_ev: float, rad_per_kv_angstrom: float) -> None:
    assert interaction_rad_per_volt_angstrom(energy_ev) * 1e3 == pytest.approx(rad_per_kv_angstrom, abs=1e-4)


def test_every_element_of_the_table_is_checked() -> None:
    assert set(PARAMETERS) == set(ATOMIC_NUMBERS)


@pytest.mark.parametrize("symbol", sorted(PARAMETERS))
def test_far_out_an_atom_scatters_like_its_bare_nucleus(symbol: str) -> None:
    # Mott and Bethe: f -> Z / (2 pi^2 a0 g^2) when the electrons no longer contribute.
    bohr_angstrom = constants.physical_constants["Bohr radius"][0] * 1e10
    g = np.array([500.0])
    bare = ATOMIC_NUMBERS[symbol] / (2 * math.pi**2 * bohr_angstrom * g**2)
    assert scattering_factor_angstrom(symbol, g) == pytest.approx(bare, rel=1e-3)


@pytest.mark.parametrize("symbol", sorted(PARAMETERS))
def test_scattering_falls_with_the_angle(symbol: str) -> None:
    assert (np.diff(scattering_factor_angstrom(symbol, np.linspace(0.0, 10.0, 200))) < 0).all()


def test_carbon_scatters_forward_as_tabulated_elsewhere() -> None:
    # Doyle and Turner, Acta Cryst. A 24, 390 (1968): f(0) = 2.509 Angstrom for carbon.
    assert scattering_factor_angstrom("C", np.zeros(1)) == pytest.approx(2.509, rel=0.02)


def test_unknown_element_is_named() -> None:
    with pytest.raises(ConfigError, match="'Xx'"):
        scattering_factor_angstrom("Xx", np.zeros(1))
