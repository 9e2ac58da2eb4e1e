"""The harmonic decoder with the exact posterior of shape and angle, behind the seam: slower, more exact.

A short training as a variational autoencoder finds the shapes roughly (`learner`); then the decoder is fitted to the
exact likelihood over a bank of its shapes (`shape_fit`). Here the decoder turns as it likes, which keeps the shape
smooth over z; the bank stands its shapes upright, so that rotation means the same as in the harmonic model: the
direction in which a shape leans.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch

from stream_rrvae.errors import CheckpointError, ConfigError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.harmonic import Gauge, HarmonicSpec, turned
from stream_rrvae.rrvae.leading import Leading
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.model import Arrays, Encoding, RoundReport, Sight
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.rrvae.shape_bank import ShapeBank
from stream_rrvae.rrvae.shape_fit import NODES, ShapeFit, nodes_of
from stream_rrvae.rrvae.subspace import SMALLEST_EXCESS, projector_onto, signal_modes
from stream_rrvae.rrvae.training import TrainSpec, held_out
from stream_rrvae.rrvae.turning import Turning
from stream_rrvae.rrvae.weights import check_weights, put_weights, weights_of

ROUGH_SHARE = 0.2  # of the budget, as a variational autoencoder
FEWEST_NUMBERS = 2  # of z: the patterns of a crystal are as many as positions in its cell
WORSE_NATS = 0.02
HELDOUT_LIMIT = 1024  # frames that say whether a round helped
# Where the leading coefficient varies so many times more than noise, faint modes help; elsewhere noise passes for them.
CLEAR_LEAD, FAINT_EXCESS = 10.0, 0.02
BANK = "bank."


class ExactLearner(HarmonicLearner):
    """See `model.Model`; `create` and `from_settings` are its factory. Computes on the CPU."""

    name = "exact"
    usual_gauge = "free"
    fixes_rotation = is_settled = True

    def __init__(self, spec: HarmonicSpec, leading: Leading, seed: int, device: str, train: TrainSpec) -> None:
        super().__init__(spec, leading, seed, device, train)
        self.bank: ShapeBank | None = None
        self._fit: ShapeFit | None = None  # a restored model begins one when it is trained
        self._seed = seed

    def train(self, data: Prepared, seconds: float, progress: tuple[float, float]) -> RoundReport:
        rough_s = seconds * _share_below(ROUGH_SHARE, progress)
        heldout = held_out(data.positions)
        frames, taken_s, undone = 0, 0.0, False
        if rough_s > 0.0 or self._fit is None:
            shares = (min(1.0, progress[0] / ROUGH_SHARE), min(1.0, progress[1] / ROUGH_SHARE))
            report = super().train(data, rough_s, shares)
            frames, taken_s, undone = report.frames, report.seconds, report.rolled_back
            self._begin(data)
        learnt = data.x if heldout.all() else data.x[~heldout]
        report = self._refine(learnt, data.x[heldout], seconds - rough_s, progress)
        return replace(
            report,
            frames=report.frames + frames,
            seconds=report.seconds + taken_s,
            rolled_back=report.rolled_back or undone,
        )

    def encode(self, x: Float32Array, own_gauge: bool = False) -> Encoding:
        return self._made().encode(x, self.latents)  # whose latents count from the mean of the bank's shapes

    def sight(self) -> Sight:
        bank, latents = self._made(), self.latents
        return Sight(bank.turning.axes, lambda seen: bank.encode_seen(seen, latents))

    def settle(self, x: Float32Array) -> None:
        """Nothing to do: latents count from the mean of the bank's shapes, along its directions."""

    def left_over(self, x: Float32Array) -> Float32Array:
        angle, shape = self._made().upright_means(x)
        upright = turned(torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(-angle), self.basis)
        return np.asarray(upright.numpy() - shape, np.float32)

    def settings(self) -> dict[str, Any]:
        turning = self._made().turning
        orders = [0] * turning.n_level + turning.orders.tolist()
        return super().settings() | {"orders": orders, "shapes": len(self._made().shapes)}

    def arrays(self) -> Arrays:
        bank = self._made()
        held = {"shapes": bank.shapes, "log_weights": bank.log_weights}
        held |= {"axes": bank.turning.axes, "lead": bank.turning.lead}
        return {**weights_of(self.network), **{BANK + name: np.array(value) for name, value in held.items()}}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], device: str) -> Self:
        """The model that `settings` describe, weights to be restored. Raises CheckpointError."""
        made = super().from_settings(settings, device)
        orders, n_shapes = settings.get("orders"), settings.get("shapes")
        if not _are_orders(orders, made.basis) or type(n_shapes) is not int or not 1 <= n_shapes <= NODES:
            raise CheckpointError("the checkpoint's bank of shapes is out of bounds")
        made.bank = _empty_bank(np.asarray(orders, np.int64), n_shapes, made)
        return made

    def restore(self, arrays: Arrays) -> None:
        bank = self._made()
        own = {name: array for name, array in arrays.items() if not name.startswith(BANK)}
        held = {name.removeprefix(BANK): array for name, array in arrays.items() if name.startswith(BANK)}
        n = len(bank.turning.axes[0])
        shapes = {"shapes": bank.shapes.shape, "log_weights": bank.log_weights.shape}
        check_weights(held, {**shapes, "axes": bank.turning.axes.shape, "lead": (2, n)})
        put_weights(self.network, own)
        turning = Turning(held["axes"], bank.turning.n_level, bank.turning.orders, held["lead"], self._order)
        self.bank = ShapeBank(turning, held["shapes"], held["log_weights"])
        self._trainer.warm = True

    @staticmethod
    def _device(setting: str) -> str:
        if setting == "cuda":
            raise ConfigError("setting learn.device: the exact decoder computes on the CPU; use auto or cpu")
        return "cpu"

    @staticmethod
    def _spec(_data: Prepared, basis: BasisSpec, latents: int, gauge: Gauge) -> HarmonicSpec:
        return HarmonicSpec(basis, latents, gauge=gauge, spare=max(0, FEWEST_NUMBERS - latents))

    @property
    def _order(self) -> int:
        return self.network.leading_order

    def _made(self) -> ShapeBank:
        if self.bank is None:
            raise ValueError("the model has not been trained yet")
        return self.bank

    def _begin(self, data: Prepared) -> None:
        """A fit from where the rough training stands; the subspace is settled from here on."""
        modes = signal_modes(data.x, self.basis, data.noise_variance, self._order, self._smallest_excess(data))
        self.network.set_subspace(projector_onto(modes, self.basis))
        turning = Turning.of(modes, self.basis, self.network.lean.numpy(), self._order)
        self._fit = ShapeFit(
            self.network, turning, nodes_of(self.network, self._projected(data.x), self._seed), self._seed
        )
        self.bank = self._fit.bank

    def _smallest_excess(self, data: Prepared) -> float:
        lead_variance = float(np.square(data.x @ self.network.leading.numpy().T).mean())
        return FAINT_EXCESS if lead_variance > CLEAR_LEAD * data.noise_variance else SMALLEST_EXCESS

    def _refine(
        self, x: Float32Array, heldout: Float32Array, seconds: float, progress: tuple[float, float]
    ) -> RoundReport:
        assert self._fit is not None
        before = self._likelihood(heldout)
        if seconds <= 0.0:
            return RoundReport(0, 0.0, before, rolled_back=False)
        good, kept = copy.deepcopy(self.network.state_dict()), self.bank
        begun_s = time.perf_counter()
        frames = self._fit.run(x, seconds, progress)
        taken_s = time.perf_counter() - begun_s
        self.bank = self._fit.bank
        after = self._likelihood(heldout)
        rolled_back = not after >= before - WORSE_NATS
        if rolled_back:
            self.network.load_state_dict(good)
            self.bank = kept
        return RoundReport(frames, taken_s, before if rolled_back else after, rolled_back)

    def _likelihood(self, x: Float32Array) -> float:
        return self._made().loglikelihood(x[:HELDOUT_LIMIT])


def _share_below(limit: float, progress: tuple[float, float]) -> float:
    """How much of a round from one share of the budget to another lies below `limit`."""
    begin, end = progress
    return min(1.0, max(0.0, limit - begin) / (end - begin)) if end > begin else 0.0


def _are_orders(orders: Any, basis: BasisSpec) -> bool:
    """Whether these are orders of `basis` as a bank has them: ascending, not more than it has functions."""
    return (
        isinstance(orders, list)
        and len(orders) <= (basis.max_order + 1) * basis.n_radial
        and all(type(order) is int and 0 <= order <= basis.max_order for order in orders)
        and orders == sorted(orders)
        and any(orders)
    )


def _empty_bank(orders: Any, n_shapes: int, learner: ExactLearner) -> ShapeBank:
    n_level = int((orders == 0).sum())
    n = n_level + 2 * (len(orders) - n_level)
    axes, lead = np.zeros((learner.basis.n_features, n), np.float32), np.zeros((2, n), np.float32)
    turning = Turning(axes, n_level, orders[n_level:], lead, learner.network.leading_order)
    return ShapeBank(turning, np.zeros((n_shapes, n), np.float32), np.zeros(n_shapes, np.float32))
