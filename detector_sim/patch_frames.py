"""CBED of any sheet, periodic or not: one small FFT product per probe position.

The specimen is cut into square tiles; around each a box is laid with a margin for the probe's tails. Its phase
grating is computed once on a fine grid and low-passed to the frequencies that detector and aperture can reach
together. In a box of side L a pattern has cells of 1 / L; they are binned onto the pixels by exact area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from detector_sim.geometry import Mounting, PixelGrid, bin_all, pixel_weights
from detector_sim.optics import Optics, source_points
from detector_sim.potential import box_transmission
from detector_sim.specimen import Specimen

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex = NDArray[np.complex64]
TILE_A = 13.0
MARGIN_A = 20.0  # less than 1 % of a focused probe of 31 mrad at 60 kV lies farther out
LARGEST_FINE_BOX_A = 110.0  # beyond it boxes no longer grow with the detector's pixels
SAMPLING_A = 0.1
BATCH = 16  # positions at once: what still fits the caches


@dataclass(frozen=True, slots=True)
class Box:
    """Sizes of the computation: side in Angstrom, samples a side, aperture and detector in cells of 1 / side."""

    side_angstrom: float
    samples: int
    fine_samples: int
    aperture_cells: int
    detector_cells: int

    @property
    def cell_per_angstrom(self) -> float:
        """Width of a reciprocal cell."""
        return 1.0 / self.side_angstrom


def plan_box(optics: Optics, grid: PixelGrid, max_shift_px: float) -> Box:
    """A box that keeps aliases off the detector and whose cells are about as fine as the pixels."""
    blur = optics.semiangle_mrad * 1e-3 * abs(optics.defocus_nm) * 10.0 + 3 * optics.source_sigma_angstrom
    needed = TILE_A + 2 * (MARGIN_A + blur)
    pixel_per_angstrom = grid.mrad_per_px * 1e-3 / optics.wavelength_angstrom
    side = max(needed, min(1.0 / pixel_per_angstrom, LARGEST_FINE_BOX_A))
    farthest = max(np.abs(grid.edges_mrad(axis)).max() for axis in (0, 1)) + max_shift_px * grid.mrad_per_px
    aperture = math.ceil(optics.aperture_per_angstrom * side) + 1
    detector = math.ceil(farthest * 1e-3 / optics.wavelength_angstrom * side) + 1
    samples = scipy.fft.next_fast_len(2 * (detector + aperture) + 2)
    fine = scipy.fft.next_fast_len(max(math.ceil(side / SAMPLING_A), samples))
    return Box(side, samples, fine, aperture, detector)


class PatchFrames:
    """A FrameSource for any Specimen. `max_shift_px` bounds the shifts that `frames` will be asked for."""

    def __init__(
        self, specimen: Specimen, optics: Optics, mounting: Mounting, grid: PixelGrid, max_shift_px: float = 0.0
    ) -> None:
        self._specimen, self._optics, self._mounting, self._grid = specimen, optics, mounting, grid
        self.box = plan_box(optics, grid, max_shift_px)
        self._aperture, self._edge = _aperture(optics, self.box)
        self._cell_edges_mrad = _cell_edges_mrad(optics, self.box)
        self._source = source_points(optics)
        self._tiles: dict[tuple[int, int], Complex] = {}

    def frames(self, positions_angstrom: Float, shifts_px: Float | None = None) -> Float32:
        """See FrameSource."""
        found = np.empty((len(positions_angstrom), *self._grid.shape), np.float32)
        keys = np.floor(positions_angstrom / TILE_A + 0.5).astype(np.int64)
        for key in np.unique(keys, axis=0):
            members = np.flatnonzero((keys == key).all(1))
            transmission = self._transmission(int(key[0]), int(key[1]))
            offsets = self._mounting.to_detector(positions_angstrom[members] - key * TILE_A)
            for begin in range(0, len(members), BATCH):
                part = members[begin : begin + BATCH]
                cells = self._blurred(transmission, offsets[begin : begin + BATCH])
                found[part] = self._binned(cells, None if shifts_px is None else shifts_px[part])
        return found

    def _transmission(self, tile_y: int, tile_x: int) -> Complex:
        key = (tile_y, tile_x)
        if key not in self._tiles:
            center = np.array(key) * TILE_A
            half = self.box.side_angstrom / 2
            atoms = {}
            for symbol, places in self._specimen.atoms_within(center, half * math.sqrt(2)).items():
                turned = self._mounting.to_detector(places - center)
                atoms[symbol] = turned[(np.abs(turned) < half).all(1)]
            sigma = self._optics.interaction_rad_per_volt_angstrom
            box = self.box
            self._tiles[key] = box_transmission(atoms, box.side_angstrom, box.fine_samples, sigma, box.samples)
        return self._tiles[key]

    def _blurred(self, transmission: Complex, offsets: Float) -> Float32:
        """Intensity per reciprocal cell [n, k, k], summed over the points of the source."""
        total: Float32 | None = None
        for shift, weight in self._source:
            cells = weight * self._intensity(transmission, offsets + shift)
            total = cells if total is None else total + cells
        assert total is not None
        return total

    def _intensity(self, transmission: Complex, offsets: Float) -> Float32:
        # Only the aperture's cells are filled, from index 0 on: this moves the pattern by `aperture_cells`,
        # and both transforms skip the rows that are empty or not wanted.
        n, reach = self.box.samples, self.box.aperture_cells
        k = _cells(self.box, reach)
        ramp_y, ramp_x = (np.exp(-2j * np.pi * offsets[:, i, None] * k).astype(np.complex64) for i in (0, 1))
        probe = scipy.fft.ifft(ramp_y[:, :, None] * self._aperture * ramp_x[:, None], n, axis=2)
        probe = scipy.fft.ifft(probe, n, axis=1, overwrite_x=True)
        probe *= transmission
        wanted = (reach + np.arange(-self.box.detector_cells, self.box.detector_cells + 1)) % n
        far = scipy.fft.fft(probe, axis=2, overwrite_x=True)[:, :, wanted]
        far = scipy.fft.fft(far, axis=1, overwrite_x=True)[:, wanted]
        return np.asarray(far.real**2 + far.imag**2 + self._edge)

    def _binned(self, cells: Float32, shifts_px: Float | None) -> Float32:
        if shifts_px is None:
            rows, columns = self._weights(np.zeros(2))
            return bin_all(cells, rows, columns)
        weights = [self._weights(shift) for shift in shifts_px]
        return np.stack([rows @ one @ columns.T for one, (rows, columns) in zip(cells, weights, strict=True)])

    def _weights(self, shift_px: Float) -> tuple[Float32, Float32]:
        return (
            pixel_weights(self._cell_edges_mrad, self._grid.edges_mrad(0, shift_px[0])),
            pixel_weights(self._cell_edges_mrad, self._grid.edges_mrad(1, shift_px[1])),
        )


def _cells(box: Box, reach: int) -> Float:
    """Spatial frequencies of the cells -reach..reach."""
    return np.arange(-reach, reach + 1, dtype=np.float64) * box.cell_per_angstrom


def _aperture(optics: Optics, box: Box) -> tuple[Complex, Float32]:
    """The aperture's amplitude, for unit total intensity, and the edge's rest of it on the detector's cells."""
    k = _cells(box, box.aperture_cells)
    amplitude = optics.amplitude(k[None], k[:, None], box.cell_per_angstrom)
    total = float(np.abs(amplitude).sum())  # the sum of the open parts
    k = _cells(box, box.detector_cells)
    # Undiffracted: the beam that stays in the disc carries all but a few percent of this percent.
    rest = optics.edge_intensity(k[None], k[:, None], box.cell_per_angstrom) / total
    return np.asarray(amplitude / np.float32(math.sqrt(total))), rest.astype(np.float32)


def _cell_edges_mrad(optics: Optics, box: Box) -> Float:
    cells = np.arange(-box.detector_cells, box.detector_cells + 2, dtype=np.float64) - 0.5
    return cells * (box.cell_per_angstrom * optics.wavelength_angstrom * 1e3)
