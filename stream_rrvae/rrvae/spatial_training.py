"""Training rounds of the spatial model: Adam on the bound, rolled back when a round made it worse."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from stream_rrvae.rrvae.model import RoundReport
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.rrvae.spatial import SpatialModel
from stream_rrvae.rrvae.training import held_out

HELDOUT_LIMIT = 512  # a frame costs a thousand times what the harmonic model's does
LARGEST_GRADIENT = 100.0
WORSE_ERRORS, WORSE_NATS = 2.0, 0.02  # standard errors of the paired difference, and at least so much


@dataclass(frozen=True, slots=True)
class SpatialTrainSpec:
    """How to train. The literature: learning_rate 1e-4, batch 32 or 100, no warm-up, full KL.

    `noise_free_kl`: see `training.TrainSpec`.
    """

    learning_rate: float = 2e-3
    batch: int = 32
    warm_up: float = 0.5  # share of the budget over which the KL comes in
    noise_free_kl: float = 0.5


class SpatialTrainer:
    """Keeps the optimiser between rounds; `seed` fixes batches and samples."""

    def __init__(self, model: SpatialModel, spec: SpatialTrainSpec, seed: int) -> None:
        self.model = model
        self.spec = spec
        self.warm = False  # weights are trained ones: no KL warm-up
        self._rounds = 0
        self._rate = spec.learning_rate
        self._generator = torch.Generator(model.coordinates.device).manual_seed(seed)
        self._optimizer = self._new_optimizer()

    def round(self, data: Prepared, seconds: float, progress: tuple[float, float]) -> RoundReport:
        """Train on `data` for `seconds`."""
        if progress[0] == 0.0 and self._rounds:
            self.warm, self._rate = True, self.spec.learning_rate
            self._optimizer = self._new_optimizer()
        self._rounds += 1
        x = torch.from_numpy(data.x).to(self.model.coordinates.device)
        apart = torch.from_numpy(held_out(data.positions)).to(x.device)
        checked, learnt = x[apart][:HELDOUT_LIMIT], x[~apart]
        kl_weight = 1.0 if data.noise_variance > 0.0 else self.spec.noise_free_kl
        good, before = copy.deepcopy(self.model.state_dict()), self._checked(checked, kl_weight)
        frames, taken_s = self._descend(learnt, seconds, progress, kl_weight)
        rolled_back = _is_worse(self._checked(checked, kl_weight), before)
        if rolled_back:
            self.model.load_state_dict(good)
            self._rate /= 2
            self._optimizer = self._new_optimizer()
        return RoundReport(frames, taken_s, float(self._checked(checked, 1.0).mean()), rolled_back)

    def _descend(self, x: Tensor, seconds: float, progress: tuple[float, float], kl_weight: float) -> tuple[int, float]:
        begun_s, taken_s, frames = time.perf_counter(), 0.0, 0
        while taken_s < seconds and len(x):
            share = progress[0] + (progress[1] - progress[0]) * taken_s / seconds
            self._step(x, share, kl_weight)
            frames += self.spec.batch
            taken_s = time.perf_counter() - begun_s
        return frames, taken_s

    def _step(self, x: Tensor, share: float, kl_weight: float) -> None:
        warmth = 1.0 if self.warm else min(1.0, share / self.spec.warm_up) if self.spec.warm_up else 1.0
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * max(0.5 * (1.0 + math.cos(math.pi * share)), 0.01)
        rows = torch.randint(len(x), (self.spec.batch,), generator=self._generator, device=x.device)
        loss = -self.model.bound(x[rows], self._noise(self.spec.batch), kl_weight * warmth).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self._optimizer.step()

    def _noise(self, count: int) -> Tensor:
        size = (count, 1 + self.model.spec.latents)
        return torch.randn(size, generator=self._generator, device=self.model.coordinates.device)

    @torch.no_grad()
    def _checked(self, x: Tensor, kl_weight: float) -> Tensor:
        """The bound [n] with the same samples every time, so that differences are the model's."""
        kept = self._generator.get_state()
        self._generator.manual_seed(0)
        bound = self.model.bound(x, self._noise(len(x)), kl_weight)
        self._generator.set_state(kept)
        return bound

    def _new_optimizer(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.model.parameters(), lr=self._rate, foreach=True)


def _is_worse(after: Tensor, before: Tensor) -> bool:
    change = (after - before).double()
    if not bool(torch.isfinite(change).all()):
        return True
    error = float(change.std(correction=0)) / math.sqrt(len(change))
    return float(change.mean()) < -max(WORSE_NATS, WORSE_ERRORS * error)
