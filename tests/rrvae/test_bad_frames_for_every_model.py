"""Frames that hold nothing to learn: said plainly or left out, for every model, and never learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from stream_rrvae.config import DECODERS, LearnSettings
from stream_rrvae.rrvae.session import Session
from stream_rrvae.scan_store import ScanStore

Make = Callable[..., ScanStore]


def settings_for(decoder: str) -> LearnSettings:
    return LearnSettings.model_validate({"decoder": decoder, "budget_s": 0.6, "round_s": 0.3})


def run(session: Session) -> None:
    while session.step() is not None:
        pass


def _nan(store: ScanStore) -> None:
    store.features[:] = np.nan
    store.coverage[:] = 1


def _empty(store: ScanStore) -> None:
    store.coverage[:] = 2


def _constant(store: ScanStore) -> None:
    store.features[:] = 0.25
    store.coverage[:] = 1


def _single(store: ScanStore) -> None:
    store.features[0] = 0.1
    store.coverage[0] = 1


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    ("spoil", "word"), [(_nan, "positions"), (_empty, "positions"), (_constant, "differ"), (_single, "1 positions")]
)
def test_a_scan_with_nothing_to_learn_says_so(
    scan_store: Make, end: Any, decoder: str, spoil: Callable[[ScanStore], None], word: str
) -> None:
    store = scan_store()
    spoil(store)
    end(store)
    run(Session(store, settings_for(decoder), None))
    assert store.read_status().state == "failed" and word in store.read_status().detail
    assert np.isnan(store.read_maps().rotation).all()


@pytest.mark.parametrize("decoder", DECODERS)
def test_bad_frames_of_a_good_scan_stay_nan_and_poison_nothing(
    scan_store: Make, fill: Any, end: Any, decoder: str
) -> None:
    store = scan_store()
    fill(store, 400)
    store.features[5] = np.nan
    store.features[6, 3] = np.inf
    store.coverage[7], store.features[7] = 2, np.nan
    store.features[8] = 0.0
    end(store)
    session = Session(store, settings_for(decoder), None)
    run(session)
    assert store.read_status().state == "ready"
    maps = store.read_maps()
    bad = [5, 6, 7]
    for values in (maps.rotation, maps.confidence, *maps.latents):
        assert np.isnan(values[bad]).all() and np.isfinite(np.delete(values, bad)).all()
    assert session.model is not None
    assert all(np.isfinite(weights).all() for weights in session.model.arrays().values())


@pytest.mark.parametrize("decoder", DECODERS)
def test_fewer_frames_than_a_batch_are_learnt(scan_store: Make, fill: Any, end: Any, decoder: str) -> None:
    store = scan_store()
    fill(store, 70)
    end(store)
    run(Session(store, settings_for(decoder), None))
    assert store.read_status().state == "ready"
    assert np.isfinite(store.read_maps().rotation[:70]).all() and np.isnan(store.read_maps().rotation[70:]).all()


@pytest.mark.parametrize("latents", [0, 9, -1])
def test_impossible_numbers_of_latents_are_refused(latents: int) -> None:
    with pytest.raises(ValidationError, match="latents"):
        LearnSettings(latents=latents)
