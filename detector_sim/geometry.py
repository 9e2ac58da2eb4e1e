"""How the detector lies: its pixels in mrad, and the scan's axes seen on it.

All physics is computed in the detector's axes: specimen and probe positions are turned there, so
that no pattern is ever resampled for a rotation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mounting:
    """v_det = R(+rotation) F v_scan for vectors (x, y), F = diag(1, -1) if `flip`; see messages.Calibration."""

    rotation_rad: float = 0.0
    flip: bool = False

    @property
    def matrix_yx(self) -> Float:
        """The same 2 x 2 matrix for vectors written (y, x)."""
        c, s = math.cos(self.rotation_rad), math.sin(self.rotation_rad)
        turn = np.array([[c, -s], [s, c]]) @ np.diag([1.0, -1.0 if self.flip else 1.0])
        swapped: Float = turn[::-1, ::-1].copy()
        return swapped

    def to_detector(self, vectors_yx: Float) -> Float:
        """Vectors [..., 2] (y, x) of the scan as (ky, kx) of the detector."""
        turned: Float = vectors_yx @ self.matrix_yx.T
        return turned

    def to_scan(self, vectors_yx: Float) -> Float:
        """Vectors [..., 2] (ky, kx) of the detector as (y, x) of the scan."""
        turned: Float = vectors_yx @ self.matrix_yx
        return turned


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """A detector's pixels (ky, kx); pixel centres lie at whole numbers."""

    shape: tuple[int, int]
    mrad_per_px: float
    beam_center_px: tuple[float, float]

    def edges_mrad(self, axis: int, shift_px: float = 0.0) -> Float:
        """Edges of the pixels along `axis` from the optical axis, for a pattern shifted by `shift_px`."""
        edges: Float = np.arange(self.shape[axis] + 1.0) - 0.5 - self.beam_center_px[axis] - shift_px
        return edges * self.mrad_per_px

    def first_moment_px(self, frames: NDArray[np.float32]) -> Float:
        """Centre of mass [n, 2] (ky, kx) of frames [n, ky, kx] from the beam centre; NaN where empty."""
        rows = np.arange(self.shape[0]) - self.beam_center_px[0]
        columns = np.arange(self.shape[1]) - self.beam_center_px[1]
        over_columns = frames.sum(2, dtype=np.float64)
        over_rows = frames.sum(1, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.stack([over_columns @ rows, over_rows @ columns], -1) / over_columns.sum(1)[:, None])


def centred_grid(shape: tuple[int, int], max_angle_mrad: float, offset_px: tuple[float, float]) -> PixelGrid:
    """Pixels whose columns span +-`max_angle_mrad`; the axis lies `offset_px` (ky, kx) from the middle."""
    center = ((shape[0] - 1) / 2 + offset_px[0], (shape[1] - 1) / 2 + offset_px[1])
    return PixelGrid(shape, 2 * max_angle_mrad / shape[1], center)


def pixel_weights(cell_edges: Float, pixel_edges: Float) -> NDArray[np.float32]:
    """Part of every cell (width by `cell_edges`) that falls into every pixel: [pixels, cells], exact by length."""
    low = np.maximum(cell_edges[None, :-1], pixel_edges[:-1, None])
    high = np.minimum(cell_edges[None, 1:], pixel_edges[1:, None])
    weights: NDArray[np.float32] = (np.clip(high - low, 0.0, None) / np.diff(cell_edges)).astype(np.float32)
    return weights


def bin_all(cells: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """`rows` @ one @ `columns`.T for every one of `cells` [n, k, k], as two large products instead of 2 n small."""
    over_columns = (cells.reshape(-1, cells.shape[2]) @ columns.T).reshape(len(cells), cells.shape[1], -1)
    turned = over_columns.transpose(0, 2, 1).reshape(-1, cells.shape[1]) @ rows.T
    return np.ascontiguousarray(turned.reshape(len(cells), len(columns), len(rows)).transpose(0, 2, 1))
