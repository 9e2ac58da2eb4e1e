"""The hub as its users see it: what one process writes, another reads, whole."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.errors import StoreError
from stream_rrvae.messages import Calibration, Counters, ModelStatus, ScanStart, ScanState
from stream_rrvae.scan_store import Account, LearnerMaps, ScanStore, StoreShape, sweep

START = ScanStart("scan-1", 4, (5, 7), "uint16", 12, (3, 4), calibration=Calibration(semiangle_mrad=20.0))
SHAPE = StoreShape((3, 4), (5, 7), 6, 2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ScanStore]:
    with ScanStore.create(START, SHAPE, {"com_reference": "scan_mean"}, tmp_path) as made:
        yield made


def maps(version: int, state: str = "training") -> LearnerMaps:
    whole = np.full(12, version, np.float32)
    return LearnerMaps(ModelStatus(version, state), whole, whole, np.stack([whole, whole]))


def test_a_new_store_has_measured_nothing(store: ScanStore) -> None:
    assert not store.coverage.any()
    for array in (store.sum, store.com_y, store.com_x, store.bright_field, store.annular_dark_field):
        assert array.shape == (12,) and np.isnan(array).all()
    assert store.features.shape == (12, 6) and store.features.dtype == np.float16
    assert store.read_account() == Account(ScanState.RUNNING, Counters())
    assert store.read_status() == ModelStatus()
    assert store.read_pattern() is None
    assert np.isnan(store.read_maps().latents).all()
    assert store.read_maps().status == ModelStatus()


def test_whoever_attaches_sees_the_same(store: ScanStore) -> None:
    other = ScanStore.attach(store.path)
    assert (other.start, other.shape) == (START, SHAPE)
    assert other.features_info == {"com_reference": "scan_mean"}
    store.sum[3] = 7.0
    store.features[2] = 1.5
    account = Account(ScanState.ABORTED, Counters(5, 4, 1, 3, 1, 0, 0, {"decode": 1}))
    store.write_account(account)
    store.write_pattern(3, np.full((5, 7), 2.0))
    assert other.sum[3] == 7.0
    assert (other.features[2] == 1.5).all()
    assert other.read_account() == account
    pattern = other.read_pattern()
    assert pattern is not None and pattern[0] == 3
    np.testing.assert_array_equal(pattern[1], np.full((5, 7), 2.0))


def test_another_process_writes_its_maps(store: ScanStore) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from stream_rrvae.scan_store import *; from stream_rrvae.messages import ModelStatus\n"
        "store = ScanStore.attach(Path(sys.argv[1])); f = np.arange(12, dtype='f4')\n"
        "store.write_maps(LearnerMaps(ModelStatus(3, 'ready', 'apply'), f, f + 1, np.stack([f, -f])))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(store.path)], check=True, timeout=60)
    found = store.read_maps()
    assert found.status == store.read_status() == ModelStatus(3, "ready", "apply")
    np.testing.assert_array_equal(found.rotation, np.arange(12))
    np.testing.assert_array_equal(found.latents[1], -np.arange(12))
    assert store.path.exists(), "who only attached must not remove it"


def test_the_latest_status_of_the_published_version_is_given(store: ScanStore) -> None:
    store.write_maps(maps(1))
    store.write_status(ModelStatus(1, "ready"))
    assert store.read_maps().status.state == "ready"
    store.write_status(ModelStatus(0, "waiting"))
    assert store.read_maps().status == ModelStatus(1, "training")


def test_the_pixel_mask_stays_out(tmp_path: Path) -> None:
    with ScanStore.create(replace(START, pixel_mask=np.ones((5, 7), np.bool_)), SHAPE, folder=tmp_path) as store:
        assert ScanStore.attach(store.path).start == START


def test_only_the_owner_removes_it_and_views_stay_readable(store: ScanStore) -> None:
    other = ScanStore.attach(store.path)
    other.close()
    assert store.path.exists()
    store.close()
    store.close()
    assert not store.path.exists()
    assert not other.coverage.any()


def test_only_the_user_may_read_it(store: ScanStore) -> None:
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_no_room_says_how_much_was_wanted(tmp_path: Path) -> None:
    huge = StoreShape((1 << 20, 1 << 20), (5, 7), 100, 2)
    with pytest.raises(StoreError, match="no room for a scan store of"):
        ScanStore.create(START, huge, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot make"):
        ScanStore.create(START, SHAPE, folder=tmp_path / "none")


@pytest.mark.parametrize("metadata", [{"raw": b"bytes"}, {"long": "x" * (1 << 20)}])
def test_metadata_that_cannot_be_written(tmp_path: Path, metadata: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="metadata"):
        ScanStore.create(replace(START, metadata=metadata), SHAPE, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_note_that_is_too_long_leaves_the_last_one(store: ScanStore) -> None:
    store.write_status(ModelStatus(1))
    with pytest.raises(StoreError, match="status note"):
        store.write_status(ModelStatus(2, detail="x" * 20_000))
    assert store.read_status() == ModelStatus(1)
    store.write_status(ModelStatus(3))
    assert store.read_status() == ModelStatus(3)


@pytest.mark.parametrize("content", [b"", b"short", b"NOTOURS!" + bytes(100), b"SRRVAE01" + bytes(100)])
def test_a_file_that_is_not_a_store(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(StoreError):
        ScanStore.attach(path)


def test_a_store_cut_short(store: ScanStore, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(store.path.read_bytes()[:600])
    with pytest.raises(StoreError, match="damaged"):
        ScanStore.attach(path)


def test_a_store_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot map"):
        ScanStore.attach(tmp_path / "gone")


def test_sweep_removes_what_dead_processes_left(store: ScanStore, tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from stream_rrvae.scan_store import *; from stream_rrvae.messages import ScanStart\n"
        "start = ScanStart('s', 1, (2, 2), 'uint8', 1)\n"
        "print(ScanStore.create(start, StoreShape((1, 1), (2, 2), 1, 1), folder=Path(sys.argv[1])).path, flush=True)\n"
        "os._exit(0)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    left = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout.strip()
    assert Path(left).exists()
    assert sweep(tmp_path) == [Path(left)]
    assert not Path(left).exists()
    assert store.path.exists()
    assert str(os.getpid()) in store.path.name
