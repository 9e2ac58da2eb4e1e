"""What a recording does when the disk does not do as it should: the scan goes on, nothing is lost without a word."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from h5py._objects import phil

from stream_rrvae.config import RecordingSettings
from stream_rrvae.messages import Encoding, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.recording.recover import recover

if TYPE_CHECKING:
    from tests.conftest import MountDisk, RoomFor


@pytest.fixture
def small_disk(mount_disk: MountDisk) -> Path:
    """A file system of 1 MiB."""
    return mount_disk(1)


def test_a_disk_with_too_little_space_ends_the_recording_and_not_the_scan(
    recorded_scans: ModuleType, tmp_path: Path
) -> None:
    frames = recorded_scans.make_frames()
    metrics = new_metrics()
    recorder = Recorder(tmp_path, RecordingSettings(keep_free_bytes=1 << 60), metrics)
    recorder.start()
    start = recorded_scans.make_start(frames)
    recorder.opened(start, (5, 6))
    giver = recorded_scans.Giver(recorder, frames)
    giver.give(range(30))
    recorder.closed(ScanState.COMPLETE)
    assert recorder.complete(start, start.calibration) is None
    recorder.undecodable(start, *giver.given[0])
    recorder.stop()
    assert giver.let_go == 30
    assert not recorder.keeps_notes
    assert "are free" in recorder.fault
    assert metrics.registry.get_sample_value("stream_rrvae_frames_not_recorded_total") == 30
    assert not list(tmp_path.iterdir())


def give_3000(giver: Any) -> None:
    for begin in range(0, 3000, 100):
        giver.give(range(begin, begin + 100), Encoding.NONE)


def test_when_the_reserve_is_reached_what_was_recorded_is_finished_and_readable(
    recorded_scans: ModuleType, small_disk: Path
) -> None:
    frames = recorded_scans.make_frames()
    start = recorded_scans.make_start(frames, scan_shape=(30, 100))
    recorder = recorded_scans.record(small_disk, give_3000, frames, start, keep_free_bytes=300_000, flush_s=0.001)
    assert "are free" in recorder.fault
    with h5py.File(small_disk / "scan" / "master.h5") as file:
        n = file["entry/frames/data"].shape[0]
        assert n >= 100
        assert np.array_equal(file["entry/frames/data"][()], np.resize(frames, (n, 20, 24)))
        assert (file["entry/complete"][()], "are free" in file["entry/fault"].asstr()[()]) == (0, True)


def test_a_disk_that_is_full_all_at_once_leaves_what_was_acknowledged(
    recorded_scans: ModuleType, small_disk: Path, tmp_path: Path
) -> None:
    frames = recorded_scans.make_frames()
    start = recorded_scans.make_start(frames, scan_shape=(30, 100))
    recorder = recorded_scans.record(small_disk, give_3000, frames, start, flush_s=0.001)
    acknowledged = recorder.acknowledged
    assert recorder.fault
    assert acknowledged >= 100
    part = Path(shutil.copytree(small_disk / "scan.part", tmp_path / "elsewhere" / "scan.part"))
    recovered = recover(part)
    assert (recovered.acknowledged, recovered.lost, recovered.is_whole) == (acknowledged, 0, True)
    with h5py.File(recovered.folder / "master.h5") as file:
        n = file["entry/frames/data"].shape[0]
        assert np.array_equal(file["entry/frames/data"][()], np.resize(frames, (n, 20, 24)))


def test_the_next_scan_is_recorded_again_after_one_that_failed(
    recorded_scans: ModuleType, tmp_path: Path, room_for: RoomFor
) -> None:
    frames = recorded_scans.make_frames()
    recorder = Recorder(tmp_path, RecordingSettings(keep_free_bytes=0), new_metrics())
    recorder.start()
    for scan_id, limit_bytes in (("failed", 20_000), ("good", 1 << 40)):
        start = recorded_scans.make_start(frames, scan_id)
        with room_for(limit_bytes):
            recorder.opened(start, (5, 6))
            recorded_scans.Giver(recorder, frames).give(range(30), Encoding.NONE)
            recorder.closed(ScanState.COMPLETE)
            recorder.complete(start, start.calibration)
    recorder.stop()
    assert recorder.error is not None
    assert recorder.error.exit_status == 1
    with h5py.File(tmp_path / "good" / "master.h5") as file:
        assert np.array_equal(file["entry/frames/data"][()], frames)


def test_a_slow_disk_holds_the_giver_back_and_loses_nothing(recorded_scans: ModuleType, tmp_path: Path) -> None:
    frames = recorded_scans.make_frames()
    settings = RecordingSettings(keep_free_bytes=0, queue_bytes=1 << 20)
    recorder = Recorder(tmp_path, settings, new_metrics())
    recorder.start()
    start = recorded_scans.make_start(frames, scan_shape=(100, 100))
    recorder.opened(start, (100, 100))
    giver = recorded_scans.Giver(recorder, frames)
    given: list[int] = []

    def give_all() -> None:
        for begin in range(0, 10_000, 250):
            giver.give(range(begin, begin + 250), Encoding.NONE)
            given.append(begin)

    thread = threading.Thread(target=give_all, daemon=True)
    with phil:  # HDF5 writes nothing while somebody holds its lock
        thread.start()
        thread.join(1.0)
        assert thread.is_alive()
        held_back = len(given)
    # 1 MiB in the queue and one batch at work, of 240 kB each.
    assert held_back <= 6
    thread.join()
    recorder.closed(ScanState.COMPLETE)
    recorder.complete(start, start.calibration)
    recorder.stop()
    with h5py.File(tmp_path / "scan" / "master.h5") as file:
        assert file["entry/frames/frame_number"][()].tolist() == list(range(10_000))
        assert file["entry/counts/positions_missing"][()] == 0


def test_a_folder_that_cannot_be_made_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="choose another --record"):
        Recorder(tmp_path / "file" / "in", RecordingSettings(), new_metrics())
