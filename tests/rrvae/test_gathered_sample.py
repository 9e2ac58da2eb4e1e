"""Of a scan with more positions than memory is given for, a sample is learnt from and every position described."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stream_rrvae.config import LearnSettings
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Counters, ScanStart, ScanState
from stream_rrvae.plain import to_plain
from stream_rrvae.rrvae import gathering
from stream_rrvae.rrvae.descan import edge_per_px
from stream_rrvae.rrvae.gathering import gather
from stream_rrvae.rrvae.harmonic import turned
from stream_rrvae.rrvae.preparation import prepare, prepared_alike
from stream_rrvae.rrvae.session import NO_CONTEXT, Session
from stream_rrvae.scan_store import Account, ScanStore, StoreShape

Make = Callable[..., ScanStore]
MOST = 128
SETTINGS = LearnSettings(budget_s=0.5, round_s=0.25, most_frames=MOST)
BASIS, LARGE_SHAPE = BasisSpec(), (256, 256)


@pytest.fixture
def clock(step_takes_s: Callable[[float], None]) -> None:
    """What is learnt does not depend on how busy the machine is."""
    step_takes_s(0.01)


def run(session: Session) -> None:
    while session.step() is not None:
        continue


def turn_error_deg(rotation: Any, angle: Any) -> Any:
    return np.degrees(np.abs(np.angle(np.exp(1j * (rotation - angle)))))


def test_a_sample_is_uniform_bounded_and_the_same_whenever_it_is_drawn(scan_store: Make, fill: Any) -> None:
    store = scan_store()
    fill(store, 200)
    first = gather(store, SETTINGS)
    fill(store, 400)
    later, again, other = (gather(store, SETTINGS.model_copy(update={"seed": seed})) for seed in (0, 0, 1))
    assert [len(one.data.positions) for one in (first, later, again, other)] == [MOST] * 4
    assert (first.covered, later.covered) == (200, 400)
    np.testing.assert_array_equal(later.data.positions, again.data.positions)
    assert set(later.data.positions) != set(other.data.positions)
    kept = later.data.positions[later.data.positions < 200]
    assert set(kept) <= set(first.data.positions)  # a position that left the sample does not come back
    assert 40 < len(kept) < 88  # half of 128, five standard deviations


def test_a_scan_within_the_limit_is_gathered_whole(scan_store: Make, fill: Any) -> None:
    store = scan_store()
    fill(store, 400)
    gathered = gather(store, SETTINGS.model_copy(update={"most_frames": 400}))
    assert not gathered.is_sample
    np.testing.assert_array_equal(gathered.data.x, prepare(store, SETTINGS.assumed_dose_electrons).x)
    assert gathered.said() == ""


def test_other_positions_are_prepared_as_the_sample_was(scan_store: Make, fill: Any) -> None:
    """With a disc that walks over the scan, which is taken out of them by what the sample shows."""
    store = scan_store()
    fill(store, 400)
    rows, walk_px = np.divmod(np.arange(400), 20)[0] / 19, 0.2
    features = store.features[:].astype(np.float32)
    features[:, BASIS.n_radial : 3 * BASIS.n_radial : 2] += np.outer(walk_px * rows, edge_per_px(BASIS, 1.0))
    store.features[:] = features
    data = gather(store, SETTINGS).data
    assert data.descan.over_rows_px[1] == pytest.approx(walk_px, rel=0.2)
    alike = prepared_alike(store, np.arange(400), data)
    np.testing.assert_allclose(alike.x[data.positions], data.x, atol=1e-4)
    still = alike.x[:, BASIS.n_radial : 3 * BASIS.n_radial : 2] @ edge_per_px(BASIS, 1.0)
    assert abs(np.polyfit(rows, still, 1)[0]) < 0.1 * walk_px * np.square(edge_per_px(BASIS, 1.0)).sum() * 100


@pytest.mark.parametrize("decoder", ["harmonic", "exact", "spatial"])
def test_every_position_gets_what_a_model_of_the_sample_says(
    scan_store: Make, fill: Any, end: Any, turning_scan: Any, decoder: Any, clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "BLOCK_POSITIONS", 150)
    store = scan_store()
    fill(store, 400)
    store.coverage[10:20] = 2
    end(store)
    run(Session(store, SETTINGS.model_copy(update={"decoder": decoder}), None))
    status, maps = store.read_status(), store.read_maps()
    assert "by a sample of 128 of 390 positions" in status.detail
    for values in (maps.rotation, maps.confidence, *maps.latents):
        assert np.isnan(values[10:20]).all() and np.isfinite(np.delete(values, np.s_[10:20])).all()
    assert maps.misfit is not None and np.isfinite(maps.misfit).sum() == 390
    if decoder == "harmonic":
        clear = np.isfinite(maps.rotation) & (turning_scan.lean > 2.0)
        assert np.median(turn_error_deg(maps.rotation, turning_scan.angle)[clear]) < 15.0


def test_a_model_that_is_settled_describes_by_its_own_gauge_only_shards(
    scan_store: Make, fill: Any, end: Any, clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And looking through it for a scan's own gauge leaves it as it was."""
    store = scan_store()
    fill(store, 400)
    end(store)
    session = Session(store, SETTINGS, None)
    run(session)
    model = session.model
    assert model is not None and not model.is_settled
    whole = store.read_maps().latents.copy()
    monkeypatch.setattr(gathering, "BLOCK_POSITIONS", 37)
    again = scan_store()
    fill(again, 400)
    end(again)
    run(Session(again, LearnSettings(mode="apply", most_frames=MOST), model))
    np.testing.assert_allclose(again.read_maps().latents, whole, atol=1e-3)  # however it is cut into blocks


