"""Where the bright disc lies on the detector, from a mean pattern."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stream_rrvae.calibration.cells import Cells, in_cells, smoothed, without_hot
from stream_rrvae.calibration.edge_fit import SoftDisc, fit_soft_disc
from stream_rrvae.errors import CalibrationError
from stream_rrvae.messages import BoolArray

LOOK_CELLS = (128, 32)  # cells a side for the first look, and for the second where electrons are few
FIT_CELLS = 20.0  # cells a radius for the fit; more do not make it finer
LEAST_CONTRAST = 0.3  # of the plateau over its surroundings
LEAST_OVERLAP = 0.6  # of what is bright with the fitted disc
LEAST_SIGNIFICANCE = 8.0  # standard deviations of the counts in the disc, above its surroundings
LEAST_ARC = 0.15  # of the disc's edge on the detector


@dataclass(frozen=True, slots=True)
class Disc:
    """The bright-field disc; its edge is where the intensity is half."""

    center_px: tuple[float, float]  # (ky, kx)
    radius_px: float

    def covers(self, shape: tuple[int, ...], radius_px: float | None = None) -> BoolArray:
        """Pixels [ky, kx] of a detector of `shape` nearer to the centre than `radius_px` (None: the disc's own)."""
        ky, kx = np.indices(shape)
        reach_px = self.radius_px if radius_px is None else radius_px
        return np.asarray(np.hypot(ky - self.center_px[0], kx - self.center_px[1]) < reach_px)


@dataclass(frozen=True, slots=True)
class Seen:
    """A disc, the cells it was seen in and the soft disc fitted to them, in units of cells."""

    disc: Disc
    cells: Cells
    fit: SoftDisc
    good: BoolArray  # pixels [ky, kx] that took part


def find_disc(mean_pattern: NDArray[Any], usable: BoolArray | None = None) -> Disc:
    """The disc in `mean_pattern` [ky, kx], on the pixels where `usable`; it may be cut by the detector's edge.

    Found in two steps: what is brighter than half of the plateau, then a disc with a soft edge fitted to it.
    Raises CalibrationError when there is none.
    """
    return look_for_disc(mean_pattern, usable).disc


def look_for_disc(mean_pattern: NDArray[Any], usable: BoolArray | None = None) -> Seen:
    """The same with what it was fitted to. Raises CalibrationError when there is none."""
    pattern = np.asarray(mean_pattern, np.float64)
    good = np.isfinite(pattern) if usable is None else np.isfinite(pattern) & usable
    if pattern.ndim != 2 or not good.any() or not pattern[good].max() > 0:
        raise CalibrationError("no bright disc: the mean pattern is empty")
    good = without_hot(pattern, good)
    sizes_px = [math.ceil(max(pattern.shape) / cells) for cells in LOOK_CELLS]
    try:
        return _seen(pattern, good, sizes_px[0], 1)
    except CalibrationError:
        if sizes_px[1] == sizes_px[0]:
            raise
    return _seen(pattern, good, sizes_px[1], sizes_px[1])


def _seen(pattern: NDArray[np.float64], good: BoolArray, look_px: int, least_px: int) -> Seen:
    guess = _first_look(in_cells(pattern, good, look_px))
    cells = in_cells(pattern, good, max(least_px, round(guess.radius_px / FIT_CELLS)))
    fit = fit_soft_disc(cells, _start(cells, guess))
    disc = Disc((cells.to_px(fit.center[0]), cells.to_px(fit.center[1])), fit.radius * cells.size_px)
    _check_edge(pattern.shape, disc)
    _check_light(pattern, good, fit, disc)
    _check_shape(cells, fit)
    return Seen(disc, cells, fit, good)


def _first_look(cells: Cells) -> Disc:
    """The largest bright patch, as the circle through its edge."""
    smooth = smoothed(cells)
    bright = _bright_patch(smooth)
    edge = bright & ~ndimage.binary_erosion(bright, border_value=1)
    edge[[0, -1], :] = edge[:, [0, -1]] = False  # cut there by the detector, not by the aperture
    cy, cx = np.nonzero(edge)
    if cy.size < 3:
        raise CalibrationError("no bright disc: no edge of it lies on the detector")
    # Least squares circle: r^2 = 2 a y + 2 b x + c is linear in its unknowns (Kasa 1976).
    (a, b, c), *_ = np.linalg.lstsq(np.stack((2 * cy, 2 * cx, np.ones(cy.size)), axis=1), cy**2 + cx**2, rcond=None)
    radius = math.sqrt(max(c + a**2 + b**2, 0.25)) + 0.5
    return Disc((cells.to_px(float(a)), cells.to_px(float(b))), radius * cells.size_px)


def _bright_patch(smooth: NDArray[np.float64]) -> BoolArray:
    if not smooth.max() > 0:
        raise CalibrationError("no bright disc: the mean pattern is empty but for single pixels")
    plateau = float(np.median(smooth[smooth >= 0.5 * smooth.max()]))
    labels, _ = ndimage.label(smooth > 0.5 * plateau)
    sizes = np.bincount(labels.ravel(), weights=smooth.ravel())
    sizes[0] = 0
    return np.asarray(ndimage.binary_fill_holes(labels == sizes.argmax()))


def _start(cells: Cells, guess: Disc) -> SoftDisc:
    center = cells.to_cells(guess.center_px[0]), cells.to_cells(guess.center_px[1])
    radius = guess.radius_px / cells.size_px
    cy, cx = np.indices(cells.means.shape)
    inside = (np.hypot(cy - center[0], cx - center[1]) < radius) & (cells.weights > 0)
    values = cells.means[inside]
    plateau = float(np.minimum(values, np.quantile(values, 0.9)).mean()) if values.size else 0.0
    if not plateau > 0:
        raise CalibrationError("no bright disc: what is bright is no disc")
    return SoftDisc(center, radius, max(1.0, 0.1 * radius), plateau, 0.0)


def _check_edge(shape: tuple[int, ...], disc: Disc) -> None:
    angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    edge_y = disc.center_px[0] + disc.radius_px * np.sin(angles)
    edge_x = disc.center_px[1] + disc.radius_px * np.cos(angles)
    seen = (edge_y > 0) & (edge_y < shape[0] - 1) & (edge_x > 0) & (edge_x < shape[1] - 1)
    if disc.radius_px < 1 or seen.mean() < LEAST_ARC:
        raise CalibrationError("no bright disc: no edge of it lies on the detector")


def _check_light(pattern: NDArray[np.float64], good: BoolArray, fit: SoftDisc, disc: Disc) -> None:
    """Refuse an evenly lit detector, and a chance cluster of counts."""
    if not fit.plateau > LEAST_CONTRAST * (fit.plateau + abs(fit.background)):
        raise CalibrationError("no bright disc: the pattern is evenly lit")
    inside = good & disc.covers(pattern.shape)
    one_count = pattern[good & (pattern > 0)].min()
    counts, surroundings = pattern[inside].sum() / one_count, fit.background * inside.sum() / one_count
    if not counts - surroundings > LEAST_SIGNIFICANCE * np.sqrt(max(counts, 1.0)):
        raise CalibrationError("no bright disc: too few electrons to tell it from chance")


def _check_shape(cells: Cells, fit: SoftDisc) -> None:
    bright = smoothed(cells) > fit.background + 0.5 * fit.plateau
    cy, cx = np.indices(bright.shape)
    fitted = np.hypot(cy - fit.center[0], cx - fit.center[1]) < fit.radius
    if (bright & fitted).sum() < LEAST_OVERLAP * (bright | fitted).sum():
        raise CalibrationError("no bright disc: what is bright is no disc")
