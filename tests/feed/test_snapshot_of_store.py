"""A snapshot shows what the scan store holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.feed.codec import decode_snapshot, encode_snapshot
from stream_rrvae.feed.snapshot import METADATA_LIMIT, build_snapshot, shown_metadata
from stream_rrvae.messages import Calibration, Counters, Health, ScanStart, ScanState
from stream_rrvae.scan_store import Account, ScanStore, StoreShape


def test_without_a_scan_the_service_is_idle() -> None:
    snapshot = build_snapshot(None, "ARM200", 3, Health())
    assert decode_snapshot(encode_snapshot(snapshot)).state is ScanState.IDLE
    assert snapshot.maps == {}


def test_measured_positions_and_the_latest_pattern_are_shown(tmp_path: Path) -> None:
    start = ScanStart(
        "run 42", 1, (4, 5), "uint16", 6, scan_shape=(2, 3), calibration=Calibration(mrad_per_px=2.0),
        metadata={"sample": "SrTiO3"},
    )  # fmt: skip
    with ScanStore.create(start, StoreShape((2, 3), (4, 5), 1, 2), folder=tmp_path) as store:
        store.coverage[4] = 1
        store.sum[4], store.com_y[4], store.com_x[4] = 100.0, 3.0, -4.0
        store.write_pattern(4, np.full((4, 5), 7.0, np.float32))
        store.write_account(Account(ScanState.RUNNING, Counters(expected=5, received=1, missing=4, processed=1)))
        sent = build_snapshot(store, "ARM200", 9, Health(rate_fps=10.0))
    got = decode_snapshot(encode_snapshot(sent))
    assert (got.instrument, got.serial, got.scan_id, got.scan_shape) == ("ARM200", 9, "run 42", (2, 3))
    assert got.counters.missing == 4
    assert got.pattern_position == (1, 1)
    assert got.pattern is not None and got.pattern.shape == (4, 5)
    magnitude = got.maps["com_magnitude"]
    assert magnitude[1, 1] == 10.0 and got.units["com_magnitude"] == "mrad"
    assert np.isnan(np.delete(magnitude.ravel(), 4)).all()
    assert {"com_direction", "rotation", "rotation_confidence", "latent_1", "latent_2"} <= set(got.maps)
    assert got.metadata == {"sample": "SrTiO3"}


@pytest.mark.parametrize(
    ("shards", "state"), [(2, ScanState.RUNNING), (1, ScanState.COMPLETE), (2, ScanState.COMPLETE)]
)
def test_a_shard_that_is_over_tells_its_mean_pattern(tmp_path: Path, shards: int, state: ScanState) -> None:
    start = ScanStart("run 42", 1, (8, 8), "uint16", 6, scan_shape=(2, 3), shard_count=shards)
    with ScanStore.create(start, StoreShape((2, 3), (8, 8), 1, 2), folder=tmp_path) as store:
        store.write_mean(11, np.full((8, 8), 3.0, np.float32))
        store.write_account(Account(state, Counters()))
        sent = encode_snapshot(build_snapshot(store, "ARM200", 1, Health()))
    got = decode_snapshot(sent)
    if (shards, state) != (2, ScanState.COMPLETE):
        assert got.mean_pattern is None and got.mean_frames == 0
        return
    assert got.mean_pattern is not None and got.mean_frames == 11
    np.testing.assert_array_equal(got.mean_pattern, np.full((8, 8), 3.0))


def test_only_short_single_values_of_the_metadata_are_shown() -> None:
    metadata = {"a": 1, "long": "x" * 10000, "table": [1, 2], "huge": 2**70, "none": None, "b": True}
    assert shown_metadata(metadata) == {"a": 1, "b": True}
    assert len(shown_metadata({str(number): number for number in range(1000)})) == METADATA_LIMIT
