"""The geometry that was set when a scan was recorded is what it is analysed with, unless another is set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import stream_rrvae
from stream_rrvae.batch.site import with_recorded_site
from stream_rrvae.config import CalibrationSettings, RecordingSettings, Settings
from stream_rrvae.messages import Encoding, ReceivedFrames, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.wire.pixels import encode_bslz4

THEN = CalibrationSettings(semiangle_mrad=27.0, mrad_per_px=2.0, beam_center_px=(4.0, 4.5))

USABLE = np.ones((9, 10), np.bool_)
USABLE[2, 3] = False


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    recorder = Recorder(
        tmp_path, RecordingSettings(keep_free_bytes=0), new_metrics(), lambda _start: THEN, lambda _start: USABLE
    )
    recorder.start()
    start = ScanStart("scan", 1, (9, 10), "uint16", 4, (2, 2))
    recorder.opened(start, (2, 2))
    kept = [np.frombuffer(encode_bslz4(np.full((9, 10), number, np.uint16)), np.uint8) for number in range(4)]
    addresses, sizes = (np.array(column) for column in zip(*((one.ctypes.data, one.size) for one in kept), strict=True))
    recorder.frames(
        ReceivedFrames(addresses.astype(np.uint64), sizes, np.arange(4), np.zeros(4), Encoding.BSLZ4, 1, lambda: kept)
    )
    recorder.closed(ScanState.COMPLETE)
    path = recorder.complete(start, start.calibration)
    recorder.stop()
    assert path is not None
    return path


def test_it_is_used_unless_another_is_set(recording: Path, tmp_path: Path) -> None:
    now = Settings(calibration=CalibrationSettings(semiangle_mrad=30.0))
    with open_frames(str(recording)) as frames:
        assert with_recorded_site(Settings(), frames).calibration == THEN
        assert with_recorded_site(now, frames).calibration == THEN.model_copy(update={"semiangle_mrad": 30.0})
        with_a_file = Settings(site=tmp_path / "site.toml")
        assert with_recorded_site(with_a_file, frames) is with_a_file


def test_the_sites_pixel_mask_is_used_too(recording: Path) -> None:
    with open_frames(str(recording)) as frames:
        assert frames.start.pixel_mask is not None
        np.testing.assert_array_equal(frames.start.pixel_mask, USABLE)


def test_notebooks_see_it(recording: Path) -> None:
    with stream_rrvae.open(recording) as scan:
        assert (scan.calibration.semiangle_mrad, scan.calibration.disc_radius_px) == (27.0, 13.5)
        assert scan.calibration.beam_center_px == (4.0, 4.5)
