"""The spatial model behind the seam: numpy in, numpy out, torch inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.maps.statistics import wrapped
from stream_rrvae.messages import Float32Array
from stream_rrvae.plain import to_plain
from stream_rrvae.rrvae.harmonic import turned
from stream_rrvae.rrvae.leading import Leading, leading_of
from stream_rrvae.rrvae.learner import torch_device
from stream_rrvae.rrvae.model import Arrays, Encoding, RoundReport
from stream_rrvae.rrvae.model_settings import read_settings
from stream_rrvae.rrvae.on_device import batches_on, whole_on
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.rrvae.principal import LatentGauge, principal_gauge, split_off_gauge
from stream_rrvae.rrvae.spatial import Angle, Posterior, SpatialModel, SpatialSpec
from stream_rrvae.rrvae.training import Trainer, TrainSpec
from stream_rrvae.rrvae.weights import put_weights, weights_of

LARGEST_GRID_PX, SMALLEST_GRID_PX = 128, 4
DRAWN = 512  # shapes decoded at once, and to see what z does
# The literature: learning rate 1e-4, batch 32 or 100, no warm-up, full KL. A frame costs a thousand times ours.
SPATIAL_TRAINING = TrainSpec(learning_rate=2e-3, batch=32, warm_up=0.5, noise_free_kl=0.5, heldout_limit=512)


class SpatialLearner:
    """See `model.Model`; `create` and `from_settings` are its factory."""

    name = "spatial"
    fixes_rotation = False  # where rotation 0 lies is left to chance: the COM sets it afterwards

    def __init__(self, spec: SpatialSpec, leading: Leading, seed: int, device: str, train: TrainSpec) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = SpatialModel(spec, leading).to(device)
        self._trainer = Trainer(self.network, self._bound, train, seed, device)
        self._gauge: LatentGauge | None = None  # None = of the frames that are encoded

    @classmethod
    def create(
        cls,
        data: Prepared,
        basis: BasisSpec,
        latents: int,
        seed: int,
        device: str,
        angle: Angle = "upright",
        train: TrainSpec | None = None,
    ) -> SpatialLearner:
        """Random weights; the data decide only which order the encoder turns them back by."""
        spec = SpatialSpec(basis, latents, angle=angle)
        leading = leading_of(data.x, basis, data.noise_variance)
        return cls(spec, leading, seed, torch_device(device), train or SPATIAL_TRAINING)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], device: str) -> SpatialLearner:
        """The model that `settings` describe, weights to be restored. Raises CheckpointError."""
        spec, leading = read_settings(SpatialSpec, settings, _is_sound)
        return cls(spec, leading, 0, torch_device(device), SPATIAL_TRAINING)

    @property
    def basis(self) -> BasisSpec:
        return self.network.spec.basis

    @property
    def latents(self) -> int:
        return self.network.spec.latents

    @property
    def is_settled(self) -> bool:
        return self._gauge is not None

    def train(self, data: Prepared, seconds: float, progress: tuple[float, float]) -> RoundReport:
        self._gauge = None
        return self._trainer.round(data, whole_on(self._computing, data.x), seconds, progress)

    @torch.no_grad()
    def encode(self, x: Float32Array, own_gauge: bool = False) -> Encoding:
        posterior = self._read(x)
        gauge = None if own_gauge else self._gauge
        scores = (gauge or self._gauge_of(posterior)).scores(_numpy(posterior.mean))
        return Encoding(
            rotation=wrapped(_numpy(posterior.angle)).astype(np.float32),
            # The mean resultant length of a normal angle.
            confidence=_numpy(torch.exp(-0.5 * (2 * posterior.angle_log_sd).exp())),
            latents=scores,
            explained=scores.var(axis=0, dtype=np.float64),
        )

    @torch.no_grad()
    def left_over(self, x: Float32Array) -> Float32Array:
        parts = []
        for rows in batches_on(self._computing, x, DRAWN):
            posterior = self.network.encode(rows)
            left = rows - self.network.decode(posterior.angle, posterior.mean)
            parts.append(_numpy(turned(left, -posterior.angle, self.basis)))
        return np.concatenate(parts)

    @torch.no_grad()
    def settle(self, x: Float32Array) -> None:
        self._gauge = self._gauge_of(self._read(x))

    def settings(self) -> dict[str, Any]:
        return {"spec": to_plain(self.network.spec), "leading_order": self.network.leading_order}

    def arrays(self) -> Arrays:
        return {**weights_of(self.network), **(self._gauge.arrays() if self._gauge else {})}

    def restore(self, arrays: Arrays) -> None:
        gauge, weights = split_off_gauge(arrays, (self.latents, self.latents))
        put_weights(self.network, weights)
        self._trainer.warm, self._gauge = True, gauge

    @property
    def _computing(self) -> torch.device:
        return self.network.coordinates.device

    def _bound(self, x: Tensor, generator: torch.Generator, kl_weight: float) -> Tensor:
        size = (len(x), 1 + self.latents)
        noise = torch.randn(size, generator=generator, device=self._computing)
        return self.network.bound(x, noise, kl_weight)

    def _read(self, x: Float32Array) -> Posterior:
        batches = [self.network.encode(batch) for batch in batches_on(self._computing, x)]
        return Posterior(*(torch.cat(columns) for columns in zip(*batches, strict=True)))

    def _gauge_of(self, posterior: Posterior) -> LatentGauge:
        return principal_gauge(_numpy(posterior.mean), *self._response(posterior))

    def _response(self, posterior: Posterior) -> tuple[Float32Array, Float32Array]:
        """Samples of z from some frames' posteriors, and their shapes, all in rotation 0."""
        rows = slice(None, None, max(1, -(-len(posterior.mean) // DRAWN)))
        mean, log_sd = posterior.mean[rows], posterior.log_sd[rows]
        generator = torch.Generator(mean.device).manual_seed(0)
        z = mean + torch.empty_like(mean).normal_(generator=generator) * log_sd.exp()
        return _numpy(z), _numpy(self.network.decode(z.new_zeros(len(z)), z))


def _numpy(values: Tensor) -> Float32Array:
    found: Float32Array = values.detach().cpu().numpy()
    return found


def _is_sound(spec: SpatialSpec) -> bool:
    return (
        spec.angle in ("upright", "line")
        and SMALLEST_GRID_PX <= spec.grid_px <= LARGEST_GRID_PX
        and 0 < spec.basis.radius <= 10
        and 0 < spec.angle_prior_rad <= 100
    )
