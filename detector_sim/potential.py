"""Projected potentials of independent atoms, as Fourier coefficients, and their phase gratings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from detector_sim.electron import POTENTIAL_V_A2
from detector_sim.lobato import scattering_factor_angstrom

Float = NDArray[np.float64]
Complex = NDArray[np.complex64]


def crystal_transmission(
    lattice_angstrom: Float, motif: Mapping[str, Float], sigma: float, sampling_angstrom: float
) -> tuple[Complex, list[NDArray[np.int64]]]:
    """Fourier coefficients T_g of exp(i sigma V) of a crystal, and their indices.

    Returns T [n1, n2] and the signed indices along each axis, [2][n]; g = (h1, h2) @ inv(lattice).T.
    The cell is sampled at about `sampling_angstrom`.
    """
    sides = np.linalg.norm(lattice_angstrom, axis=1)
    counts = [scipy.fft.next_fast_len(int(np.ceil(side / sampling_angstrom))) for side in sides]
    indices = [np.rint(np.fft.fftfreq(n, 1.0 / n)).astype(np.int64) for n in counts]
    h = np.stack(np.meshgrid(*indices, indexing="ij"), -1)
    g = h @ np.linalg.inv(lattice_angstrom).T
    coefficients = np.zeros(counts, np.complex128)
    for symbol, atoms in motif.items():
        structure = np.exp(-2j * np.pi * (g @ atoms.T)).sum(-1)
        coefficients += scattering_factor_angstrom(symbol, np.linalg.norm(g, axis=-1)) * structure
    area = abs(np.linalg.det(lattice_angstrom))
    volts_angstrom = scipy.fft.ifft2(coefficients).real * (h[..., 0].size * POTENTIAL_V_A2 / area)
    transmission = scipy.fft.fft2(np.exp(1j * sigma * volts_angstrom)) / h[..., 0].size
    return transmission.astype(np.complex64), indices


def box_transmission(atoms: Mapping[str, Float], box_angstrom: float, samples: int, sigma: float, keep: int) -> Complex:
    """exp(i sigma V) of `atoms` [n, 2] (y, x) in a periodic square box, low-passed to `keep` x `keep` samples.

    The potential is computed exactly at its Fourier coefficients (no atom is moved to a grid point) for
    `samples` samples a side; the result holds the frequencies |k| < keep / (2 box).
    """
    ky = scipy.fft.fftfreq(samples, box_angstrom / samples)
    kx = scipy.fft.rfftfreq(samples, box_angstrom / samples)
    radius = np.hypot(ky[:, None], kx[None])
    coefficients = np.zeros(radius.shape, np.complex64)
    for symbol, places in atoms.items():
        along_y = np.exp(-2j * np.pi * ky[:, None] * places[None, :, 0]).astype(np.complex64)
        along_x = np.exp(-2j * np.pi * places[:, 1, None] * kx[None]).astype(np.complex64)
        coefficients += scattering_factor_angstrom(symbol, radius) * (along_y @ along_x)
    scale = samples * samples * POTENTIAL_V_A2 / box_angstrom**2
    volts_angstrom = scipy.fft.irfft2(coefficients, s=(samples, samples)) * scale
    return _low_pass(np.exp(1j * (sigma * volts_angstrom)).astype(np.complex64), keep)


def _low_pass(wave: Complex, keep: int) -> Complex:
    spectrum = scipy.fft.fftshift(scipy.fft.fft2(wave))
    begin = wave.shape[0] // 2 - keep // 2
    inner = spectrum[begin : begin + keep, begin : begin + keep]
    scale = (keep / wave.shape[0]) ** 2
    small: Complex = scipy.fft.ifft2(scipy.fft.ifftshift(inner)) * np.float32(scale)
    return small
