"""CBED of a perfect crystal sheet, exact at any probe position at the price of a few dozen patterns.

The far field is a sum of shifted apertures, psi(k; r) = sum_g T_g A(k - g) exp(2 pi i g r). Its intensity at
any k is a trigonometric polynomial in the probe position r whose frequencies Q = g - h stay within twice the
aperture. So patterns on a small grid over one cell determine all others (sampling theorem), and a Gaussian
source only damps each Q by exp(-2 pi^2 sigma^2 Q^2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector_sim.geometry import Mounting, PixelGrid, bin_all, pixel_weights
from detector_sim.optics import Optics
from detector_sim.potential import crystal_transmission
from detector_sim.specimen import Crystal

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex = NDArray[np.complex64]
SAMPLING_A = 0.04
BLOCK = 24  # parts a side that are computed together: few enough that most beams' discs miss them
FINEST_MRAD = 0.25  # pixels are cut into parts no larger than this, which resolves the edge of the disc


@dataclass(frozen=True, slots=True)
class _FineGrid:
    """Detector pixels cut into parts, with a rim for shifted patterns; angles of their centres in mrad."""

    ky_mrad: Float
    kx_mrad: Float
    part_mrad: float


class CrystalFrames:
    """A FrameSource for a periodic specimen. `max_shift_px` bounds the shifts that `frames` will be asked for."""

    def __init__(
        self, crystal: Crystal, optics: Optics, mounting: Mounting, grid: PixelGrid, max_shift_px: float = 0.0
    ) -> None:
        self._mounting, self._grid = mounting, grid
        self._fine = _fine_grid(grid, max_shift_px)
        turned = crystal.turned(mounting.matrix_yx)
        cell_frames, counts = _cell_frames(turned, optics, self._fine)
        self._frequencies, basis = _position_basis(cell_frames, counts, turned, optics)
        self._shape = basis.shape[1:]
        self._basis = basis if max_shift_px else self._binned(basis, None)

    def frames(self, positions_angstrom: Float, shifts_px: Float | None = None) -> Float32:
        """See FrameSource."""
        phase = 2 * np.pi * (self._mounting.to_detector(positions_angstrom) @ self._frequencies.T)
        design = np.concatenate([np.cos(phase), np.sin(phase)[:, 1:]], axis=1).astype(np.float32)
        shape = self._basis.shape[1:]
        found = (design @ self._basis.reshape(len(self._basis), -1)).reshape(-1, *shape)
        np.maximum(found, 0.0, out=found)
        return found if shape == self._grid.shape and shifts_px is None else self._binned(found, shifts_px)

    def _binned(self, fine: Float32, shifts_px: Float | None) -> Float32:
        if shifts_px is None:
            rows, columns = self._weights((0.0, 0.0))
            return bin_all(fine, rows, columns)
        binned = np.empty((len(fine), *self._grid.shape), np.float32)
        for frame, shift, out in zip(fine, shifts_px, binned, strict=True):
            rows, columns = self._weights(shift)
            out[...] = rows @ frame @ columns.T
        return binned

    def _weights(self, shift_px: Float | tuple[float, float]) -> tuple[Float32, Float32]:
        return (
            pixel_weights(_edges(self._fine.ky_mrad), self._grid.edges_mrad(0, shift_px[0])),
            pixel_weights(_edges(self._fine.kx_mrad), self._grid.edges_mrad(1, shift_px[1])),
        )


def _edges(centers: Float) -> Float:
    part = centers[1] - centers[0]
    return np.append(centers - part / 2, centers[-1] + part / 2)


def _fine_grid(grid: PixelGrid, max_shift_px: float) -> _FineGrid:
    parts = max(1, math.ceil(grid.mrad_per_px / FINEST_MRAD))
    part_mrad = grid.mrad_per_px / parts
    rim = math.ceil(max_shift_px) * parts
    axes = []
    for axis in (0, 1):
        first = grid.edges_mrad(axis)[0] + part_mrad / 2
        axes.append(first + part_mrad * np.arange(-rim, grid.shape[axis] * parts + rim))
    return _FineGrid(axes[0], axes[1], part_mrad)


def _cell_frames(crystal: Crystal, optics: Optics, fine: _FineGrid) -> tuple[Float32, tuple[int, int]]:
    """Patterns [n1 * n2, ky, kx] on the grid over one cell that the sampling theorem asks for."""
    counts = _cell_counts(crystal, optics)
    steps = np.stack(np.meshgrid(*(np.arange(n) / n for n in counts), indexing="ij"), -1).reshape(-1, 2)
    g, strengths = _beams(crystal, optics, fine)
    waves = strengths * np.exp(2j * np.pi * (steps @ crystal.lattice_angstrom) @ g.T).astype(np.complex64)
    per_mrad = 1e-3 / optics.wavelength_angstrom
    ky, kx, part = fine.ky_mrad * per_mrad, fine.kx_mrad * per_mrad, fine.part_mrad * per_mrad
    frames = np.empty((len(steps), len(ky), len(kx)), np.float32)
    for row in range(0, len(ky), BLOCK):
        for column in range(0, len(kx), BLOCK):
            rows, columns = slice(row, row + BLOCK), slice(column, column + BLOCK)
            frames[:, rows, columns] = _block(waves, g, ky[rows], kx[columns], optics, part)
    frames *= part**2 / (math.pi * optics.aperture_per_angstrom**2)
    return frames, counts


def _block(waves: Complex, g: Float, ky: Float, kx: Float, optics: Optics, part: float) -> Float32:
    """Intensities [n, ky, kx] where the aperture is 1, by the few beams whose discs reach this block."""
    middle = np.array([ky.mean(), kx.mean()])
    reach = optics.aperture_per_angstrom + math.hypot(np.ptp(ky), np.ptp(kx)) / 2 + part
    near = np.linalg.norm(g - middle, axis=1) <= reach
    to_y = np.broadcast_to(ky[:, None] - g[near, 0, None, None], (int(near.sum()), len(ky), len(kx)))
    to_x = kx - g[near, 1, None, None]
    apertures = optics.amplitude(to_x, to_y, part).reshape(len(to_y), -1)
    edges = optics.edge_intensity(to_x, to_y, part).reshape(len(to_y), -1)
    far = waves[:, near] @ apertures
    total = far.real**2 + far.imag**2 + np.abs(waves[0, near]) ** 2 @ edges
    return np.asarray(total.reshape(-1, len(ky), len(kx)), np.float32)


def _cell_counts(crystal: Crystal, optics: Optics) -> tuple[int, int]:
    sides = np.linalg.norm(crystal.lattice_angstrom, axis=1)
    first, second = (2 * math.floor(2 * optics.aperture_per_angstrom * side) + 1 for side in sides)
    return first, second


def _beams(crystal: Crystal, optics: Optics, fine: _FineGrid) -> tuple[Float, Complex]:
    """Beams g [n, 2] in 1/Angstrom that reach the detector, and their T_g [n]."""
    transmission, indices = crystal_transmission(
        crystal.lattice_angstrom, crystal.motif, optics.interaction_rad_per_volt_angstrom, SAMPLING_A
    )
    h = np.stack(np.meshgrid(*indices, indexing="ij"), -1).reshape(-1, 2)
    g = h @ np.linalg.inv(crystal.lattice_angstrom).T
    corner = math.hypot(np.abs(fine.ky_mrad).max(), np.abs(fine.kx_mrad).max()) * 1e-3 / optics.wavelength_angstrom
    reaching = np.linalg.norm(g, axis=1) <= corner + optics.aperture_per_angstrom
    return g[reaching], transmission.reshape(-1)[reaching]


def _position_basis(
    frames: Float32, counts: tuple[int, int], crystal: Crystal, optics: Optics
) -> tuple[Float, Float32]:
    """Frequencies Q [m, 2], zero first and one of each +-Q, and patterns [2 m - 1, ky, kx]: cosines, then sines."""
    half = [h for h in np.ndindex(*counts) if _signed(h, counts) >= (0, 0)]
    signed = np.array([_signed(h, counts) for h in half])
    q = signed @ np.linalg.inv(crystal.lattice_angstrom).T
    kept = np.linalg.norm(q, axis=1) <= 2 * optics.aperture_per_angstrom
    q, signed = q[kept], signed[kept]
    steps = np.stack(np.meshgrid(*(np.arange(n) / n for n in counts), indexing="ij"), -1).reshape(-1, 2)
    phase = 2 * np.pi * signed @ steps.T
    damping = np.exp(-2 * (math.pi * optics.source_sigma_angstrom) ** 2 * (q**2).sum(1))
    weight = (np.where((signed == 0).all(1), 1.0, 2.0) * damping / len(steps))[:, None]
    rows = np.concatenate([weight * np.cos(phase), (weight * np.sin(phase))[1:]]).astype(np.float32)
    return q, (rows @ frames.reshape(len(frames), -1)).reshape(-1, *frames.shape[1:])


def _signed(h: tuple[int, ...], counts: tuple[int, int]) -> tuple[int, int]:
    first, second = (i if i <= n // 2 else i - n for i, n in zip(h, counts, strict=True))
    return first, second
