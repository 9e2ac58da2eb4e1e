"""A recording holds the received bytes, unchanged, and shows them to plain h5py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from stream_rrvae.config import RecordingSettings
from stream_rrvae.messages import Encoding, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.plain import to_plain
from stream_rrvae.recording.journal import read_journal
from stream_rrvae.recording.layout import Flag
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.recording.start_json import start_from_json


def _checksum(payloads: list[bytes]) -> str:
    """As format.md has it, with Python's whole numbers."""
    a = b = 0
    for payload in payloads:
        words = [len(payload), *(int.from_bytes(payload[i : i + 8], "little") for i in range(0, len(payload), 8))]
        for word in words:
            a = (a + word) % 2**64
            b = (b + a) % 2**64
    return f"{a:016x}{b:016x}"


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16", "uint32", "float32"])
@pytest.mark.parametrize("encoding", list(Encoding))
def test_every_encoding_comes_back_from_plain_h5py_with_the_senders_bytes(
    recorded_scans: ModuleType, tmp_path: Path, encoding: Encoding, pixel_type: str
) -> None:
    frames = recorded_scans.make_frames(pixel_type=pixel_type)
    recorder = recorded_scans.record(tmp_path, lambda giver: giver.give(range(30), encoding), frames)
    assert recorder.error is None
    with h5py.File(tmp_path / "scan" / "master.h5") as file:
        assert np.array_equal(file["entry/data/data"][()], frames.reshape(5, 6, 20, 24))
        assert np.array_equal(file["entry/frames/data"][()], frames)
        assert file["entry/complete"][()] == 1
    with h5py.File(tmp_path / "scan" / "segment-0000.h5") as file:
        chunks = [file["entry/data/frames"].id.read_direct_chunk((i, 0, 0)) for i in range(30)]
    payloads = [recorded_scans.ENCODERS[encoding](frame) for frame in frames]
    assert [bytes(content) for _, content in chunks] == payloads
    acknowledged = [line for line in read_journal(tmp_path / "scan" / "journal.jsonl") if "segment" in line]
    assert (acknowledged[-1]["frames"], acknowledged[-1]["checksum"]) == (30, _checksum(payloads))


def test_order_copies_overflow_and_damage_are_kept_and_flagged(recorded_scans: ModuleType, tmp_path: Path) -> None:
    frames = recorded_scans.make_frames()
    start = recorded_scans.make_start(frames)
    broken = recorded_scans.ENCODERS[Encoding.BSLZ4](frames[3])[:-9] + bytes(9)

    def give(giver: Any) -> None:
        giver.give([0, 2, 1, 1])
        giver.give([3], payloads=[broken])
        giver.recorder.undecodable(start, *giver.given[-1])
        giver.give([3, 29, 30, 2])

    recorded_scans.record(tmp_path, give, frames, start)
    with h5py.File(tmp_path / "scan" / "master.h5") as file:
        assert file["entry/frames/frame_number"][()].tolist() == [0, 2, 1, 1, 3, 3, 29, 30, 2]
        copy, overflow, undecodable = Flag.COPY, Flag.OVERFLOW, Flag.UNDECODABLE
        assert file["entry/frames/flags"][()].tolist() == [0, 0, 0, copy, undecodable, copy, 0, overflow, copy]
        seen = file["entry/data/data"][()].reshape(30, 20, 24)
        counts = {name: int(value[()]) for name, value in file["entry/counts"].items()}
    there = [0, 1, 2, 3, 29]
    assert np.array_equal(seen[there], frames[there])
    assert not np.delete(seen, there, axis=0).any()
    assert counts == {
        "frames": 9, "positions": 30, "positions_missing": 25, "copy": 3, "overflow": 1, "undecodable": 1,
    }  # fmt: skip


