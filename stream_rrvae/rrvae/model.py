"""The seam for models: prepared features in, rotation, confidence and latents out.

The worker, checkpoints and benchmarks see a model only through this protocol; `registry` finds it by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.preparation import Prepared

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a model says of n frames, NaN-free.

    `rotation` rad in (-pi, pi] from kx towards ky; `confidence` 0..1; `latents` [n, n_latents] as the
    linear part of the shape's change along its principal directions, in units of one frame's noise. They
    have mean 0 and come ordered by `explained` [n_latents], their variance, unless the model `is_settled`.
    """

    rotation: Float32Array
    confidence: Float32Array
    latents: Float32Array
    explained: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One training round."""

    frames: int
    seconds: float
    heldout_loglikelihood: float  # nats a frame beyond that of pure noise, after the round
    rolled_back: bool


class Model(Protocol):
    """Frames of a scan as one shape in many rotations."""

    @property
    def name(self) -> str:
        """The decoder's name in the registry."""
        ...

    @property
    def basis(self) -> BasisSpec:
        """The basis of the features it was made for."""
        ...

    @property
    def latents(self) -> int:
        """How many numbers say which shape."""
        ...

    @property
    def fixes_rotation(self) -> bool:
        """Whether the model itself says what rotation 0 is; else the COM direction sets it afterwards."""
        ...

    @property
    def is_settled(self) -> bool:
        """Whether latents count from a mean of the model's own (see `settle`), not from that of what is encoded."""
        ...

    def train(self, data: Prepared, seconds: float, progress: tuple[float, float]) -> RoundReport:
        """Train for `seconds`, which take the training from one share of its budget to another."""
        ...

    def encode(self, x: Float32Array, own_gauge: bool = False) -> Encoding:
        """Encode prepared features `x` [n, n_features], n >= 1; `own_gauge`: as if the model were not settled."""
        ...

    def left_over(self, x: Float32Array) -> Float32Array:
        """Prepared features `x` [n, n_features] less the shape found in each, turned back to its rotation 0."""
        ...

    def settle(self, x: Float32Array) -> None:
        """Let latents count from the mean of those of `x` [n, n_features], along their directions, until it is trained.

        Latents of several scans, or of parts of one, then mean the same. Part of `arrays`.
        """
        ...

    def settings(self) -> dict[str, Any]:
        """What builds the same model again, as plain values."""
        ...

    def arrays(self) -> Arrays:
        """Its weights by name."""
        ...

    def restore(self, arrays: Arrays) -> None:
        """Take weights over. Raises CheckpointError when names, shapes or values do not fit."""
        ...


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model sees of prepared features: coordinates along `axes` [n_features, k]; and how it encodes these."""

    axes: Float32Array
    encode: Callable[[Float32Array], Encoding]  # of [n, k], n >= 1


@runtime_checkable
class Sighted(Protocol):
    """A model that sees fewer numbers of a frame than there are."""

    def sight(self) -> Sight:
        """As it is now: training may move it."""
        ...


class ModelFactory(Protocol):
    """What makes models of one kind."""

    def create(self, data: Prepared, basis: BasisSpec, latents: int, seed: int, device: str) -> Model:
        """A model with random weights for frames like those of `data`."""
        ...

    def from_settings(self, settings: Mapping[str, Any], device: str) -> Model:
        """A model as `Model.settings` describes it, weights to be restored. Raises CheckpointError."""
        ...
