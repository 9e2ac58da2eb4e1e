"""The harmonic model behind the seam: numpy in, numpy out, torch inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from stream_rrvae.errors import ConfigError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.plain import to_plain
from stream_rrvae.rrvae.encode import encode, encode_seen, gauge_of, left_over
from stream_rrvae.rrvae.folded import FoldedModel
from stream_rrvae.rrvae.harmonic import Gauge, HarmonicModel, HarmonicSpec, Readout, kl_divergence
from stream_rrvae.rrvae.leading import Leading, leading_of
from stream_rrvae.rrvae.model import Arrays, Encoding, RoundReport, Sight
from stream_rrvae.rrvae.model_settings import LARGEST_LATENTS, read_settings
from stream_rrvae.rrvae.on_device import whole_on
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.rrvae.principal import LatentGauge, split_off_gauge
from stream_rrvae.rrvae.subspace import signal_subspace
from stream_rrvae.rrvae.training import Trainer, TrainSpec
from stream_rrvae.rrvae.weights import put_weights, weights_of


class HarmonicLearner:
    """See `model.Model`; `create` and `from_settings` are its factory."""

    name = "harmonic"
    usual_gauge: Gauge = "decoder"

    def __init__(self, spec: HarmonicSpec, leading: Leading, seed: int, device: str, train: TrainSpec) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = HarmonicModel(spec, leading).to(device)
        self._trainer = Trainer(self.network, self._bound, train, seed, device)
        self._folded: FoldedModel | None = None  # as the network is now
        self._gauge: LatentGauge | None = None  # None = of the frames that are encoded

    @classmethod
    def create(
        cls,
        data: Prepared,
        basis: BasisSpec,
        latents: int,
        seed: int,
        device: str,
        gauge: Gauge | None = None,
        train: TrainSpec | None = None,
    ) -> Self:
        """Random weights; the data decide only which order sets the gauge and which modes are noise."""
        spec = cls._spec(data, basis, latents, gauge or cls.usual_gauge)
        leading = leading_of(data.x, basis, data.noise_variance)
        made = cls(spec, leading, seed, cls._device(device), train or TrainSpec())
        made._begin(data)
        return made

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], device: str) -> Self:
        """The model that `settings` describe, weights to be restored. Raises CheckpointError."""
        spec, leading = read_settings(HarmonicSpec, settings, _is_sound)
        return cls(spec, leading, 0, cls._device(device), TrainSpec())

    @property
    def basis(self) -> BasisSpec:
        return self.network.spec.basis

    @property
    def latents(self) -> int:
        return self.network.spec.latents

    @property
    def fixes_rotation(self) -> bool:
        return self.network.spec.gauge != "free"

    @property
    def is_settled(self) -> bool:
        return self._gauge is not None

    def train(self, data: Prepared, seconds: float, progress: tuple[float, float]) -> RoundReport:
        self._look_at(data)
        self._folded = self._gauge = None
        return self._trainer.round(data, self._projected(data.x), seconds, progress)

    def encode(self, x: Float32Array, own_gauge: bool = False) -> Encoding:
        return encode(self._as_it_is(), x, None if own_gauge else self._gauge)

    def sight(self) -> Sight:
        folded, gauge = self._as_it_is(), self._gauge
        return Sight(folded.axes.cpu().numpy(), lambda seen: encode_seen(folded, seen, gauge))

    def left_over(self, x: Float32Array) -> Float32Array:
        return left_over(self._as_it_is(), x)

    def settle(self, x: Float32Array) -> None:
        self._gauge = gauge_of(self._as_it_is(), x)

    def settings(self) -> dict[str, Any]:
        return {"spec": to_plain(self.network.spec), "leading_order": self.network.leading_order}

    def arrays(self) -> Arrays:
        return {**weights_of(self.network), **(self._gauge.arrays() if self._gauge else {})}

    def restore(self, arrays: Arrays) -> None:
        spec = self.network.spec
        size = spec.basis.n_features if spec.readout == "decoded" else spec.inner
        gauge, weights = split_off_gauge(arrays, (size, spec.latents))
        put_weights(self.network, weights)
        self._trainer.warm, self._folded, self._gauge = True, None, gauge

    @staticmethod
    def _device(setting: str) -> str:
        return torch_device(setting)

    @staticmethod
    def _spec(data: Prepared, basis: BasisSpec, latents: int, gauge: Gauge) -> HarmonicSpec:
        # Without noise in the data the likelihood assumes some, and what it makes of shapes is too smooth to read.
        readout: Readout = "decoded" if data.noise_variance > 0.0 else "linear"
        return HarmonicSpec(basis, latents, gauge=gauge, spare=1, readout=readout)

    def _begin(self, data: Prepared) -> None:
        self._look_at(data)

    def _bound(self, x: Tensor, generator: torch.Generator, kl_weight: float) -> Tensor:
        posterior = self.network.encode(x)
        sample = torch.empty_like(posterior.mean).normal_(generator=generator)
        z = posterior.mean + sample * (0.5 * posterior.log_variance).exp()
        return self.network.log_likelihood(x, self.network.decode(z)) - kl_weight * kl_divergence(posterior)

    def _as_it_is(self) -> FoldedModel:
        self._folded = self._folded or FoldedModel(self.network)
        return self._folded

    def _look_at(self, data: Prepared) -> None:
        network = self.network
        network.set_subspace(signal_subspace(data.x, self.basis, data.noise_variance, network.leading_order))

    def _projected(self, x: Float32Array) -> Tensor:
        return whole_on(self.network.table.device, x) @ self.network.subspace


def torch_device(setting: str) -> str:
    """ "cuda" or "cpu" for the setting auto, cpu or cuda. Raises ConfigError when CUDA is asked for and absent."""
    available = torch.cuda.is_available()
    if setting == "cuda" and not available:
        raise ConfigError("setting learn.device: cuda is asked for, but torch finds no CUDA device; use auto or cpu")
    return "cuda" if available and setting != "cpu" else "cpu"


def _is_sound(spec: HarmonicSpec) -> bool:
    kinds_known = spec.gauge in ("decoder", "free", "data") and spec.readout in ("linear", "decoded")
    return kinds_known and 0 <= spec.spare <= LARGEST_LATENTS
