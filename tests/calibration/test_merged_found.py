"""What shards found of one scan, together: averaged by their errors, their certainties added up as odds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from stream_rrvae.calibration.merged_found import merged_found
from stream_rrvae.found import CalibrationFound, DescanFound, PatternFound, RotationFound

PATTERN = PatternFound((20.0, 30.0), (0.1, 0.2), 12.0, 0.1, 1.02, 0.01, 0.3, 100)
ROTATION = RotationFound(math.radians(-170.0), math.radians(2.0), True, 0.9, 0.9, 0.1, False)
DESCAN = DescanFound("plane", ((1.0, 2.0), (3.0, 4.0)), (0.2, 0.2), True)
ONE = CalibrationFound(50, PATTERN, ROTATION, DESCAN, "")


def test_none_has_looked() -> None:
    assert merged_found([None, None]) is None


def test_one_alone_is_as_it_is() -> None:
    merged = merged_found([None, ONE])
    assert merged is not None and merged.rotation is not None and merged.pattern is not None
    assert merged.descan == DESCAN and merged.positions == 50
    assert merged.rotation.rotation_rad == pytest.approx(ROTATION.rotation_rad)
    assert merged.rotation.flip_confidence == pytest.approx(0.9)
    assert merged.pattern.center_px == pytest.approx(PATTERN.center_px)


def test_two_are_surer_than_one_and_the_surer_counts_more() -> None:
    other = CalibrationFound(
        150,
        replace(PATTERN, center_px=(20.4, 30.0), center_error_px=(0.2, 0.2), frames=300),
        replace(ROTATION, rotation_rad=math.radians(174.0), error_rad=math.radians(2.0), flip_confidence=0.95),
        replace(DESCAN, terms_px=((2.0, 2.0), (3.0, 6.0)), certain=False),
        "a word",
    )
    merged = merged_found([ONE, other])
    assert merged is not None and merged.pattern is not None and merged.rotation is not None
    assert merged.positions == 200 and merged.note == "a word"
    assert merged.pattern.center_px[0] == pytest.approx(20.08) and merged.pattern.frames == 400
    assert merged.pattern.center_error_px[0] == pytest.approx(math.hypot(0.1, 0.2) ** -1 * 0.1 * 0.2)
    assert math.degrees(merged.rotation.rotation_rad) == pytest.approx(-178.0)
    assert math.degrees(merged.rotation.error_rad) == pytest.approx(2.0 / math.sqrt(2))
    assert merged.rotation.flip_confidence == pytest.approx(0.9 * 0.95 / (0.9 * 0.95 + 0.1 * 0.05))
    assert merged.rotation.trusted
    assert merged.descan is not None and not merged.descan.certain
    assert merged.descan.terms_px == ((1.5, 2.0), (3.0, 5.0))


def test_those_that_contradict_are_less_sure() -> None:
    turned = replace(ROTATION, rotation_rad=math.radians(10.0), direction_confidence=0.7)
    merged = merged_found([ONE, CalibrationFound(50, None, turned)])
    assert merged is not None and merged.rotation is not None
    assert math.degrees(merged.rotation.rotation_rad) == pytest.approx(-170.0)
    assert merged.rotation.direction_confidence == pytest.approx(1 / (1 + 1 / 9 * 7 / 3))
    mirrored = replace(ROTATION, flip=False, flip_confidence=0.6)
    other = merged_found([ONE, CalibrationFound(50, None, mirrored)])
    assert other is not None and other.rotation is not None and other.rotation.flip
    assert other.rotation.flip_confidence == pytest.approx(1 / (1 + 1 / 9 * 3 / 2))
