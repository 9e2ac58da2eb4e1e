"""Positions that a model was not made for are told, and the others are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.config import LearnSettings
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae import checkpoint
from stream_rrvae.rrvae import novelty as novelty_module
from stream_rrvae.rrvae.model import Model
from stream_rrvae.rrvae.novelty import NOMINAL_SHARE, SIGMAS, Novelty, novelty
from stream_rrvae.rrvae.preparation import prepare, whitened
from stream_rrvae.rrvae.registry import factory
from stream_rrvae.rrvae.session import Session
from stream_rrvae.scan_store import ScanStore

BASIS = BasisSpec()
DOSE = 1e4
COPIES = 4  # of the 400 positions, each with noise of its own
FOREIGN = slice(100, 110)
Make = Callable[..., ScanStore]


def counted(features: Float32Array, seed: int) -> Float32Array:
    """`features` as frames of 1e4 electrons give them."""
    noise = np.random.default_rng(seed).normal(size=features.shape) / np.sqrt(DOSE)
    return np.asarray(features + noise, np.float32)


def foreign(features: Float32Array) -> Float32Array:
    """Some frames of another symmetry: a strong twofold part, which the model has never seen."""
    changed = features.copy()
    changed[FOREIGN, BASIS.n_radial * 3] += 12.0 / np.sqrt(DOSE)
    return changed


@pytest.fixture(scope="module", params=["harmonic", "exact"])
def pristine_model(request: Any, turning_scan: Any) -> Model:
    features = counted(np.tile(turning_scan.features, (COPIES, 1)), seed=0)
    data = whitened(features, np.arange(len(features)), DOSE, 1.0)
    model = factory(request.param).create(data, BASIS, 2, 0, "cpu")
    model.train(data, 2.0, (0.0, 1.0))
    return model


def looked_at(model: Model, features: Float32Array) -> Novelty:
    found = novelty(model, whitened(features, np.arange(len(features)), DOSE, 1.0))
    assert found is not None
    return found


def found_novel(model: Model, features: Float32Array) -> NDArray[np.bool_]:
    return looked_at(model, features).unlike


def test_the_nominal_share_of_a_pristine_scan_is_flagged(pristine_model: Model, turning_scan: Any) -> None:
    features = counted(np.tile(turning_scan.features, (10 * COPIES, 1)), seed=1)
    share = found_novel(pristine_model, features).mean()
    print(f"pristine: {share:.4f} of 16000 positions, nominal {NOMINAL_SHARE}")
    assert 0.0 < share < 5 * NOMINAL_SHARE


@pytest.mark.parametrize("copies", [1, COPIES])
def test_frames_of_another_symmetry_are_flagged(pristine_model: Model, turning_scan: Any, copies: int) -> None:
    features = foreign(counted(np.tile(turning_scan.features, (copies, 1)), seed=2))
    found = found_novel(pristine_model, features)
    assert found[FOREIGN].mean() >= 0.9
    assert np.delete(found, FOREIGN).mean() < 0.01


def test_a_scan_of_nothing_but_foreign_frames_is_told(pristine_model: Model, turning_scan: Any) -> None:
    angle = turning_scan.angle
    features = np.zeros_like(turning_scan.features)
    start = BASIS.n_radial * 3  # m = 2
    features[:, start], features[:, start + 1] = 20 * np.cos(2 * angle), -20 * np.sin(2 * angle)
    assert found_novel(pristine_model, counted(features / np.sqrt(DOSE), seed=3)).mean() > 0.9


def test_the_share_is_published_with_every_version_of_an_applied_checkpoint(
    pristine_model: Model, turning_scan: Any, scan_store: Make, fill: Any, end: Any, tmp_path: Path
) -> None:
    path = tmp_path / "pristine.safetensors"
    checkpoint.save(path, checkpoint.checkpoint_of(pristine_model, {}))
    shares = []
    for change in (np.asarray, foreign):
        store = scan_store("uint16")
        fill(store, 400)
        store.features[:] = change(counted(turning_scan.features, seed=4))
        end(store)
        session = Session(store, LearnSettings(mode="apply", checkpoint=path), checkpoint.load(path).model("cpu"))
        assert session.step() is None
        shares.append(float(str(store.read_status().quality["out_of_distribution_share"])))
    assert shares[0] <= 0.0075
    assert shares[1] == pytest.approx(10 / 400, abs=0.0075)


def test_an_unchanged_scan_has_the_share_of_its_positions(turning_scan: Any, scan_store: Make, fill: Any) -> None:
    store = scan_store()
    fill(store, 400)
    session = Session(store, LearnSettings(budget_s=2.0, round_s=1.0), None)
    session.step()
    assert session.model is not None
    told = novelty(session.model, prepare(store, DOSE))
    assert told is not None
    assert store.read_status().quality["out_of_distribution_share"] == told.figures()["out_of_distribution_share"]
    np.testing.assert_array_equal(store.read_maps().misfit, told.misfit)


def test_the_spatial_model_says_it_too(turning_scan: Any) -> None:
    data = whitened(counted(turning_scan.features, seed=5), np.arange(400), DOSE, 1.0)
    model = factory("spatial").create(data, BASIS, 2, 0, "cpu")
    found = novelty(model, data)
    assert found is not None and np.isfinite(found.misfit).all()
    assert 0.0 <= float(str(found.figures()["out_of_distribution_share"])) <= 1.0


def test_the_misfit_of_usual_positions_is_in_standard_deviations(pristine_model: Model, turning_scan: Any) -> None:
    features = foreign(counted(np.tile(turning_scan.features, (10 * COPIES, 1)), seed=6))
    misfit = looked_at(pristine_model, features).misfit
    usual = np.delete(misfit, FOREIGN)
    print(f"median {np.median(usual):+.3f}, standard deviation {usual.std():.3f}, foreign {misfit[FOREIGN].min():.1f}")
    assert np.median(usual) == pytest.approx(0.0, abs=0.05)
    assert usual.std() == pytest.approx(1.0, abs=0.15)
    assert misfit[FOREIGN].min() > SIGMAS


def test_a_large_scan_is_looked_at_in_parts_and_nowhere_differently(
    pristine_model: Model, turning_scan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = 1 << 12
    monkeypatch.setattr(novelty_module, "LARGEST_SAMPLE", at_once)
    copies = 2 * at_once // len(turning_scan.features) + 1
    features = counted(np.tile(turning_scan.features, (copies, 1)), seed=7)
    assert len(features) > 2 * at_once
    features[-400:] = foreign(features[-400:])
    found = looked_at(pristine_model, features)
    assert np.isfinite(found.misfit).all()
    assert found.unlike[-400:][FOREIGN].mean() >= 0.9
    assert found.unlike[:-400].mean() < 5 * NOMINAL_SHARE
