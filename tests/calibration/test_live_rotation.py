"""Whose word on the detector's rotation counts, and for how long."""

from __future__ import annotations

import math

import pytest

from stream_rrvae.calibration.live_rotation import LiveRotation, Rotation
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import RequestError
from stream_rrvae.messages import Calibration, ScanStart

NOTHING_SAID = CalibrationSettings()


def scan(number: int, rotation_rad: float | None = None, flip: bool = False) -> ScanStart:
    calibration = Calibration(mrad_per_px=2.0, detector_rotation_rad=rotation_rad, detector_flip=flip)
    return ScanStart(f"scan-{number}", number, (8, 8), "uint16", 4, calibration=calibration)


def test_the_stream_s_word_is_used_and_named() -> None:
    live = LiveRotation(NOTHING_SAID)
    live.begin(scan(1))
    assert live.now == Rotation()
    live.begin(scan(2, 0.5, True))
    assert live.now == Rotation(0.5, True, "stream")
    assert live.of(scan(2, 0.5, True)) == scan(2, 0.5, True).calibration
    at_site = LiveRotation(CalibrationSettings(detector_rotation_deg=30.0))
    at_site.begin(scan(1, math.radians(30.0)))
    assert at_site.now.origin == "site file"


def test_a_fit_is_used_only_where_nobody_said_anything() -> None:
    live = LiveRotation(NOTHING_SAID)
    live.begin(scan(1))
    assert live.suggest(0.4, False)
    assert live.suggest(0.45, True)
    assert live.now == Rotation(0.45, True, "fitted")
    live.begin(scan(2))
    assert live.now.origin == "fitted"
    live.set(0.1)
    assert not live.suggest(0.4, False)
    live.begin(scan(3, 0.2))
    assert not live.suggest(0.4, False)
    assert live.now == Rotation(0.2, False, "stream")


def test_an_operator_s_word_stays_until_a_scan_says_another_and_beyond_when_locked() -> None:
    live = LiveRotation(NOTHING_SAID)
    live.begin(scan(1, 0.5, True))
    assert live.set(3.5) == Rotation(3.5 - math.tau, True, "operator")
    live.begin(scan(2))
    assert live.now.origin == "operator"
    live.begin(scan(3, 0.25))
    assert live.now == Rotation(0.25, False, "stream")
    live.set(0.75, True)
    live.lock()
    live.begin(scan(4, 0.25))
    assert live.now == Rotation(0.75, True, "operator", locked=True)
    with pytest.raises(RequestError, match="locked"):
        live.set(1.0)
    assert not live.suggest(1.0, False)
    live.unlock()
    live.begin(scan(5, 0.25))
    assert live.now == Rotation(0.25, False, "stream")


def test_each_scan_keeps_what_it_had() -> None:
    live = LiveRotation(NOTHING_SAID)
    live.begin(scan(1))
    live.set(0.5, True)
    live.begin(scan(2, 0.25))
    live.set(0.75)
    first, second = live.of(scan(1)), live.of(scan(2, 0.25))
    assert (first.detector_rotation_rad, first.detector_flip, first.mrad_per_px) == (0.5, True, 2.0)
    assert (second.detector_rotation_rad, second.detector_flip) == (0.75, False)
    assert (live.origin_of(scan(1)), live.origin_of(scan(2))) == ("operator", "operator")
    assert live.of(scan(9, 0.1)) == scan(9, 0.1).calibration
    for number in range(3, 30):
        live.begin(scan(number, 0.1))
    assert live.origin_of(scan(1)) == ""


def test_nothing_known_cannot_be_locked() -> None:
    live = LiveRotation(NOTHING_SAID)
    live.begin(scan(1, None, True))
    with pytest.raises(RequestError, match="no rotation is known"):
        live.lock()
    assert live.set(-math.pi).rotation_rad == math.pi
    assert live.now.flip  # as the stream said
