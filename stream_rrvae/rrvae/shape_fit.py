"""Fitting the decoder to the exact likelihood of frames: expectation-maximisation over a bank of its shapes.

The bound that trains a variational autoencoder is below the likelihood by how far its normal posterior of z is from
the true one, and a decoder trained on it is smoother than the truth. Here the posterior over nodes z_k and angles is
exact (`kernels.shape_posterior`), and the decoder is moved to raise the expected likelihood.

Sources: Bishop, Svensen & Williams, Neural Comput. 10, 215 (1998), the generative topographic mapping, here with a
network and with turns; Cappe & Moulines, J. R. Stat. Soc. B 71, 593 (2009) for running sums.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor

from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.harmonic import HarmonicModel
from stream_rrvae.rrvae.shape_bank import ShapeBank, bank_of
from stream_rrvae.rrvae.turning import Turning

NODES = 512
FRAMES_PER_NODE = 8  # at least
BATCH = 4096
STEPS = 30  # of the decoder after each expectation step
LEARNING_RATE = 2e-3
SMALLEST_FORGETTING, LARGEST_FORGETTING = 0.05, 0.3  # share of the sums that a batch replaces, late and early
FIXED_WEIGHTS = 5  # expectation steps before the nodes' weights move


class ShapeFit:
    """The nodes z_k, their weights, and the fit of `model`'s decoder; `bank` is what it has come to."""

    def __init__(self, model: HarmonicModel, turning: Turning, nodes: Tensor, seed: int) -> None:
        self._model = model
        self._turning = turning
        self._axes = torch.from_numpy(turning.axes)
        self._nodes = nodes
        self._log_weights = np.full(len(nodes), -math.log(len(nodes)), np.float32)
        self._random = np.random.default_rng(seed)
        moved = [*model.decoder.parameters(), *model.linear.parameters()]
        self._optimizer = torch.optim.Adam(moved, lr=LEARNING_RATE, foreach=True)
        self._sums: Tensor | None = None
        self._counts = np.zeros(len(nodes), np.float32)
        self._steps = 0

    @property
    def bank(self) -> ShapeBank:
        """The decoder's shapes at the nodes, upright."""
        with torch.no_grad():
            return bank_of(self._turning, self._shapes().numpy(), self._log_weights)[0]

    def run(self, features: Float32Array, seconds: float, progress: tuple[float, float]) -> int:
        """Fit to prepared `features` [n, n_features] for `seconds`; gives the frames looked at."""
        begun_s, taken_s, frames = time.perf_counter(), 0.0, 0
        while taken_s < seconds:
            share = progress[0] + (progress[1] - progress[0]) * taken_s / seconds
            rows = self._random.choice(len(features), min(BATCH, len(features)), replace=False)
            self._expect(features[np.sort(rows)], share)
            self._maximise(share)
            frames += len(rows)
            taken_s = time.perf_counter() - begun_s
        return frames

    def _expect(self, features: Float32Array, share: float) -> None:
        """Take the batch's sums into the running ones, turned back to where the decoder has the shapes."""
        with torch.no_grad():
            shapes = self._shapes()
        bank, order = bank_of(self._turning, shapes.numpy(), self._log_weights)
        found = bank.expect(features)
        frames, counts = np.empty_like(found.frames), np.empty_like(found.weights)
        frames[order], counts[order] = found.frames, found.weights
        _, direction = self._turning.leading(shapes)
        sums = self._turning.turned(torch.from_numpy(frames), direction / self._turning.leading_order)
        self._steps += 1
        new = max(self._forgetting(share), 1.0 / self._steps)
        self._sums = sums if self._sums is None else torch.lerp(self._sums, sums, new)
        self._counts = (1.0 - new) * self._counts + new * counts
        if self._steps > FIXED_WEIGHTS:
            weights = self._counts + 0.1
            self._log_weights = np.log(weights / weights.sum()).astype(np.float32)

    def _maximise(self, share: float) -> None:
        if self._sums is None:
            return
        counts = torch.from_numpy(self._counts)
        for group in self._optimizer.param_groups:
            group["lr"] = LEARNING_RATE * max(0.02, 0.5 * (1.0 + math.cos(math.pi * share)))
        for _ in range(STEPS):
            shapes = self._shapes()
            gain = (self._sums * shapes).sum() - 0.5 * (counts * shapes.square().sum(1)).sum()
            self._optimizer.zero_grad()
            (-gain / counts.sum()).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self._optimizer.step()

    def _forgetting(self, share: float) -> float:
        return SMALLEST_FORGETTING + (LARGEST_FORGETTING - SMALLEST_FORGETTING) * max(0.0, 1.0 - 2.0 * share)

    def _shapes(self) -> Tensor:
        return self._model.decode(self._nodes) @ self._axes


def nodes_of(model: HarmonicModel, x: Tensor, seed: int) -> Tensor:
    """Samples of z from the posteriors of frames drawn from projected `x` [n, n_features]: dense where frames are."""
    generator = torch.Generator(x.device).manual_seed(seed)
    n = max(1, min(NODES, len(x) // FRAMES_PER_NODE))
    rows = torch.randperm(len(x), generator=generator)[:n]
    with torch.no_grad():
        posterior = model.encode(x[rows])
    sample = torch.empty_like(posterior.mean).normal_(generator=generator)
    return posterior.mean + sample * (0.5 * posterior.log_variance).exp()
