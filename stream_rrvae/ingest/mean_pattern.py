"""The mean of a scan's first frames, on which the disc is found."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.frame_pass import valid_range
from stream_rrvae.messages import ScanStart


class MeanPattern:
    """Each pixel's mean over the frames that have data there."""

    def __init__(self, start: ScanStart) -> None:
        self.n_frames = 0
        self._saturation = start.saturation
        self._total = np.zeros(start.frame_shape)
        self._count = np.zeros(start.frame_shape)

    def add(self, frame: NDArray[Any]) -> None:
        """Take one frame [ky, kx] in."""
        low, high = valid_range(frame.dtype, self._saturation)
        valid = (frame >= low) & (frame <= high)
        self._total += np.where(valid, frame, 0)
        self._count += valid
        self.n_frames += 1

    @property
    def values(self) -> NDArray[np.float64]:
        """[ky, kx], 0 where no frame has data."""
        return self._total / np.maximum(self._count, 1)
