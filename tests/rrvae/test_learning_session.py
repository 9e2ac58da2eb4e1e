"""Steps of a session on a real store, without a process around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stream_rrvae.config import LearnSettings
from stream_rrvae.messages import DegradeLevel
from stream_rrvae.rrvae.session import APPLY_S, LOOK_S, SELDOM, Session
from stream_rrvae.scan_store import ScanStore

SETTINGS = LearnSettings(budget_s=1.0, round_s=0.25)
Make = Callable[..., ScanStore]


def run(session: Session) -> int:
    """Steps until the session is done."""
    steps = 1
    while session.step() is not None:
        steps += 1
    return steps


def test_the_budget_is_used_in_rounds_and_no_more(scan_store: Make, fill: Any, end: Any) -> None:
    store = scan_store()
    fill(store, 400)
    end(store)
    assert run(Session(store, SETTINGS, None)) == 4
    assert (store.read_status().version, store.read_status().state) == (4, "ready")


def test_half_of_the_budget_waits_for_the_whole_scan(scan_store: Make, fill: Any, end: Any) -> None:
    store = scan_store()
    fill(store, 100)
    session = Session(store, SETTINGS, None)
    assert session.step() == 0.0
    assert (session.step() or 0.0) > 0.0
    assert store.read_status().version == 1
    fill(store, 400)
    assert session.step() == 0.0
    assert (session.step() or 0.0) > 0.0
    assert store.read_status().version == 2
    assert np.isfinite(store.read_maps().rotation).all()
    end(store)
    run(session)
    assert store.read_status().version == 4


def test_positions_that_come_between_rounds_are_encoded_by_the_same_version(scan_store: Make, fill: Any) -> None:
    store = scan_store()
    fill(store, 100)
    session = Session(store, SETTINGS, None)
    session.step()
    fill(store, 110)
    session.step()
    assert store.read_status().version == 1
    assert np.isfinite(store.read_maps().rotation).sum() == 110


def test_the_next_scan_begins_with_the_model_of_the_last(scan_store: Make, fill: Any, end: Any) -> None:
    first, second = scan_store(), scan_store()
    for store in (first, second):
        fill(store, 400)
        end(store)
    session = Session(first, SETTINGS, None)
    run(session)
    following = Session(second, LearnSettings(budget_s=10.0, round_s=0.05), session.model)
    following.step()
    assert following.model is session.model
    quality = second.read_status().quality
    assert quality["angle_error_deg"] == pytest.approx(0.0, abs=5.0)


def test_versions_go_on_where_an_earlier_learner_stopped(scan_store: Make, fill: Any) -> None:
    store = scan_store()
    fill(store, 400)
    Session(store, SETTINGS, None).step()
    Session(store, SETTINGS, None).step()
    assert store.read_status().version == 2


def test_maps_keep_their_signs_from_version_to_version(scan_store: Make, fill: Any) -> None:
    store = scan_store()
    fill(store, 400)
    maps = []
    for seed in (0, 1, 2):
        Session(store, LearnSettings(budget_s=4.0, round_s=1.0, seed=seed), None).step()
        maps.append(store.read_maps())
    for later in maps[1:]:
        turn = np.angle(np.exp(1j * (later.rotation - maps[0].rotation)))
        assert np.degrees(np.abs(turn)[maps[0].confidence > 0.9]).max() < 10.0
        assert np.corrcoef(later.latents[0], maps[0].latents[0])[0, 1] > 0.9


def test_a_scan_without_enough_positions_is_waited_for_then_given_up(scan_store: Make, fill: Any, end: Any) -> None:
    store = scan_store()
    fill(store, 63)
    session = Session(store, SETTINGS, None)
    assert session.step() == LOOK_S
    assert store.read_status().state == "waiting"
    end(store)
    assert session.step() is None
    assert store.read_status().state == "failed"
    assert "63" in store.read_status().detail


def test_empty_positions_of_a_good_scan_stay_empty(scan_store: Make, fill: Any, end: Any) -> None:
    store = scan_store()
    fill(store, 400)
    store.coverage[10:20] = 2
    store.features[10:20] = np.nan
    end(store)
    run(Session(store, SETTINGS, None))
    maps = store.read_maps()
    for values in (maps.rotation, maps.confidence, maps.latents[0], maps.latents[1]):
        assert np.isnan(values[10:20]).all() and np.isfinite(np.delete(values, np.s_[10:20])).all()


def test_under_load_training_pauses_first_then_encoding_and_both_come_back(
    scan_store: Make, fill: Any, end: Any
) -> None:
    store, level = scan_store(), [0]
    fill(store, 100)
    session = Session(store, SETTINGS, None, level=lambda: level[0])
    session.step()
    assert store.read_status().version == 1
    level[0] = DegradeLevel.NO_TRAINING
    fill(store, 400)
    end(store)
    assert session.step() == APPLY_S
    assert store.read_status().version == 1, "not trained, though it is due"
    assert np.isfinite(store.read_maps().rotation).sum() == 400
    level[0] = DegradeLevel.ENCODE_SELDOM
    assert session.step() == SELDOM * APPLY_S
    level[0] = DegradeLevel.NO_ENCODING
    assert session.step() == LOOK_S
    assert store.read_status().state == "training"
    level[0] = DegradeLevel.ALL
    run(session)
    assert (store.read_status().version, store.read_status().state) == (4, "ready")


def test_without_a_model_a_session_waits_for_the_load_to_pass(scan_store: Make, fill: Any) -> None:
    store = scan_store()
    fill(store, 100)
    session = Session(store, SETTINGS, None, level=lambda: DegradeLevel.NO_TRAINING)
    assert session.step() == LOOK_S
    assert store.read_status().version == 0
