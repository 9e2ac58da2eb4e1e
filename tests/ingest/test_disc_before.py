"""A scan too faint to show its disc is measured by that of the scan before, and says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stream_rrvae.calibration.disc import Disc
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.found import PatternFound
from stream_rrvae.ingest.disc_before import DiscBefore
from stream_rrvae.ingest.settle import NOTE, settle
from stream_rrvae.messages import Calibration, ScanStart

START = ScanStart("scan", 1, (32, 32), "uint8", 4, (2, 2))
FOUND = PatternFound((15.2, 16.1), (0.1, 0.1), 9.5, 0.1, 1.0, 0.01, 0.0, 200)
SITE = CalibrationSettings()


def test_nothing_is_known_before_the_first_scan() -> None:
    assert DiscBefore().of(START) is None


def test_only_where_nothing_says_that_the_optics_are_others() -> None:
    before = DiscBefore()
    before.remember(replace(START, calibration=Calibration(semiangle_mrad=31.0)), FOUND)
    assert before.of(START) == Disc((15.2, 16.1), 9.5)
    assert before.of(replace(START, calibration=Calibration(semiangle_mrad=31.0))) is not None
    assert before.of(replace(START, calibration=Calibration(semiangle_mrad=20.0))) is None
    assert before.of(replace(START, frame_shape=(32, 33))) is None


def test_a_faint_scan_takes_it_and_a_bright_one_does_not() -> None:
    faint = np.zeros((32, 32))
    faint[3, 4] = 1.0
    settled = settle(START, SITE, faint, Disc((15.2, 16.1), 9.5))
    assert settled.disc == Disc((15.2, 16.1), 9.5)
    assert "those of the scan before" in settled.start.metadata[NOTE]
    ky, kx = np.indices((32, 32))
    bright = np.where(np.hypot(ky - 12.0, kx - 13.0) < 7.0, 50.0, 0.5)
    seen = settle(START, SITE, bright, Disc((15.2, 16.1), 9.5)).disc
    assert np.hypot(seen.center_px[0] - 12.0, seen.center_px[1] - 13.0) < 0.3
