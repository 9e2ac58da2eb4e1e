"""The probe-forming lens: aperture, defocus, effective source."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector_sim.electron import interaction_rad_per_volt_angstrom, wavelength_angstrom

Float = NDArray[np.float64]
_FWHM_OVER_SIGMA = 2 * math.sqrt(2 * math.log(2))


@dataclass(frozen=True, slots=True)
class Optics:
    """Beam and lens; `defocus_nm` > 0 is underfocus, `source_size_nm` a full width at half maximum."""

    voltage_kv: float = 60.0
    semiangle_mrad: float = 31.0
    defocus_nm: float = 0.0
    source_size_nm: float = 0.0

    @property
    def energy_ev(self) -> float:
        """Kinetic energy of the electrons."""
        return self.voltage_kv * 1e3

    @property
    def wavelength_angstrom(self) -> float:
        """Wavelength in Angstrom."""
        return wavelength_angstrom(self.energy_ev)

    @property
    def interaction_rad_per_volt_angstrom(self) -> float:
        """Phase per projected potential."""
        return interaction_rad_per_volt_angstrom(self.energy_ev)

    @property
    def aperture_per_angstrom(self) -> float:
        """Radius of the aperture as a spatial frequency."""
        return self.semiangle_mrad * 1e-3 / self.wavelength_angstrom

    @property
    def source_sigma_angstrom(self) -> float:
        """Standard deviation of the Gaussian source image in the specimen plane."""
        return self.source_size_nm * 10.0 / _FWHM_OVER_SIGMA

    def amplitude(self, kx: Float, ky: Float, cell_per_angstrom: float) -> NDArray[np.complex64]:
        """The wave in the aperture plane at (kx, ky) in 1/Angstrom, averaged over cells of width `cell_per_angstrom`.

        1 inside; at the edge the open part of the cell. Underfocus df > 0 turns the phase by
        -chi = pi lambda df k^2 (Kirkland, eq. 2.10, without spherical aberration).
        """
        k2 = kx * kx + ky * ky
        amplitude = self._open_part(k2, cell_per_angstrom)
        if not self.defocus_nm:
            return amplitude.astype(np.complex64)
        phase = np.pi * self.wavelength_angstrom * self.defocus_nm * 10.0 * k2
        wave: NDArray[np.complex64] = (amplitude * np.exp(1j * phase)).astype(np.complex64)
        return wave

    def edge_intensity(self, kx: Float, ky: Float, cell_per_angstrom: float) -> Float:
        """What the square of the averaged wave lacks of the averaged intensity, at (kx, ky).

        A cell that is open for a part c has mean amplitude c, so interference is right, but mean
        intensity c and not c^2; the rest c - c^2 is to be added.
        """
        part = self._open_part(kx * kx + ky * ky, cell_per_angstrom)
        rest: Float = part - part * part
        return rest

    def _open_part(self, k2: Float, cell_per_angstrom: float) -> Float:
        part: Float = np.clip((self.aperture_per_angstrom - np.sqrt(k2)) / cell_per_angstrom + 0.5, 0.0, 1.0)
        return part


def source_points(optics: Optics) -> list[tuple[Float, np.float32]]:
    """Points (y, x) in Angstrom and weights of a Gauss-Hermite rule over the source; one point without a source."""
    sigma = optics.source_sigma_angstrom
    # Patterns vary with the position at no more than twice the aperture, and a rule of n points follows about n rad.
    count = 1 if not sigma else max(3, math.ceil(2 * math.pi * 2 * optics.aperture_per_angstrom * sigma) + 1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    places = sigma * np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)
    shares = np.outer(weights, weights).reshape(-1) / weights.sum() ** 2
    return list(zip(places, shares.astype(np.float32), strict=True))