def test_encodings_that_change_within_a_scan_are_recorded_as_they_came(
    recorded_scans: ModuleType, tmp_path: Path
) -> None:
    frames = recorded_scans.make_frames()

    def give(giver: Any) -> None:
        for begin in range(0, 30, 5):
            giver.give(range(begin, begin + 5), list(Encoding)[begin // 5 % 3])

    recorded_scans.record(tmp_path, give, frames)
    assert len(list((tmp_path / "scan").glob("segment-*.h5"))) == 2
    with h5py.File(tmp_path / "scan" / "master.h5") as file:
        assert np.array_equal(file["entry/frames/data"][()], frames)


def test_segments_follow_one_another_and_the_views_reach_over_them(recorded_scans: ModuleType, tmp_path: Path) -> None:
    frames = recorded_scans.make_frames()

    def give(giver: Any) -> None:
        for begin in range(0, 30, 4):
            giver.give(range(begin, min(30, begin + 4)), Encoding.NONE)

    recorded_scans.record(tmp_path, give, frames, segment_bytes=7 * frames[0].nbytes)
    assert len(list((tmp_path / "scan").glob("segment-*.h5"))) == 4
    with h5py.File(tmp_path / "scan" / "master.h5") as file:
        assert np.array_equal(file["entry/data/data"][()], frames.reshape(5, 6, 20, 24))
        assert np.array_equal(file["entry/frames/data"][()], frames)


def test_the_announcement_and_the_settled_geometry_can_be_had_back(recorded_scans: ModuleType, tmp_path: Path) -> None:
    frames = recorded_scans.make_frames()
    recorded_scans.record(tmp_path, lambda giver: giver.give(range(30)), frames)
    start = recorded_scans.make_start(frames)
    with h5py.File(tmp_path / "scan" / "master.h5") as file:
        told = start_from_json(file["entry/start"].asstr()[()])
        assert json.loads(file["entry/calibration"].asstr()[()])["mrad_per_px"] == 2.0
        assert file["entry/data"].attrs["axes"].tolist() == ["scan_y", "scan_x", "ky", "kx"]
        assert file["entry/data/kx"][11] == 0.0
        assert file["entry/data/kx"].attrs["units"] == "mrad"
        assert file["entry/data/scan_x"][()] == pytest.approx(0.2 * np.arange(6))
        assert np.array_equal(file["entry/instrument/detector/pixel_mask"][()] == 0, start.pixel_mask)
    known, wanted = to_plain(told), to_plain(start)
    assert np.array_equal(known.pop("pixel_mask"), wanted.pop("pixel_mask"))
    assert known == wanted


def test_a_taken_name_is_never_used_again(recorded_scans: ModuleType, tmp_path: Path) -> None:
    frames = recorded_scans.make_frames()
    left = tmp_path / "scan-2.part"
    left.mkdir()
    (left / "segment-0000.h5").write_bytes(b"of a crash")
    for _ in range(2):
        recorded_scans.record(tmp_path, lambda giver: giver.give(range(3)), frames)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan", "scan-2.part", "scan-3"]
    assert (left / "segment-0000.h5").read_bytes() == b"of a crash"


def test_shards_of_a_scan_in_one_folder_are_told_apart_by_name(recorded_scans: ModuleType, tmp_path: Path) -> None:
    frames = recorded_scans.make_frames()
    for shard_id in (0, 1):
        start = replace(recorded_scans.make_start(frames), shard_id=shard_id, shard_count=2)
        recorded_scans.record(tmp_path, lambda giver: giver.give(range(3)), frames, start)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan.shard-0", "scan.shard-1"]


def test_while_it_runs_acknowledged_frames_are_readable_and_the_name_says_it_is_not_over(
    recorded_scans: ModuleType, tmp_path: Path
) -> None:
    frames = recorded_scans.make_frames()
    metrics = new_metrics()
    recorder = Recorder(tmp_path, RecordingSettings(keep_free_bytes=0, flush_s=0.01), metrics)
    recorder.start()
    start = recorded_scans.make_start(frames)
    recorder.opened(start, (5, 6))
    giver = recorded_scans.Giver(recorder, frames)
    giver.give(range(10))
    giver.wait_for(10)
    assert not (tmp_path / "scan").exists()
    with h5py.File(tmp_path / "scan.part" / "segment-0000.h5", "r", swmr=True) as file:
        assert np.array_equal(file["entry/data/frames"][:10], frames[:10])
        assert file["entry/data/frame_number"][()].tolist() == list(range(10))
    recorder.closed(ScanState.ABORTED)
    recorder.stop()
    assert giver.let_go == 10
    with h5py.File(tmp_path / "scan" / "master.h5") as file:
        assert (file["entry/complete"][()], file["entry/state"].asstr()[()]) == (0, "aborted")
    assert metrics.registry.get_sample_value("stream_rrvae_frames_recorded_total") == 10


def test_a_recording_costs_no_more_than_the_stream_and_two_percent(recorded_scans: ModuleType, tmp_path: Path) -> None:
    # Payloads as large as those of a 192 x 192 detector with 2,000 electrons a frame; nobody unpacks them here.
    frames = recorded_scans.make_frames()
    payloads = [bytes([number % 251]) * 2600 for number in range(8192)]
    start = recorded_scans.make_start(frames, scan_shape=(64, 128))

    def give(giver: Any) -> None:
        for begin in range(0, 8192, 2048):
            giver.give(range(begin, begin + 2048), payloads=payloads[begin : begin + 2048])

    recorded_scans.record(tmp_path, give, frames, start)
    size = sum(path.stat().st_size for path in (tmp_path / "scan").iterdir())
    fixed = 100_000  # of a small recording: what is not there once for each frame
    assert size - fixed <= 1.02 * sum(map(len, payloads))
