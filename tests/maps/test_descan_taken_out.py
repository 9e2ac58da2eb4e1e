"""Descan leaves the COM maps only where a scan's store says so, and everybody is told what went."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.calibration.origin import DESCAN, ORIGIN
from stream_rrvae.feed.codec import decode_snapshot, encode_snapshot
from stream_rrvae.feed.snapshot import build_snapshot
from stream_rrvae.maps.found_calibration import find_calibration
from stream_rrvae.maps.products import scan_maps
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.messages import Health
from stream_rrvae.scan_store import ScanStore
from tests.conftest import StoreMaker

SHAPE = (40, 48)


def walking(store: ScanStore, kind: str) -> ScanStore:
    """A pattern that walks by 2 px over the rows, on a lattice of 0.3 px."""
    y, x = np.indices(SHAPE)
    store.features_info.update({DESCAN: kind, ORIGIN: {"beam_center_px": "fitted"}})
    store.com_y[:] = (2.0 * (y / 39 - 0.5) + 0.3 * np.sin(y)).ravel() + 0.5
    store.com_x[:] = 0.3 * np.sin(x).ravel()
    store.coverage[:] = 1
    return store


@pytest.mark.parametrize("kind", ["none", "plane", "quadratic"])
def test_descan_is_taken_out_where_the_store_says_so(make_store: StoreMaker, kind: str) -> None:
    maps = scan_maps(walking(make_store(SHAPE), kind))
    walk = maps.maps["com_y"][-5:].mean() - maps.maps["com_y"][:5].mean()
    assert (maps.descan is None) is (kind == "none")
    assert abs(walk) < 0.25 if maps.descan else walk > 1.5
    assert maps.maps["com_y"].mean() == pytest.approx(0.5, abs=0.05)


def test_viewers_are_told_what_was_taken_out_and_where_the_calibration_is_from(make_store: StoreMaker) -> None:
    store = walking(make_store(SHAPE), "plane")
    snapshot = decode_snapshot(encode_snapshot(build_snapshot(store, "instrument", 1, Health())))
    assert snapshot.descan_removed is not None
    assert snapshot.descan_removed.terms_px[0] == pytest.approx((2.0, 0.0), abs=0.1)
    assert snapshot.calibration_origin == {"beam_center_px": "fitted"}


@pytest.mark.parametrize("kind", ["none", "plane"])
def test_results_say_what_was_taken_out(make_store: StoreMaker, tmp_path: Path, kind: str) -> None:
    store = walking(make_store(SHAPE), kind)
    store.write_mean(7, np.ones((8, 8)))
    found = find_calibration(store)
    path = write_results(tmp_path / "results.h5", store, Provenance(0.0, 1.0, {}, found=found))
    with h5py.File(path) as file:
        geometry = file["entry/geometry"]
        assert ("went with it" in geometry["descan"][()].decode()) is (kind == "plane")
        assert ("descan_removed" in geometry) is (kind == "plane")
        assert json.loads(geometry["found"][()])["descan"]["terms_px"][0][0] == pytest.approx(2.0, abs=0.1)
        assert geometry["origin/beam_center_px"][()].decode() == "fitted"
        assert geometry["mean_pattern"].attrs["frames"] == 7


def test_a_scan_without_light_finds_nothing_and_says_why(make_store: StoreMaker) -> None:
    found = find_calibration(make_store(SHAPE))
    assert (found.pattern, found.rotation, found.descan, found.positions) == (None, None, None, 0)
    assert "no mean pattern yet" in found.note
    assert "no rotation" in found.note
