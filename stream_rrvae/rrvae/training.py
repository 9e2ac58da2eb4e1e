"""Training rounds under a time budget: Adam on the marginal likelihood less KL, rolled back when it got worse."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from stream_rrvae.rrvae.model import RoundReport
from stream_rrvae.rrvae.preparation import Prepared

HELDOUT_SHARE = 0.1
HASH = 2654435761  # Knuth's multiplicative hash: the same positions are held out in every round
WORSE_ERRORS = 2.0  # standard errors of the paired difference
WORSE_NATS = 0.02
LARGEST_GRADIENT = 100.0

Bound = Callable[[Tensor, torch.Generator, float], Tensor]
"""The bound [n] on the likelihood of frames [n, n_features], with samples from the generator and this KL weight."""


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """How to train. `noise_free_kl` is the weight of the KL for data that holds no noise: there the
    likelihood assumes more noise than there is, and the full weight smooths the shape over z."""

    learning_rate: float = 5e-3
    batch: int = 512
    warm_up: float = 0.2  # share of the budget over which the KL comes in
    noise_free_kl: float = 0.5
    heldout_limit: int = 4096


class Trainer:
    """Raises `bound` over the weights of `model`; keeps the optimiser between rounds. `seed` fixes all chance."""

    def __init__(self, model: torch.nn.Module, bound: Bound, spec: TrainSpec, seed: int, device: str) -> None:
        self.model = model
        self._bound = bound
        self.spec = spec
        self.warm = False  # weights are trained ones: no KL warm-up
        self._rounds = 0
        self._rate = spec.learning_rate
        self._generator = torch.Generator(device).manual_seed(seed)
        self._optimizer = self._new_optimizer()

    def round(self, data: Prepared, x: Tensor, seconds: float, progress: tuple[float, float]) -> RoundReport:
        """Train on `x` (features of `data` as the model takes them) for `seconds`."""
        if progress[0] == 0.0 and self._rounds:
            self._begin_again()
        self._rounds += 1
        heldout = torch.from_numpy(held_out(data.positions)).to(x.device)
        checked, learnt = x[heldout][: self.spec.heldout_limit], x[~heldout]
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
        begun_s, taken_s, frames = perf_counter(), 0.0, 0
        while taken_s < seconds and len(x):
            share = progress[0] + (progress[1] - progress[0]) * taken_s / seconds
            self._step(x, share, kl_weight)
            frames += self.spec.batch
            taken_s = perf_counter() - begun_s
        if x.is_cuda:  # steps are only asked for as yet
            torch.cuda.synchronize(x.device)
            taken_s = perf_counter() - begun_s
        return frames, taken_s

    def _step(self, x: Tensor, share: float, kl_weight: float) -> None:
        warmth = 1.0 if self.warm else min(1.0, share / self.spec.warm_up) if self.spec.warm_up else 1.0
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * max(0.5 * (1.0 + math.cos(math.pi * share)), 0.01)
        rows = torch.randint(len(x), (self.spec.batch,), generator=self._generator, device=x.device)
        loss = -self._bound(x[rows], self._generator, kl_weight * warmth).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self._optimizer.step()

    @torch.no_grad()
    def _checked(self, x: Tensor, kl_weight: float) -> Tensor:
        """The bound [n] with the same samples every time, so that differences are the model's."""
        kept = self._generator.get_state()
        self._generator.manual_seed(0)
        bound = self._bound(x, self._generator, kl_weight)
        self._generator.set_state(kept)
        return bound

    def _begin_again(self) -> None:
        """The next scan, with the weights of the last."""
        self.warm, self._rate = True, self.spec.learning_rate
        self._optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.model.parameters(), lr=self._rate, foreach=True)


def held_out(
    positions: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which of `positions` no model is trained on: about a tenth, scattered, always the same; at least one."""
    chosen = (positions.astype(np.uint64) * np.uint64(HASH)) % np.uint64(1 << 32) < HELDOUT_SHARE * (1 << 32)
    if not chosen.any():
        chosen[-1] = True
    return np.asarray(chosen)


def _is_worse(after: Tensor, before: Tensor) -> bool:
    change = (after - before).double()
    if not bool(torch.isfinite(change).all()):
        return True
    error = float(change.std(correction=0)) / math.sqrt(len(change))
    return float(change.mean()) < -max(WORSE_NATS, WORSE_ERRORS * error)
