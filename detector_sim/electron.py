"""Relativistic beam electrons: wavelength and how strongly a potential shifts their phase.

Source: E. J. Kirkland, "Advanced Computing in Electron Microscopy", 2nd ed. (2010), sections 2.3 and 5.2.
"""

from __future__ import annotations

import math

from scipy import constants

_REST_ENERGY_EV = constants.m_e * constants.c**2 / constants.e
# h^2 / (2 pi m0 e) in V Angstrom^2: turns a scattering factor into the transform of a potential.
POTENTIAL_V_A2 = constants.h**2 / (2 * math.pi * constants.m_e * constants.e) * 1e20


def wavelength_angstrom(energy_ev: float) -> float:
    """Wavelength in Angstrom of electrons of kinetic energy `energy_ev`."""
    hc_ev_angstrom = constants.h * constants.c / constants.e * 1e10
    return hc_ev_angstrom / math.sqrt(energy_ev * (2 * _REST_ENERGY_EV + energy_ev))


def interaction_rad_per_volt_angstrom(energy_ev: float) -> float:
    """Phase in rad per V Angstrom of projected potential: sigma = 2 pi m e lambda / h^2."""
    mass_kg = constants.m_e * (1 + energy_ev / _REST_ENERGY_EV)
    wavelength_m = wavelength_angstrom(energy_ev) * 1e-10
    return 2 * math.pi * mass_kg * constants.e * wavelength_m / constants.h**2 * 1e-10
