from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tests.integration.conftest import Detector, Serving, Specimen

APPENDIX = {"scan_shape": [16, 16], "calibration": {"semiangle_mrad": 27.0, "detector_rotation_rad": 0.0}}
QUICK = ("--mode", "off", "--scans", "1")


def test_com_of_every_frame_from_an_independent_stream_v2_sender(
    detector: Detector, serve: Callable[..., Serving], specimen: Specimen
) -> None:
    serving = serve(detector.url, *QUICK)
    _send_scan(detector, specimen)
    maps, quality = _results(serving)
    expected = _com_px(specimen.frames) * 27.0 / 13.0
    found = np.stack([maps["com_y"], maps["com_x"]]).reshape(2, -1)
    offset = (found - expected).mean(axis=1, keepdims=True)  # the beam centre is the service's own estimate
    assert np.abs(offset).max() < 0.25
    np.testing.assert_allclose(found - offset, expected, atol=0.05 * np.abs(expected).max())
    assert quality["frames_expected"] == quality["frames_received"] == 256
    assert quality["frames_missing"] == quality["frames_refused"] == quality["frames_duplicate"] == 0


def test_bad_messages_are_counted_and_cost_nothing_else(
    detector: Detector, serve: Callable[..., Serving], specimen: Specimen
) -> None:
    serving = serve(detector.url, *QUICK)
    truncated = detector.image_message(7, specimen.frames[7])[:-40]
    junk = [b"", b"\x00" * 50, b"\xd9\xd9\xf7\xbb" + b"\xff" * 8, np.random.default_rng(0).bytes(5000), truncated]
    detector.start(specimen.frames, user_data=APPENDIX)
    for number, frame in enumerate(specimen.frames):
        if number != 7:
            detector.image(number, frame)
        else:
            for message in junk:
                detector.raw(message)
        if number == 20:
            detector.raw(b"\xd9\xd9\xf7" + os.urandom(4 << 20))
            detector.image(20, frame)
    detector.end()
    maps, quality = _results(serving)
    measured = np.isfinite(maps["com_x"]).ravel()
    assert measured.sum() == 255 and not measured[7]
    assert quality["frames_refused"] == 6
    assert quality["frames_duplicate"] == 1
    assert quality["frames_expected"] == quality["frames_received"] + quality["frames_missing"]
    assert (
        quality["frames_received"]
        == quality["frames_processed"] + quality["frames_refused"] + quality["frames_duplicate"]
    )


def test_a_lost_frame_is_a_hole_and_an_aborted_scan_is_written(
    detector: Detector, serve: Callable[..., Serving], specimen: Specimen
) -> None:
    serving = serve(detector.url, "--mode", "off", "--scans", "2")
    detector.start(specimen.frames, user_data=APPENDIX)
    for number in range(0, 100, 2):
        detector.image(number, specimen.frames[number])
    _send_scan(detector, specimen, order=np.random.default_rng(1).permutation(256))
    assert serving.process.process.wait(60) == 0
    first, second = (serving.out / f"series-{n}.results.h5" for n in (1, 2))
    with h5py.File(first) as file:
        assert file["entry/state"][()] == b"aborted"
        assert np.isfinite(file["entry/maps/sum"][()]).sum() == 50
        assert file["entry/quality/frames_missing"][()] == 206
    with h5py.File(second) as file:
        assert file["entry/state"][()] == b"complete"
        assert np.isfinite(file["entry/maps/sum"][()]).all()
        assert file["entry/quality/frames_reordered"][()] > 100


def test_killed_learner_costs_no_position_and_comes_back(
    detector: Detector, serve: Callable[..., Serving], specimen: Specimen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAM_RRVAE_LEARN__BUDGET_S", "6")
    monkeypatch.setenv("STREAM_RRVAE_LEARN__ROUND_S", "1")
    # The sender is silent until the learner is back, which takes a crowded machine longer than the 5 s of a stall.
    monkeypatch.setenv("STREAM_RRVAE_INGEST__STALL_TIMEOUT_S", "60")
    serving = serve(detector.url, "--scans", "1")
    detector.start(specimen.frames, user_data=APPENDIX)
    for number in range(128):
        detector.image(number, specimen.frames[number])
    serving.until(lambda s: s.counters.processed == 128 and s.model.version >= 1)
    os.kill(_learner_of(serving.process.process.pid), signal.SIGKILL)
    serving.until(lambda s: s.health.learner_restarts == 1)
    for number in range(128, 256):
        detector.image(number, specimen.frames[number])
    detector.end()
    maps, quality = _results(serving)
    assert np.isfinite(maps["com_x"]).all()
    assert np.isfinite(maps["rotation"]).all()
    assert quality["frames_missing"] == 0
    error = np.angle(np.exp(1j * (maps["rotation"].ravel() - specimen.direction)))
    assert np.degrees(np.average(np.abs(error), weights=specimen.strength)) < 15


def _send_scan(detector: Detector, specimen: Specimen, order: NDArray[np.int64] | None = None) -> None:
    detector.start(specimen.frames, user_data=APPENDIX)
    for number in range(256) if order is None else order.tolist():
        detector.image(number, specimen.frames[number])
    detector.end()


def _results(serving: Serving) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
    assert serving.process.process.wait(90) == 0
    (path,) = serving.out.glob("*.results.h5")
    with h5py.File(path) as file:
        maps = {name: data[()] for name, data in file["entry/maps"].items()}
        quality = {n: int(d[()]) for n, d in file["entry/quality"].items() if n.startswith("frames_")}
    return maps, quality


def _com_px(frames: NDArray[np.uint16]) -> NDArray[np.float64]:
    """COM (y, x) [2, n] from the geometrical middle, in float64."""
    ky, kx = np.indices(frames.shape[1:]) - 19.5
    total = frames.sum(axis=(1, 2), dtype=np.float64)
    return np.stack([(frames * ky).sum(axis=(1, 2)) / total, (frames * kx).sum(axis=(1, 2)) / total])


def _learner_of(pid: int) -> int:
    """The service's child that runs the learner."""
    children = psutil.Process(pid).children()
    return int(next(child.pid for child in children if "spawn_main" in " ".join(child.cmdline())))
