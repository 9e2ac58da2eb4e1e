"""Diffraction of any structure that ASE reads, thick ones too, by abTEM's multislice (optional extra `simulate`).

abTEM computes in the scan's axes in a right-angled periodic box; its patterns are then read at points of the
detector's pixels, turned as the detector is.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

from detector_sim.geometry import Mounting, PixelGrid
from detector_sim.optics import Optics, source_points
from stream_rrvae.errors import ConfigError

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
LEAST_BOX_A = 40.0
LARGEST_BOX_A = 110.0
SAMPLING_A = 0.08
SLICE_A = 1.0
BATCH = 8
_LEAST_DEPTH_A = 2.0


class StructureFrames:
    """A FrameSource. Positions are from the middle of the structure's cell, which is repeated to fill a box.

    `thickness_nm` repeats the cell along the beam to at least so much; 0 = as in the file. Raises ConfigError
    when the file cannot be read or the extra is not installed.
    """

    def __init__(self, path: Path, thickness_nm: float, optics: Optics, mounting: Mounting, grid: PixelGrid) -> None:
        self._optics, self._mounting, self._grid = optics, mounting, grid
        atoms = read_structure(path)
        pixel_per_angstrom = grid.mrad_per_px * 1e-3 / optics.wavelength_angstrom
        box_angstrom = min(max(LEAST_BOX_A, 1 / pixel_per_angstrom), LARGEST_BOX_A)
        self._potential, self._probe = _multislice(atoms, box_angstrom, thickness_nm * 10.0, optics)
        self._box_angstrom = np.array(self._potential.extent)[::-1]  # (y, x); abTEM's first axis is x
        incident = self._probe.build(scan=self._scan(np.zeros((1, 2))), lazy=False).array
        self._beam = float((np.abs(scipy.fft.fft2(incident)) ** 2).sum())
        self._weights = self._reading_weights(np.zeros(2))

    def frames(self, positions_angstrom: Float, shifts_px: Float | None = None) -> Float32:
        """See FrameSource."""
        found = np.empty((len(positions_angstrom), *self._grid.shape), np.float32)
        for begin in range(0, len(positions_angstrom), BATCH):
            part = slice(begin, begin + BATCH)
            cells = sum(
                weight * self._cells(positions_angstrom[part] + shift) for shift, weight in source_points(self._optics)
            )
            found[part] = self._read(cells, None if shifts_px is None else shifts_px[part])
        return found

    def _scan(self, positions_angstrom: Float) -> Any:
        import abtem

        return abtem.CustomScan((positions_angstrom + self._box_angstrom / 2)[:, ::-1])

    def _cells(self, positions_angstrom: Float) -> Float32:
        """Part of the beam in every reciprocal cell, [n, ky, kx], zero frequency in the middle."""
        waves = self._probe.multislice(self._potential, scan=self._scan(positions_angstrom), lazy=False)
        intensity = np.abs(scipy.fft.fft2(waves.array)) ** 2 / self._beam
        return np.asarray(scipy.fft.fftshift(intensity, axes=(1, 2)).transpose(0, 2, 1), np.float32)

    def _read(self, cells: Any, shifts_px: Float | None) -> Float32:
        flat = cells.reshape(len(cells), -1)
        if shifts_px is None:
            return np.asarray((self._weights @ flat.T).T.reshape(-1, *self._grid.shape))
        frames = [self._reading_weights(shift) @ one for one, shift in zip(flat, shifts_px, strict=True)]
        return np.asarray(frames, np.float32).reshape(-1, *self._grid.shape)

    def _reading_weights(self, shift_px: Float) -> scipy.sparse.csr_array:
        """[pixels, cells]: the mean over points of a pixel of the bilinearly interpolated intensity, times its area."""
        shape = self._potential.gpts[::-1]
        cell_mrad = self._optics.wavelength_angstrom * 1e3 / self._box_angstrom
        parts = math.ceil(self._grid.mrad_per_px / cell_mrad.min())
        points = self._mounting.to_scan(_points_mrad(self._grid, shift_px, parts))
        places = points.reshape(-1, 2) / cell_mrad + np.array(shape) // 2
        area = self._grid.mrad_per_px**2 / float(cell_mrad.prod()) / parts**2
        return _bilinear(places, shape, parts**2, area)


def _bilinear(places: Float, shape: tuple[int, int], points: int, area: float) -> scipy.sparse.csr_array:
    """[pixels, cells]: the sum over every `points` places of the four cells around each, weighted by nearness."""
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    index = np.floor(places).astype(np.int64)[None] + corners[:, None]
    weight = np.prod(1 - np.abs(places - index), axis=2) * area
    pixel = np.broadcast_to(np.arange(len(places)) // points, weight.shape)
    inside = ((index >= 0) & (index < shape)).all(2)
    cell = index[..., 0] * shape[1] + index[..., 1]
    entries = (weight[inside].astype(np.float32), (pixel[inside], cell[inside]))
    return scipy.sparse.csr_array(entries, shape=(len(places) // points, shape[0] * shape[1]))


def read_structure(path: Path) -> Any:
    """The structure in `path` as ASE atoms. Raises ConfigError."""
    if not path.exists():
        raise ConfigError(f"no structure file {path}, and no specimen of that name; see --help")
    try:
        import abtem  # noqa: F401  # what is missing should be said before the file is read
        import ase.io
    except ImportError as error:
        raise ConfigError(f"structure files need abTEM: pip install 'stream-rrvae[simulate]' ({error})") from error
    try:
        return ase.io.read(path)
    except Exception as error:  # ASE's readers raise whatever their parsers raise
        raise ConfigError(f"{path} is no structure that ASE reads: {error}") from error


def _multislice(atoms: Any, box_angstrom: float, thickness_angstrom: float, optics: Optics) -> tuple[Any, Any]:
    import abtem

    if atoms.cell.lengths()[:2].min() < 1e-3:
        atoms.center(vacuum=box_angstrom / 2, axis=(0, 1))
    if atoms.cell.lengths()[2] < _LEAST_DEPTH_A:
        atoms.center(vacuum=_LEAST_DEPTH_A / 2, axis=2)
    cell = abtem.orthogonalize_cell(atoms)
    sides = cell.cell.lengths()
    repeats = [_odd(box_angstrom / side) for side in sides[:2]]  # odd: the box's middle is then a cell's middle
    potential = abtem.Potential(
        cell * (*repeats, max(1, math.ceil(thickness_angstrom / sides[2] - 1e-9))),
        sampling=SAMPLING_A,
        slice_thickness=SLICE_A,
        parametrization="lobato",
        projection="infinite",
    )
    # abTEM's defocus is positive for underfocus, as ours.
    probe = abtem.Probe(energy=optics.energy_ev, semiangle_cutoff=optics.semiangle_mrad, defocus=optics.defocus_nm * 10)
    probe.grid.match(potential)
    return potential.build(lazy=False), probe


def _odd(ratio: float) -> int:
    return 2 * math.ceil((ratio - 1) / 2 - 1e-9) + 1 if ratio > 1 else 1


def _points_mrad(grid: PixelGrid, shift_px: Float, parts: int) -> Float:
    """Points [ky, kx, parts^2, 2] inside every pixel, as angles from the optical axis."""
    inner = (np.arange(parts) + 0.5) / parts - 0.5
    axes = []
    for axis in (0, 1):
        centers = np.arange(grid.shape[axis]) - grid.beam_center_px[axis] - shift_px[axis]
        axes.append((centers[:, None] + inner).reshape(-1) * grid.mrad_per_px)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    split = points.reshape(grid.shape[0], parts, grid.shape[1], parts, 2).transpose(0, 2, 1, 3, 4)
    return split.reshape(*grid.shape, parts * parts, 2)
