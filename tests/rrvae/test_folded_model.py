"""Scans are encoded by folded weights: the same answers as the model's own mathematics, on every device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.rrvae.encode import encode, left_over
from stream_rrvae.rrvae.folded import FoldedModel
from stream_rrvae.rrvae.harmonic import N_ANGLES, Gauge, HarmonicModel, HarmonicSpec, turned
from stream_rrvae.rrvae.leading import center_of_mass, strongest_mode
from stream_rrvae.rrvae.on_device import CPU_ROWS, batches_on, whole_on
from stream_rrvae.rrvae.preparation import whitened
from stream_rrvae.rrvae.subspace import modes_of, projector_onto, signal_modes

BASIS = BasisSpec()
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def x(turning_scan: Any) -> Any:
    """400 frames of which order 0 varies too: an odd number of coordinates."""
    features = turning_scan.features.copy()
    features[:, 0] += 0.02 * np.sin(np.arange(len(features)))
    return whitened(features, np.arange(len(features)), 1e4, 0.0).x


def model_of(x: Any, gauge: Gauge, order: int = 1) -> HarmonicModel:
    torch.manual_seed(3)
    leading = center_of_mass(BASIS) if order == 1 else strongest_mode(x, BASIS, order)
    model = HarmonicModel(HarmonicSpec(BASIS, latents=2, spare=1, gauge=gauge), leading)
    model.set_subspace(projector_onto(signal_modes(x, BASIS, 0.0, order), BASIS))
    return model


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("gauge", ["decoder", "free", "data"])
@torch.no_grad()
def test_folded_weights_say_what_the_model_says(x: Any, gauge: Gauge, order: int) -> None:
    model = model_of(x, gauge, order)
    folded, frames = FoldedModel(model), torch.from_numpy(x) @ model.subspace
    posterior = model.encode(frames)
    shape = model.decode(posterior.mean)
    read = folded.read(folded.seen(torch.from_numpy(x)))
    assert folded.axes.shape[1] < 12  # else nothing is saved
    assert torch.allclose(read.mean, posterior.mean, atol=1e-4)
    assert torch.allclose(read.log_variance, posterior.log_variance, atol=1e-4)
    assert torch.allclose(read.shape @ folded.axes.T, shape, atol=1e-4)
    corr = model.correlation(frames, shape)
    found = folded.correlation(folded.seen(frames), read.shape)
    assert torch.allclose(torch.softmax(found, 1), torch.softmax(corr, 1), atol=1e-4)


@torch.no_grad()
def test_what_is_left_over_is_the_frame_turned_back_less_its_shape(x: Any) -> None:
    model = model_of(x, "decoder")
    frames = torch.from_numpy(x)
    shape = model.decode(model.encode(frames @ model.subspace).mean)
    angle = model.correlation(frames, shape).argmax(1) * (2 * math.pi / N_ANGLES)
    expected = (turned(frames, -angle, BASIS) - shape).numpy()
    assert np.quantile(np.abs(left_over(FoldedModel(model), x) - expected).max(axis=1), 0.99) < 1e-3


def test_modes_are_found_again_in_their_projector(x: Any) -> None:
    projector = projector_onto(signal_modes(x, BASIS, 0.0), BASIS)
    assert np.allclose(projector_onto(modes_of(projector, BASIS), BASIS), projector, atol=1e-5)


def test_encodings_do_not_depend_on_how_frames_are_batched(x: Any) -> None:
    model = model_of(x, "decoder")
    many = np.tile(x, (2 * CPU_ROWS // len(x) + 1, 1))
    whole, alone = encode(FoldedModel(model), many), encode(FoldedModel(model), x)
    assert np.allclose(whole.rotation[: len(x)], alone.rotation, atol=1e-4)
    assert np.allclose(np.tile(whole.rotation[: len(x)], len(many) // len(x)), whole.rotation, atol=1e-4)


def test_batches_hold_every_frame_once_in_order(x: Any) -> None:
    batches = list(batches_on(CPU, x, 128))
    assert [len(batch) for batch in batches] == [128, 128, 128, 16]
    assert np.array_equal(torch.cat(batches).numpy(), x)
    assert np.array_equal(whole_on(CPU, x.astype(np.float16)).numpy(), x.astype(np.float16).astype(np.float32))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT CHECKED on a GPU: torch finds no CUDA device")
@pytest.mark.parametrize("rows", [1, 37, 128, 1 << 16])
def test_a_gpu_gets_every_frame_whichever_buffer_it_came_through(rows: int) -> None:
    x = np.random.default_rng(0).normal(size=(1000 if rows > 1 else 9, BASIS.n_features)).astype(np.float32)
    device = torch.device("cuda")
    sums = [batch.square().sum(1) for batch in batches_on(device, x, rows)]  # used while the next one is copied
    assert np.allclose(torch.cat(sums).cpu().numpy(), np.square(x).sum(axis=1), rtol=1e-5)
    assert np.array_equal(whole_on(device, x).cpu().numpy(), x)
    assert whole_on(device, x[:0]).shape == (0, BASIS.n_features)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT CHECKED on a GPU: torch finds no CUDA device")
def test_a_gpu_encodes_what_the_cpu_encodes(x: Any) -> None:
    model = model_of(x, "decoder")
    here, left_here = encode(FoldedModel(model), x), left_over(FoldedModel(model), x)
    model.to("cuda")
    there, left_there = encode(FoldedModel(model), x), left_over(FoldedModel(model), x)
    turn = np.abs(np.angle(np.exp(1j * (here.rotation - there.rotation))))
    assert turn[here.confidence > 0.5].max() < 0.01
    assert np.allclose(np.abs(here.latents), np.abs(there.latents), atol=0.02)
    assert np.quantile(np.abs(left_here - left_there).max(axis=1), 0.99) < 1e-2
