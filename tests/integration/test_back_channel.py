"""A running service, asked: patterns, virtual detectors and the detector's rotation, over real sockets."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from stream_rrvae.errors import RequestError
from stream_rrvae.feed.asker import Asker
from stream_rrvae.messages import ScanState
from stream_rrvae.security import make_key

if TYPE_CHECKING:
    from tests.integration.conftest import Detector, Serving, Specimen

APPENDIX = {"scan_shape": [16, 16], "calibration": {"semiangle_mrad": 27.0}}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "requests.key")
    return tmp_path / "requests.key"


@pytest.fixture
def serving(detector: Detector, serve: Callable[..., Serving], key: Path, tmp_path: Path) -> Serving:
    """A service that answers, and is in the middle of a scan."""
    asked = "--requests", f"ipc://{tmp_path}/requests", "--requests-key", str(key)
    return serve(detector.url, "--mode", "off", "--scans", "1", *asked)


@pytest.fixture
def ask(serving: Serving, key: Path, tmp_path: Path) -> Iterator[Ask]:
    asker = Asker(f"ipc://{tmp_path}/requests", make_key(key))

    def asked(name: str, **arguments: Any) -> dict[str, Any]:
        return asker.ask(name, arguments, timeout_s=30).result()

    yield asked
    asker.close()


def begin_scan(detector: Detector, serving: Serving, specimen: Specimen, frames: int) -> None:
    detector.start(specimen.frames, user_data=APPENDIX)
    for number in range(frames):
        detector.image(number, specimen.frames[number])
    snapshot = serving.until(lambda snapshot: snapshot.counters.processed == frames)
    assert snapshot.requests_url is not None


def test_a_position_s_pattern_is_the_frame_that_was_sent(
    detector: Detector, serving: Serving, ask: Ask, specimen: Specimen
) -> None:
    with pytest.raises(RequestError, match="no scan has begun"):
        ask("pattern", y=0, x=0)
    begin_scan(detector, serving, specimen, 200)
    answer = ask("pattern", y=3, x=5)
    np.testing.assert_array_equal(answer.pop("pattern"), specimen.frames[3 * 16 + 5])
    assert answer == {
        "binning": 1, "frame_number": 53, "y": 3, "x": 5, "exact": True, "source": "kept", "scan_id": "series-1",
    }  # fmt: skip
    near = ask("pattern", y=15, x=3)
    assert (near["y"], near["x"], near["exact"]) == (12, 3, False)
    np.testing.assert_array_equal(near["pattern"], specimen.frames[12 * 16 + 3])
    with pytest.raises(RequestError, match="no frame of this position is kept"):
        ask("pattern", y=15, x=3, exact=True)
    with pytest.raises(RequestError, match="y must be a whole number from 0 to 15, not 16"):
        ask("pattern", y=16, x=0)
    kept = ask("kept")
    assert (kept["positions"], kept["stride_y"], kept["stride_x"]) == (200, 1, 1)


def test_a_virtual_detector_is_the_sum_over_its_pixels(
    detector: Detector, serving: Serving, ask: Ask, specimen: Specimen
) -> None:
    begin_scan(detector, serving, specimen, 200)
    answer = ask("virtual_detector", inner=2, outer=9.5, center_ky=18, center_kx=20)
    ky, kx = np.indices((40, 40)) - np.array([18, 20])[:, None, None]
    inside = (np.hypot(ky, kx) >= 2) & (np.hypot(ky, kx) <= 9.5)
    expected = specimen.frames[:, inside].sum(axis=1).astype(np.float32)
    np.testing.assert_array_equal(answer["map"].ravel()[:200], expected[:200])
    assert np.isnan(answer["map"].ravel()[200:]).all()
    assert answer["positions"] == 200
    in_semi_angles = ask("virtual_detector", inner=0.5, outer=1.0, unit="semi_angle")
    assert in_semi_angles["inner_px"] == pytest.approx(in_semi_angles["outer_px"] / 2)
    assert np.nansum(in_semi_angles["map"]) > 0
    in_mrad = ask("virtual_detector", inner=0, outer=27.0, unit="mrad")
    snapshot = serving.until(lambda snapshot: True)
    assert in_mrad["outer_px"] == pytest.approx(snapshot.calibration.disc_radius_px)
    assert (in_mrad["center_ky"], in_mrad["center_kx"]) == pytest.approx(snapshot.calibration.beam_center_px)
    with pytest.raises(RequestError, match="outer must be more than inner"):
        ask("virtual_detector", inner=5, outer=5)


def test_an_operator_turns_the_detector_and_the_results_say_so(
    detector: Detector, serving: Serving, ask: Ask, specimen: Specimen
) -> None:
    begin_scan(detector, serving, specimen, 200)
    before = serving.until(lambda snapshot: snapshot.counters.processed == 200)
    assert (before.axes, before.rotation_origin) == ("detector", "")
    assert ask("rotation") == {"degrees": None, "flip": False, "origin": "", "locked": False}
    with pytest.raises(RequestError, match="no rotation is known"):
        ask("lock_rotation")
    assert ask("set_rotation", degrees=90.0)["origin"] == "operator"
    assert ask("lock_rotation")["locked"]
    with pytest.raises(RequestError, match="locked"):
        ask("set_rotation", degrees=10.0)
    after = serving.until(lambda snapshot: snapshot.rotation_locked)
    assert (after.axes, after.rotation_origin) == ("scan", "operator")
    assert after.calibration.detector_rotation_rad == pytest.approx(math.pi / 2)
    np.testing.assert_allclose(after.maps["com_x"], before.maps["com_y"], atol=1e-6)
    np.testing.assert_allclose(after.maps["com_y"], -before.maps["com_x"], atol=1e-6)
    for number in range(200, 256):
        detector.image(number, specimen.frames[number])
    detector.end()
    assert serving.process.process.wait(60) == 0
    with h5py.File(serving.out / "series-1.results.h5") as file:
        assert file["entry/rotation_origin"][()] == b"operator"
        assert file["entry/maps"].attrs["vector_axes"] == "scan"
        calibration = json.loads(file["entry/calibration"][()])
        assert calibration["detector_rotation_rad"] == pytest.approx(math.pi / 2)
        written, shown = file["entry/maps/com_x"][:12], after.maps["com_x"][:12]
        # Both count from the mean of what was measured then.
        np.testing.assert_allclose(written - written.mean(), shown - shown.mean(), atol=1e-5)


def test_what_is_not_kept_comes_out_of_the_recording(
    detector: Detector,
    serve: Callable[..., Serving],
    key: Path,
    tmp_path: Path,
    specimen: Specimen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STREAM_RRVAE_KEEP__BYTES", "0")
    asked = "--requests", f"ipc://{tmp_path}/requests", "--requests-key", str(key)
    serving = serve(detector.url, "--mode", "off", "--record", str(tmp_path / "recordings"), *asked)
    begin_scan(detector, serving, specimen, 100)
    serving.until(lambda snapshot: snapshot.health.frames_recorded == 100)
    asker = Asker(f"ipc://{tmp_path}/requests", make_key(key))
    answer = asker.ask("pattern", {"y": 4, "x": 7}).result()
    asker.close()
    assert (answer["source"], answer["exact"], answer["frame_number"]) == ("recording", True, 71)
    np.testing.assert_array_equal(answer["pattern"], specimen.frames[71])


def test_without_a_back_channel_the_feed_says_so(
    detector: Detector, serve: Callable[..., Serving], specimen: Specimen
) -> None:
    serving = serve(detector.url, "--mode", "off")
    snapshot = serving.until(lambda snapshot: True)
    assert snapshot.requests_url is None
    assert snapshot.state is ScanState.IDLE
