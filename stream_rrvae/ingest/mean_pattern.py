"""The mean of a scan's frames: of its first ones, on which the disc is found, and of some as it goes on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.frame_pass import valid_range
from stream_rrvae.messages import BoolArray, Float32Array, ScanStart
from stream_rrvae.scan_store import ScanStore

# Positions of a scan: taking a frame in costs as much as measuring eight.
FEWEST_SAMPLED, MOST_SAMPLED = 128, 512
ONE_OF = 512
GROWTH = 1.25  # of the frames in it, before it is shown again
LEAST_SHARE = 0.5  # of the frames that must have data in a pixel, for its mean not to be of the faint ones alone


class MeanPattern:
    """Each pixel's mean over the frames that have data there."""

    def __init__(self, start: ScanStart) -> None:
        self.n_frames = 0
        self._saturation = start.saturation
        self._total = np.zeros(start.frame_shape)
        self._count = np.zeros(start.frame_shape, np.int32)

    def add(self, frame: NDArray[Any]) -> None:
        """Take one frame [ky, kx] in."""
        low, high = valid_range(frame.dtype, self._saturation)
        valid = (frame >= low) & (frame <= high)
        np.add(self._total, frame, out=self._total, where=valid)
        self._count += valid
        self.n_frames += 1

    @property
    def values(self) -> NDArray[np.float64]:
        """[ky, kx], 0 where no frame has data."""
        return self._total / np.maximum(self._count, 1)

    @property
    def known(self) -> BoolArray:
        """[ky, kx] where most frames have data."""
        return np.asarray(self._count >= max(1.0, LEAST_SHARE * self.n_frames))


class SampledMean:
    """The mean pattern of a running scan, of positions spread over it: the same ones whenever their frames come."""

    def __init__(self, store: ScanStore, usable: BoolArray, gain: Float32Array | None = None) -> None:
        self._store = store
        self._usable = usable
        self._gain = np.float32(1) if gain is None else gain
        self._mean = MeanPattern(store.start)
        self._shown = 0  # frames
        self._stride = stride(store.shape.n_positions, store.shape.scan_shape[1])

    def wanted(self, positions: NDArray[np.int64]) -> NDArray[np.intp]:
        """Which of the `positions` are taken in, as indices."""
        return np.flatnonzero(positions % self._stride == 0)

    def add(self, frame: NDArray[Any]) -> None:
        """Take the frame [ky, kx] of a wanted position in."""
        self._mean.add(frame)

    def show(self, whole: bool = False) -> None:
        """Tell the store what the mean is by now: where it has changed by much, or the scan is `whole`."""
        if self._mean.n_frames == self._shown or (self._mean.n_frames < GROWTH * self._shown and not whole):
            return
        self._shown = self._mean.n_frames
        known = self._usable & self._mean.known
        self._store.write_mean(self._mean.n_frames, np.where(known, self._mean.values * self._gain, np.nan))


def stride(n_positions: int, columns: int) -> int:
    """From one position that is taken in to the next; prime to the columns, so that none of them is left out."""
    wanted = min(max(FEWEST_SAMPLED, n_positions // ONE_OF), MOST_SAMPLED)
    step = max(1, n_positions // wanted)
    while math.gcd(step, columns) > 1:
        step -= 1
    return step