def test_context_is_refused_where_it_would_take_all_positions(
    scan_store: Make, fill: Any, end: Any, clock: None
) -> None:
    store = scan_store()
    fill(store, 400)
    end(store)
    run(Session(store, SETTINGS.model_copy(update={"context": "scan"}), None))
    assert NO_CONTEXT in store.read_status().detail


@pytest.fixture
def large_store(tmp_path: Path) -> Iterator[ScanStore]:
    """65,536 positions, of which all are measured."""
    n = LARGE_SHAPE[0] * LARGE_SHAPE[1]
    start = ScanStart("large", 1, (8, 8), "float32", n, LARGE_SHAPE)
    info = {"basis": to_plain(BASIS), "com_reference": "beam_center"}
    store = ScanStore.create(start, StoreShape(LARGE_SHAPE, (8, 8), BASIS.n_features, 2), info, folder=tmp_path)
    rng = np.random.default_rng(0)
    angle = rng.uniform(-np.pi, np.pi, n)
    upright = torch.zeros((n, BASIS.n_features))
    upright[:, BASIS.n_radial] = torch.from_numpy(rng.uniform(1.0, 5.0, n))
    store.features[:] = 0.01 * turned(upright, torch.from_numpy(angle).float(), BASIS).numpy()
    store.com_y[:], store.com_x[:], store.bright_field[:], store.coverage[:] = np.sin(angle), np.cos(angle), 1e4, 1
    store.write_account(Account(ScanState.COMPLETE, Counters()))
    yield store
    store.close()


def test_memory_follows_the_setting_and_not_the_scan(large_store: ScanStore) -> None:
    learnt = Session(large_store, LearnSettings(budget_s=0.1, round_s=0.1, most_frames=1 << 12), None)
    run(learnt)  # and whatever is imported for it
    peaks = []
    for most in (1 << 12, 1 << 16):
        tracemalloc.start()
        try:
            run(Session(large_store, LearnSettings(mode="apply", most_frames=most), learnt.model))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert np.isfinite(large_store.read_maps().rotation).all()
    bounded, whole = peaks
    assert whole > 3 * large_store.features.size * 4  # of float32
    assert bounded < whole / 2
