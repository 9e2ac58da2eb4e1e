"""Vectors between detector and scan: there and back, and a charge that draws the beam from every position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rrvae.calibration.disc import Disc
from stream_rrvae.calibration.geometry import settle, to_detector_axes, to_scan_axes
from stream_rrvae.messages import Calibration

angles = st.none() | st.floats(-10, 10)
numbers = st.floats(-1e3, 1e3)
COULOMB = 1.0  # any unit: only directions count here


def shift_by_charge(y: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """COM shift of the beam in scan axes at (y, x) from a positive charge at the origin: force = -e E."""
    distance = np.hypot(y, x)
    field_y, field_x = COULOMB * y / distance**3, COULOMB * x / distance**3
    return -field_y, -field_x


def seen_by_detector(
    y: NDArray[np.float64], x: NDArray[np.float64], rotation_rad: float, flip: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The detector as `messages.Calibration` words it, written with matrices: R(+rotation) F (x, y)."""
    mirror = np.diag([1.0, -1.0 if flip else 1.0])
    turn = np.array([[np.cos(rotation_rad), -np.sin(rotation_rad)], [np.sin(rotation_rad), np.cos(rotation_rad)]])
    vx, vy = np.einsum("ij,j...->i...", turn @ mirror, np.stack((x, y)))
    return vy, vx


@pytest.mark.parametrize("rotation_deg", [0.0, 30.0, 90.0, -137.0, 180.0])
@pytest.mark.parametrize("flip", [False, True])
def test_a_positive_charge_draws_the_com_towards_it_everywhere(rotation_deg: float, flip: bool) -> None:
    y, x = (axis.astype(np.float64) for axis in np.indices((9, 12)))
    y, x = y - 4.3, x - 5.6
    rotation = np.radians(rotation_deg)
    on_detector = seen_by_detector(*shift_by_charge(y, x), rotation, flip)
    calibration = Calibration(detector_rotation_rad=rotation, detector_flip=flip)
    com_y, com_x = to_scan_axes(on_detector[0].astype(np.float32), on_detector[1].astype(np.float32), calibration)
    length, distance = np.hypot(com_y, com_x), np.hypot(y, x)
    towards = -(com_y * y + com_x * x) / (length * distance)
    np.testing.assert_allclose(towards, 1, atol=1e-5)


def test_a_flip_is_seen() -> None:
    one, nothing = np.ones(1, np.float32), np.zeros(1, np.float32)
    y, x = to_scan_axes(one, nothing, Calibration(detector_flip=True))
    assert (y[0], x[0]) == (-1, 0)
    y, x = to_scan_axes(one, nothing, Calibration(detector_rotation_rad=np.pi / 2))
    np.testing.assert_allclose((y[0], x[0]), (0, 1), atol=1e-7)


@given(numbers, numbers, angles, st.booleans())
def test_there_and_back_is_the_same(y: float, x: float, rotation: float | None, flip: bool) -> None:
    calibration = Calibration(detector_rotation_rad=rotation, detector_flip=flip)
    start = np.array([y], np.float32), np.array([x], np.float32)
    for there, back in ((to_scan_axes, to_detector_axes), (to_detector_axes, to_scan_axes)):
        end = back(*there(*start, calibration), calibration)
        np.testing.assert_allclose(end, start, rtol=1e-5, atol=1e-3)


def test_a_known_semiangle_and_the_radius_give_the_scale() -> None:
    settled = settle(Calibration(semiangle_mrad=31.0, detector_flip=True), Disc((23.5, 22.0), 14.5))
    assert settled.mrad_per_px == pytest.approx(31 / 14.5)
    assert settled.beam_center_px == (23.5, 22.0)
    assert settled.disc_radius_px == 14.5
    assert settled.detector_flip


def test_a_given_scale_stays_and_gives_the_semiangle() -> None:
    both = settle(Calibration(semiangle_mrad=30.0, mrad_per_px=2.0), Disc((1.0, 1.0), 14.5))
    assert (both.mrad_per_px, both.semiangle_mrad) == (2.0, 30.0)
    assert settle(Calibration(mrad_per_px=2.0), Disc((1.0, 1.0), 14.5)).semiangle_mrad == 29.0


def test_without_angle_and_scale_the_pattern_stays_uncalibrated() -> None:
    settled = settle(Calibration(), Disc((1.0, 1.0), 14.5))
    assert settled.mrad_per_px is None
    assert settled.semiangle_mrad is None
