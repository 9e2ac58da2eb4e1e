"""Chunks that are written together are the same as those that HDF5 writes one by one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from stream_rrvae.messages import Encoding
from stream_rrvae.recording import gathering_driver
from stream_rrvae.recording.h5_calls import MOST_NOTED


@pytest.fixture(params=["together", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How chunks are written; together only by the HDF5 that this is known to work with."""
    if request.param == "one by one":
        monkeypatch.setattr(gathering_driver, "gathering_driver", lambda: None)
    elif gathering_driver.gathering_driver() is None:
        pytest.skip(f"NOT CHECKED: chunks are written one by one with HDF5 {h5py.version.hdf5_version}")
    return str(request.param)


def test_the_driver_is_there_with_the_hdf5_that_it_is_made_for() -> None:
    known = gathering_driver.KNOWN[0] <= tuple(h5py.h5.get_libversion()) < gathering_driver.KNOWN[1]
    assert (gathering_driver.gathering_driver() is not None) == known


def test_large_batches_of_frames_of_all_sizes_come_back(recorded_scans: ModuleType, tmp_path: Path, way: str) -> None:
    n = 3 * MOST_NOTED
    start = recorded_scans.make_start(recorded_scans.make_frames(), scan_shape=(n // 6, 6))
    rng = np.random.default_rng(1)
    payloads = [rng.bytes(int(size)) for size in rng.integers(1, 3000, n)]

    def give(giver: Any) -> None:
        giver.give(range(n - 1), payloads=payloads[:-1])
        giver.give([n - 1], payloads=payloads[-1:])

    recorder = recorded_scans.record(tmp_path, give, recorded_scans.make_frames(), start)
    assert recorder.error is None
    assert recorder.acknowledged == n
    with h5py.File(tmp_path / "scan" / "segment-0000.h5") as file:
        frames = file["entry/data/frames"]
        assert [bytes(frames.id.read_direct_chunk((i, 0, 0))[1]) for i in range(n)] == payloads


def test_many_segments_and_encodings_are_readable_by_any_program(
    recorded_scans: ModuleType, tmp_path: Path, way: str
) -> None:
    frames = recorded_scans.make_frames()

    def give(giver: Any) -> None:
        for begin in range(0, 30, 3):
            giver.give(range(begin, begin + 3), list(Encoding)[begin // 3 % 3])

    recorded_scans.record(tmp_path, give, frames, segment_bytes=5 * frames[0].nbytes)
    with h5py.File(tmp_path / "scan" / "master.h5") as file:
        assert np.array_equal(file["entry/data/data"][()].reshape(frames.shape), frames)
