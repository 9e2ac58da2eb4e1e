"""The projected phase from the COM (iCOM, iDPC): the scalar whose gradient the COM is.

Fourier integration, phi(q) = -i (q . g(q)) / (2 pi q^2) for the gradient g in phase per length;
Lazic, Bosch & Lazar, Ultramicroscopy 160, 265 (2016). The scan is mirrored on all sides first, so
that its edges need not match: Bon, Monneret & Wattellier, Appl. Opt. 51, 5698 (2012).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.constants import c, e, h, m_e

from stream_rrvae.messages import Calibration, Float32Array


def wavelength_nm(energy_ev: float) -> float:
    """Relativistic electron wavelength in nm for a beam of `energy_ev`."""
    energy_j = energy_ev * e
    return float(h * c / np.sqrt(energy_j * (energy_j + 2 * m_e * c**2)) * 1e9)


def phase_unit(com_unit: str, calibration: Calibration) -> str:
    """rad when scale, scan step and beam energy are known; else the COM's unit times scan steps."""
    known = gradient_scale(com_unit, calibration) is not None
    return "rad" if known else f"{com_unit} step"


def phase_of(com_y: Float32Array, com_x: Float32Array, com_unit: str, calibration: Calibration) -> Float32Array:
    """Phase [scan_y, scan_x] with zero mean, in `phase_unit`, of COM maps [scan_y, scan_x] in scan axes.

    Positions not measured count as no deflection while integrating and are NaN in the result.
    """
    scale = gradient_scale(com_unit, calibration)
    step = calibration.scan_step_nm if scale is not None else None
    gradient_y, gradient_x = ((scale or 1.0) * com.astype(np.float64) for com in (com_y, com_x))
    return integrate(gradient_y, gradient_x, *(step or (1.0, 1.0)))


def gradient_scale(com_unit: str, calibration: Calibration) -> float | None:
    """Phase gradient in rad/nm for a COM of 1 mrad: 2 pi / wavelength; None where uncalibrated."""
    if com_unit != "mrad" or calibration.scan_step_nm is None or calibration.beam_energy_ev is None:
        return None
    return 2e-3 * float(np.pi) / wavelength_nm(calibration.beam_energy_ev)


def integrate(
    gradient_y: NDArray[np.float64], gradient_x: NDArray[np.float64], step_y: float, step_x: float
) -> Float32Array:
    """The zero-mean map whose gradient is nearest to the one given [y, x], per unit of the steps."""
    measured = np.isfinite(gradient_y) & np.isfinite(gradient_x)
    if not measured.any():
        return np.full(gradient_y.shape, np.nan, np.float32)
    gy = _mirror(np.where(measured, gradient_y, 0.0), odd_axis=0)
    gx = _mirror(np.where(measured, gradient_x, 0.0), odd_axis=1)
    qy = np.fft.fftfreq(gy.shape[0], step_y)[:, None]
    qx = np.fft.rfftfreq(gy.shape[1], step_x)[None, :]
    q2 = qy**2 + qx**2
    q2[0, 0] = 1.0  # there the numerator is 0: the mean of the phase is free
    spectrum = (qy * np.fft.rfft2(gy) + qx * np.fft.rfft2(gx)) / (2j * np.pi * q2)
    phase = np.fft.irfft2(spectrum, gy.shape)[: measured.shape[0], : measured.shape[1]]
    return np.where(measured, phase - phase[measured].mean(), np.nan).astype(np.float32)


def _mirror(component: NDArray[np.float64], odd_axis: int) -> NDArray[np.float64]:
    """The component of a gradient of the mirrored (even) map: odd along its own axis."""
    for axis in (0, 1):
        sign = -1.0 if axis == odd_axis else 1.0
        component = np.concatenate([component, sign * np.flip(component, axis)], axis)
    return component
