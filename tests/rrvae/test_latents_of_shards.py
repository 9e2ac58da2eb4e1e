"""Shards of a scan under one checkpoint: their latents are those of one service, whatever lines each of them saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.config import LearnSettings
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Counters, Float32Array, ScanStart, ScanState
from stream_rrvae.plain import to_plain
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.model import Model
from stream_rrvae.rrvae.preparation import whitened
from stream_rrvae.rrvae.session import Session
from stream_rrvae.scan_store import Account, ScanStore, StoreShape

BASIS = BasisSpec()
SHAPE = (20, 20)
N = SHAPE[0] * SHAPE[1]
APPLY = LearnSettings(mode="apply")
Fill = Callable[[ScanStore, int], None]


@pytest.fixture(scope="module")
def model(turning_scan: Any) -> Model:
    data = whitened(turning_scan.features, np.arange(N), 1e4, 0.0)
    made = HarmonicLearner.create(data, BASIS, 2, 0, "cpu")
    made.train(data, 1.0, (0.0, 1.0))
    return made


def latents_of(model: Model, positions: NDArray[np.int64], shards: int, fill: Fill, folder: Path) -> Float32Array:
    """[n_latents, n] as a service publishes them that measured only `positions`, one of so many shards."""
    start = ScanStart("scan-1", 1, (8, 8), "float32", N, SHAPE, shard_count=shards)
    info = {"basis": to_plain(BASIS), "com_reference": "beam_center"}
    with ScanStore.create(start, StoreShape(SHAPE, (8, 8), BASIS.n_features, 2), info, folder=folder) as store:
        fill(store, N)
        left_out = np.setdiff1d(np.arange(N), positions)
        store.coverage[left_out], store.features[left_out] = 0, np.nan
        store.write_account(Account(ScanState.COMPLETE, Counters()))
        assert Session(store, APPLY, model).step() is None
        return store.read_maps().latents


def settled(model: Model, turning_scan: Any) -> Model:
    data = whitened(turning_scan.features, np.arange(N), 1e4, 0.0)
    again = HarmonicLearner.from_settings(model.settings(), "cpu")
    again.restore(model.arrays())
    again.settle(data.x)
    return again


def test_a_shard_of_weak_patterns_counts_as_the_whole_does(
    model: Model, turning_scan: Any, fill: Fill, tmp_path: Path
) -> None:
    weak = np.flatnonzero(turning_scan.lean < np.median(turning_scan.lean))
    fixed = settled(model, turning_scan)
    whole = latents_of(fixed, np.arange(N), 2, fill, tmp_path)[0, weak]
    part = latents_of(fixed, weak, 2, fill, tmp_path)[0, weak]
    alone = latents_of(model, weak, 2, fill, tmp_path)[0, weak]
    spread = float(whole.std())
    assert abs(part.mean() - whole.mean()) < 0.2 * spread
    assert abs(alone.mean() - whole.mean()) > 0.8 * spread  # each from its own mean


def test_one_service_counts_from_the_mean_of_its_scan(
    model: Model, turning_scan: Any, fill: Fill, tmp_path: Path
) -> None:
    weak = np.flatnonzero(turning_scan.lean < np.median(turning_scan.lean))
    found = latents_of(settled(model, turning_scan), weak, 1, fill, tmp_path)[:, weak]
    np.testing.assert_allclose(found.mean(axis=1), 0.0, atol=1e-3)
