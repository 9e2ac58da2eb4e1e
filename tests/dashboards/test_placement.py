"""Coordinates: row 0 at the top, column 0 at the left, square pixels, units where they are known."""

from __future__ import annotations

import math

import pytest

from dashboards.pictures.placement import pattern_placement, scan_placement, scan_point
from stream_rrvae.messages import Calibration


def test_a_scan_lies_in_nm_where_its_step_is_known() -> None:
    place = scan_placement((4, 6), Calibration(scan_step_nm=(0.5, 0.25)))
    assert (place.width, place.height, place.unit) == (1.5, 2.0, "nm")
    assert scan_point(place, (4, 6), (0, 0)) == (0.125, 0.25)


@pytest.mark.parametrize("step", [None, (0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_a_scan_lies_in_px_where_its_step_is_not_known_or_makes_no_sense(step: tuple[float, float] | None) -> None:
    place = scan_placement((4, 6), Calibration(scan_step_nm=step))
    assert (place.width, place.height, place.unit) == (6.0, 4.0, "px")


def test_the_view_is_a_square_around_the_scan_with_y_downwards() -> None:
    x_start, x_end, y_start, y_end = scan_placement((4, 6), Calibration()).square()
    assert x_end - x_start == y_start - y_end == 6.0
    assert (x_start, x_end) == (0.0, 6.0)
    assert (y_end, y_start) == (-1.0, 5.0)


def test_a_pattern_lies_in_mrad_from_the_beam() -> None:
    place = pattern_placement((8, 10), Calibration(mrad_per_px=2.0, beam_center_px=(3.0, 4.0)))
    # Pixel (3, 4) is the beam: its middle lies at the origin.
    assert (place.x + 4.5 * 2.0, place.y + 3.5 * 2.0) == (0.0, 0.0)
    assert (place.width, place.height, place.unit) == (20.0, 16.0, "mrad")


def test_without_a_calibration_a_pattern_lies_in_px_from_its_middle() -> None:
    place = pattern_placement((8, 10), Calibration(mrad_per_px=0.0))
    assert (place.x, place.y, place.width, place.unit) == (-5.0, -4.0, 10.0, "px")


def test_an_empty_scan_has_a_square_all_the_same() -> None:
    x_start, x_end, y_start, y_end = scan_placement((0, 0), Calibration()).square()
    assert x_end > x_start and y_start > y_end
