from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.bench.course import Course, judged
from stream_rrvae.bench.linear import leading_mode, pca_doublet, raw_com
from stream_rrvae.bench.ours import course_of
from stream_rrvae.bench.peers import SETTINGS, PeerRun, peer_course
from stream_rrvae.bench.scan_frames import ScanFrames, centring, from_file, measured_com, zero_to_one
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.recording.frame_file import open_frames


@pytest.mark.parametrize("fit", [raw_com, pca_doublet, leading_mode])
def test_linear_baselines_find_what_is_linear(fit: Callable[[ScanFrames], Course], turning_scan: ScanFrames) -> None:
    figures = judged(fit(turning_scan), turning_scan.com)
    assert figures.correlation > 0.99
    assert figures.angle_deg < 4.0


def test_our_model_is_judged_by_the_same_rules(turning_scan: ScanFrames) -> None:
    course = course_of("harmonic", turning_scan, 1.5, latents=1, seed=0)
    assert course.rotation.shape == (len(course.seconds), 200)
    assert course.latents.shape == (len(course.seconds), 200, 1)
    assert (np.diff(course.seconds) > 0).all()
    assert judged(course, turning_scan.com).angle_deg < 10.0


def test_a_peer_that_is_not_installed_is_no_error(turning_scan: ScanFrames) -> None:
    if importlib.util.find_spec("atomai"):
        pytest.skip("AtomAI is installed here")
    assert peer_course(SETTINGS[0], turning_scan, PeerRun(sys.executable, 1.0, 2, 0)) is None


def test_a_peer_that_cannot_be_started_says_so(turning_scan: ScanFrames) -> None:
    with pytest.raises(StreamRrvaeError, match="/nowhere/python"):
        peer_course(SETTINGS[0], turning_scan, PeerRun("/nowhere/python", 1.0, 2, 0))


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_installed_peers_train_and_encode(setting: object, turning_scan: ScanFrames) -> None:
    peer = next(known for known in SETTINGS if known == setting)
    course = peer_course(peer, turning_scan, PeerRun(sys.executable, 1.0, 2, 0))
    if course is None:
        pytest.skip(f"{peer.peer} is not installed")
    assert course.latents.shape[1:] == (200, 2)
    assert np.isfinite(course.rotation).all()


def test_what_peers_get(turning_scan: ScanFrames) -> None:
    documented, tuned = zero_to_one(turning_scan)(), centring(turning_scan, 10.0)()
    assert documented.shape == (200, 24, 24)
    assert (documented.min(), documented.max()) == (0.0, 1.0)
    assert tuned.shape == (200, 18, 18)  # the square around the disc
    np.testing.assert_allclose(tuned.mean(axis=0), 0, atol=1e-4)
    assert np.sqrt(np.square(tuned).sum() / 200) == pytest.approx(10.0, rel=1e-4)


def test_frames_of_a_file_are_compared_with_their_measured_com(turning_scan: ScanFrames, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", turning_scan.frames.reshape(10, 20, 24, 24))
    with open_frames(str(tmp_path / "a.npy")) as file:
        scan = from_file(file, None)
    np.testing.assert_allclose(scan.com, measured_com(turning_scan.frames), rtol=1e-6)
    assert scan.disc.center_px == pytest.approx((11.5, 11.5), abs=0.2)
    assert not scan.counted
