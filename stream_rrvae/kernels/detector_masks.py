"""The pixels of virtual detectors as compiled loops read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError
from stream_rrvae.messages import BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class DetectorMasks:
    """Which usable pixels count in each of K detectors."""

    masks: BoolArray  # [K, ky, kx]
    runs: NDArray[np.int64]  # [n, 3] detector, first pixel, last + 1: row-major, within one detector row

    @classmethod
    def of(cls, masks: BoolArray, usable: BoolArray) -> Self:
        """Those of `masks` [K, ky, kx] that are `usable` [ky, kx]. Raises CalibrationError where they do not fit."""
        if masks.ndim != 3 or masks.shape[1:] != usable.shape:
            raise CalibrationError(f"detector masks of {masks.shape} do not fit frames of {usable.shape}")
        both = np.asarray(masks, np.bool_) & usable
        return cls(both, _runs(both))

    @property
    def count(self) -> int:
        """How many detectors."""
        return len(self.masks)


def _runs(masks: BoolArray) -> NDArray[np.int64]:
    count, height, width = masks.shape
    padded = np.zeros((count, height, width + 2), np.int8)
    padded[:, :, 1:-1] = masks
    change = np.diff(padded, axis=2)
    detector, row, begin = np.nonzero(change == 1)
    end = np.nonzero(change == -1)[2]
    return np.stack([detector, row * width + begin, row * width + end], axis=1).astype(np.int64)
