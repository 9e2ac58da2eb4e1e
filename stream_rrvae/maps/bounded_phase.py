"""The projected phase while a scan grows: each COM adds a bounded kernel around its position, once.

The phase is the sum over positions r' of g(r') . (r - r') / (2 pi |r - r'|^2) dA, g its gradient: the field of a
source in two dimensions. Cut off at some positions' distance the sum needs no Fourier transform of the whole scan, and
is right at once for whatever is smaller than that: Yu et al., Microsc. Microanal. 28, 1526 (2022), arXiv 2112.04442
(riCOM). What is larger is weakened; `phase.integrate` has all of it, at the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from stream_rrvae.messages import Float32Array

REACH = 32  # positions
ROWS_AT_ONCE = 16  # blocks are a multiple of it high, so that their transforms are of few sizes


class BoundedPhase:
    """The phase [scan_y, scan_x] of the gradients taken so far, per unit of the steps; for one thread."""

    def __init__(self, scan_shape: tuple[int, int], step: tuple[float, float], reach: int = REACH) -> None:
        self.reach = min(reach, max(scan_shape) - 1)
        self._step = step
        self._taken = np.zeros((2, *scan_shape), np.float32)
        self._sum = np.zeros(scan_shape, np.float32)
        self._kernels: dict[tuple[int, int], tuple[NDArray[np.complex64], NDArray[np.complex64]]] = {}

    def changed_lines(self, gradient: Float32Array) -> slice:
        """From the first line of `gradient` [2, scan_y, scan_x] that is not as it was taken to the last."""
        lines = np.flatnonzero((gradient != self._taken).any(axis=(0, 2)))
        return slice(int(lines[0]), int(lines[-1]) + 1) if lines.size else slice(0, 0)

    def take(self, gradient: Float32Array, lines: slice) -> None:
        """Bring the sum up to `gradient` (y, x) [2, scan_y, scan_x], 0 where nothing was measured, in `lines`."""
        change = gradient[:, lines] - self._taken[:, lines]
        self._taken[:, lines] = gradient[:, lines]
        spread, reach = self._spread(change), self.reach
        first, last = lines.start - reach, lines.stop + reach
        inside = slice(max(first, 0), min(last, self._sum.shape[0]))
        self._sum[inside] += spread[inside.start - first : inside.stop - first, reach : reach + self._sum.shape[1]]

    def image(self, measured: NDArray[np.bool_]) -> Float32Array:
        """The phase with zero mean, NaN where nothing was measured."""
        mean = self._sum[measured].mean(dtype=np.float64) if measured.any() else 0.0
        return np.where(measured, self._sum - np.float32(mean), np.float32(np.nan))

    def _spread(self, change: Float32Array) -> Float32Array:
        """The sum that `change` [2, rows, columns] adds, [rows + 2 reach, columns + 2 reach]."""
        rows, columns = (size + 2 * self.reach for size in change.shape[1:])
        shape = fft.next_fast_len(-(-rows // ROWS_AT_ONCE) * ROWS_AT_ONCE, True), fft.next_fast_len(columns, True)
        kernel_y, kernel_x = self._kernel(shape)
        spectrum = fft.rfft2(change[0], shape) * kernel_y + fft.rfft2(change[1], shape) * kernel_x
        spread = np.asarray(fft.irfft2(spectrum, shape), np.float32)
        return spread[:rows, :columns]

    def _kernel(self, shape: tuple[int, int]) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        if shape not in self._kernels:
            if len(self._kernels) > 8:
                self._kernels.clear()
            y, x = kernel(self.reach, self._step)
            self._kernels[shape] = (fft.rfft2(y, shape), fft.rfft2(x, shape))
        return self._kernels[shape]


def kernel(reach: int, step: tuple[float, float]) -> tuple[Float32Array, Float32Array]:
    """(y, x) [2 reach + 1, 2 reach + 1] of what a gradient of 1 adds around its position."""
    row, column = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
    y, x = row * step[0], column * step[1]
    squared = np.where((row == 0) & (column == 0), 1.0, y**2 + x**2)
    inside = np.hypot(row, column) <= reach
    weight = inside * step[0] * step[1] / (2 * np.pi * squared)
    return (y * weight).astype(np.float32), (x * weight).astype(np.float32)
