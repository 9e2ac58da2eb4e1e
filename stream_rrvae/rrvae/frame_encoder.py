"""What a model says of raw frames, at the cost of what it sees of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.messages import BoolArray, Float32Array
from stream_rrvae.rrvae.direct_projection import DirectProjection
from stream_rrvae.rrvae.model import Encoding, Model, Sight, Sighted
from stream_rrvae.rrvae.preparation import Centring


class FrameEncoder:
    """`model` as it is now, for frames that `plan` measures, of a scan prepared by `centring`.

    Settle the model before (`Model.settle`), or latents count from the mean of each call's frames.
    """

    def __init__(self, model: Model, plan: FramePlan, centring: Centring) -> None:
        everything = Sight(np.eye(model.basis.n_features, dtype=np.float32), model.encode)
        sight = model.sight() if isinstance(model, Sighted) else everything
        self._projection = DirectProjection(plan, centring, sight.axes)
        self._encode, self._latents = sight.encode, model.latents

    def encode(self, frames: NDArray[Any]) -> Encoding:
        """Encode `frames` [n, ky, kx]; NaN for those without counts or mostly without data. Raises ValueError."""
        seen = self._projection.of(frames)
        usable: BoolArray = np.asarray(np.isfinite(seen).all(axis=1))
        if usable.all() and len(seen):
            return self._encode(seen)
        found = self._encode(seen[usable]) if usable.any() else _nothing(self._latents)
        return Encoding(
            _spread(found.rotation, usable), _spread(found.confidence, usable), _spread(found.latents, usable),
            found.explained,
        )  # fmt: skip


def _nothing(latents: int) -> Encoding:
    empty = np.empty(0, np.float32)
    return Encoding(empty, empty, np.empty((0, latents), np.float32), np.zeros(latents))


def _spread(values: Float32Array, usable: BoolArray) -> Float32Array:
    spread = np.full((len(usable), *values.shape[1:]), np.nan, np.float32)
    spread[usable] = values
    return spread
