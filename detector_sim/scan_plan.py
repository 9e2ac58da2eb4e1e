"""Where the probe stands at every position, and where the descan leaves the pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """A scan of `shape` (y, x), row by row.

    `positions_angstrom` [n, 2] (y, x) are where the probe really is, the scan's middle at the origin;
    `shifts_px` [n, 2] (ky, kx) move the pattern on the detector.
    """

    shape: tuple[int, int]
    positions_angstrom: Float
    shifts_px: Float

    @property
    def count(self) -> int:
        """Number of positions."""
        return self.shape[0] * self.shape[1]

    @property
    def max_shift_px(self) -> float:
        """Largest shift in any direction."""
        return float(np.abs(self.shifts_px).max())


def plan_scan(
    shape: tuple[int, int], step_nm: Pair, drift_nm: Pair = (0.0, 0.0), descan_px: Pair = (0.0, 0.0)
) -> ScanPlan:
    """The scan with a drift of `drift_nm` (y, x) from its first to its last position.

    `descan_px` (ky, kx): from the first to the last row the pattern moves by the first, from the
    first to the last column by the second.
    """
    rows, columns = shape
    part = np.stack(np.meshgrid(_centred(rows), _centred(columns), indexing="ij"), -1).reshape(-1, 2)
    nominal = part * np.array([(rows - 1) * step_nm[0], (columns - 1) * step_nm[1]])
    time = np.linspace(0.0, 1.0, rows * columns)[:, None]
    return ScanPlan(shape, (nominal + time * np.array(drift_nm)) * 10.0, part * np.array(descan_px))


def part_of(plan: ScanPlan, sub_scan: tuple[int, int, int, int]) -> ScanPlan:
    """The rectangle (rows, columns, first row, first column) of a scan."""
    rows, columns, y, x = sub_scan
    kept = np.arange(plan.count).reshape(plan.shape)[y : y + rows, x : x + columns].ravel()
    return ScanPlan((rows, columns), plan.positions_angstrom[kept], plan.shifts_px[kept])


def _centred(count: int) -> Float:
    return np.linspace(-0.5, 0.5, count) if count > 1 else np.zeros(1)
