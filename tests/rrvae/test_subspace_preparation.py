"""From store to prepared features, and the modes that stand out of noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from stream_rrvae.kernels.basis import BasisSpec, to_complex
from stream_rrvae.rrvae.harmonic import turned
from stream_rrvae.rrvae.preparation import LARGEST_MODULATION, basis_of, prepare, whitened
from stream_rrvae.rrvae.subspace import signal_subspace
from stream_rrvae.scan_store import ScanStore

BASIS = BasisSpec()
Filler = Callable[[ScanStore, int], None]


def test_counted_frames_are_scaled_by_their_dose(scan_store: Callable[..., ScanStore], fill: Filler) -> None:
    store = scan_store("uint16")
    fill(store, 400)
    store.sum[:], store.bright_field[:] = 2600.0, 2500.0
    data = prepare(store, assumed_dose_electrons=100.0)
    features = store.features.astype(np.float32)
    assert np.allclose(data.x, 50.0 * (features - features.mean(axis=0)), atol=1e-3)
    assert data.noise_variance == 1.0


def test_uncounted_frames_take_the_assumed_dose(scan_store: Callable[..., ScanStore], fill: Filler) -> None:
    store = scan_store("float32")
    fill(store, 400)
    low, high = prepare(store, 100.0), prepare(store, 400.0)
    assert np.allclose(2 * low.x, high.x, atol=1e-4)
    assert low.noise_variance == 0.0


def test_unmeasured_empty_and_nan_positions_are_left_out(scan_store: Callable[..., ScanStore], fill: Filler) -> None:
    store = scan_store()
    fill(store, 100)
    store.coverage[3] = 2
    store.features[7, 5] = np.nan
    store.features[8, 5] = np.inf
    data = prepare(store, 1e4)
    assert set(range(100)) - set(data.positions.tolist()) == {3, 7, 8}
    assert np.isfinite(data.x).all()


def test_nothing_measured_is_nothing_prepared(scan_store: Callable[..., ScanStore]) -> None:
    data = prepare(scan_store("uint16"), 1e4)
    assert data.x.shape == (0, BASIS.n_features) and data.modulation == 0.0


def test_strong_signals_are_scaled_down_to_what_the_angle_grid_resolves() -> None:
    features = np.random.default_rng(0).normal(size=(100, BASIS.n_features)).astype(np.float32)
    data = whitened(features, np.arange(100), 1e6, 0.0)
    assert data.modulation == pytest.approx(LARGEST_MODULATION, rel=1e-3)


def test_basis_that_does_not_fit_the_features_is_refused(scan_store: Callable[..., ScanStore]) -> None:
    store = scan_store()
    store.features_info["basis"]["n_radial"] = 5
    with pytest.raises(ValueError, match="100 features"):
        basis_of(store)


def test_noise_alone_leaves_one_mode() -> None:
    x = np.random.default_rng(0).normal(size=(2000, BASIS.n_features)).astype(np.float32)
    assert np.trace(signal_subspace(x, BASIS, 1.0)) == pytest.approx(2.0, abs=1e-4)


def test_signal_modes_are_kept_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, BASIS.n_features)).astype(np.float32)
    signal = np.zeros_like(x)
    signal[:, [6, 7, 30, 31]] = 3 * rng.normal(size=(2000, 4))
    found = signal_subspace(x + signal, BASIS, 1.0)
    assert np.linalg.norm(signal @ found - signal) < 0.1 * np.linalg.norm(signal)
    assert np.linalg.norm(x @ found) < 0.3 * np.linalg.norm(x)


def test_projector_commutes_with_turning() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(500, BASIS.n_features)) * rng.uniform(0.1, 3, BASIS.n_features)).astype(np.float32)
    projector = torch.from_numpy(signal_subspace(x, BASIS, 1.0))
    frames, angle = torch.from_numpy(x), torch.linspace(-3, 3, 500)
    assert torch.allclose(turned(frames, angle, BASIS) @ projector, turned(frames @ projector, angle, BASIS), atol=1e-3)
    assert torch.allclose(projector @ projector, projector, atol=1e-5)
    assert to_complex(x, BASIS).shape == (500, BASIS.max_order + 1, BASIS.n_radial)
