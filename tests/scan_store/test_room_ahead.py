"""Memory for a store that is made before its header is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.errors import StoreError
from stream_rrvae.messages import Counters, ScanStart, ScanState
from stream_rrvae.scan_store import Account, RoomAhead, ScanStore, StoreShape

SHAPE = StoreShape((3, 4), (5, 7), 6, 2)
START = ScanStart("scan-1", 4, (5, 7), "uint16", 12, (3, 4))


def test_a_store_in_room_made_ahead_is_like_any_other(tmp_path: Path) -> None:
    with ScanStore.create(START, SHAPE, {"a": 1}, tmp_path, RoomAhead(SHAPE, tmp_path)) as store:
        other = ScanStore.attach(store.path)
        assert (other.start, other.shape, other.features_info) == (START, SHAPE, {"a": 1})
        assert other.read_account() == Account(ScanState.RUNNING, Counters())
        assert other.read_pattern() is None and not other.coverage.any()
        assert np.isnan(other.com_y).all() and np.isnan(other.read_maps().latents).all()
        store.features[-1] = 2.0
        assert (other.features[-1] == 2.0).all() and not other.features[:-1].any()
    assert not store.path.exists()


def test_room_that_nobody_needs_leaves_nothing(tmp_path: Path) -> None:
    ahead = RoomAhead(SHAPE, tmp_path)
    ahead.drop()
    ahead.drop()
    assert not list(tmp_path.iterdir())


def test_a_header_too_long_for_it_gets_room_of_its_own(tmp_path: Path) -> None:
    start = replace(START, metadata={"long": "x" * 100_000})
    with ScanStore.create(start, SHAPE, folder=tmp_path, ahead=RoomAhead(SHAPE, tmp_path)) as store:
        assert ScanStore.attach(store.path).start == start
        assert list(tmp_path.iterdir()) == [store.path]


def test_room_of_another_shape_is_let_go(tmp_path: Path) -> None:
    ahead = RoomAhead(replace(SHAPE, n_features=5), tmp_path)
    with ScanStore.create(START, SHAPE, folder=tmp_path, ahead=ahead) as store:
        assert store.features.shape == (12, 6)
        assert list(tmp_path.iterdir()) == [store.path]


def test_memory_that_is_not_there_is_missed_when_it_is_taken(tmp_path: Path) -> None:
    huge = StoreShape((1 << 20, 1 << 20), (5, 7), 100, 2)
    ahead = RoomAhead(huge, tmp_path)
    with pytest.raises(StoreError, match="no room for a scan store of"):
        ScanStore.create(START, huge, folder=tmp_path, ahead=ahead)
    ahead.drop()
    assert not list(tmp_path.iterdir())
