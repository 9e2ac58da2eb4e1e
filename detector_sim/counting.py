"""From parts of the beam to counts: dose, saturation, bad pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector_sim.detector import DetectorModel
from stream_rrvae.errors import ConfigError

Float32 = NDArray[np.float32]
# Poisson frames of fewer electrons than this part of the pixels are drawn electron by electron: the same law, faster.
_FEW_ELECTRONS = 1 / 8
_BRIGHTEST_WITHOUT_NOISE = 2**15


@dataclass(frozen=True, slots=True)
class BadPixels:
    """Flat indices of pixels: `dead` read 0, `hot` the saturation (or 1 beam in a float), `no_data` nothing."""

    dead: NDArray[np.int64]
    hot: NDArray[np.int64]
    no_data: NDArray[np.int64]

    def usable(self, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        """The mask [ky, kx], True = usable; None when every pixel is."""
        bad = np.concatenate([self.dead, self.hot, self.no_data])
        if not bad.size:
            return None
        mask = np.ones(shape, np.bool_)
        mask.reshape(-1)[bad] = False
        return mask


def choose_bad_pixels(shape: tuple[int, int], dead: int, hot: int, no_data: int, rng: np.random.Generator) -> BadPixels:
    """So many different pixels of each kind. Raises ConfigError when there are not enough."""
    pixels, wanted = shape[0] * shape[1], dead + hot + no_data
    if wanted >= pixels:
        raise ConfigError(f"{wanted} bad pixels leave no good one of {pixels}: ask for fewer")
    chosen = rng.choice(pixels, wanted, replace=False).astype(np.int64)
    first, second, third = np.split(chosen, [dead, dead + hot])
    return BadPixels(first, second, third)


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts `electrons` a frame, Poisson distributed; None = no noise.

    Without noise a float pixel is the part of the beam in it, and an integer pixel the
    rounded part times `scale`.
    """

    model: DetectorModel
    electrons: float | None
    scale: float
    bad: BadPixels

    def count(self, frames: Float32, rng: np.random.Generator) -> NDArray[Any]:
        """Frames [n, ky, kx] as the detector sends them, of its pixel type."""
        pixels = np.empty(frames.shape, self.model.pixel_type)
        for frame, out in zip(frames, pixels, strict=True):  # one by one: 64-bit counts stay in the cache
            out[...] = self._limited(self._counted(frame, rng))
        flat = pixels.reshape(len(pixels), -1)
        flat[:, self.bad.dead] = 0
        flat[:, self.bad.hot] = self.model.saturation or 1
        flat[:, self.bad.no_data] = self.model.no_data
        return pixels

    def _counted(self, frame: Float32, rng: np.random.Generator) -> NDArray[Any]:
        if self.electrons is None:
            return np.rint(frame * self.scale) if self.model.counting else frame
        if self.electrons > _FEW_ELECTRONS * frame.size:
            return rng.poisson(frame.astype(np.float64) * self.electrons)
        return _electron_by_electron(frame, self.electrons, rng)

    def _limited(self, counts: NDArray[Any]) -> NDArray[Any]:
        return counts if self.model.saturation is None else np.minimum(counts, self.model.saturation)


def _electron_by_electron(frame: Float32, electrons: float, rng: np.random.Generator) -> NDArray[np.int64]:
    upto = np.cumsum(frame, dtype=np.float64)
    arriving = rng.random(rng.poisson(electrons * upto[-1])) * upto[-1]
    hits = np.minimum(np.searchsorted(upto, arriving, side="right"), frame.size - 1)
    return np.bincount(hits, minlength=frame.size).reshape(frame.shape)


def counter_for(model: DetectorModel, electrons: float | None, disc_radius_px: float, bad: BadPixels) -> Counter:
    """The counter; without noise an even disc would fill half of what a pixel holds, but never more than 2^15."""
    saturation = model.saturation or 1
    scale = min(saturation / 2, _BRIGHTEST_WITHOUT_NOISE) * math.pi * disc_radius_px**2
    return Counter(model, electrons, scale, bad)
