"""The detector's rotation and flip are found on simulated scans whose mounting is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.calibration.geometry import to_scan_axes
from stream_rrvae.calibration.rotation import curl_curve, find_rotation
from stream_rrvae.errors import CalibrationError
from stream_rrvae.found import RotationFound
from stream_rrvae.messages import Calibration
from tests.calibration.conftest import SimulatedScan

ELECTRONS, SEEDS = 10_000, 10
Float = NDArray[np.float64]


def off_by_deg(found: RotationFound, rotation_deg: float) -> float:
    return abs((math.degrees(found.rotation_rad) - rotation_deg + 180) % 360 - 180)


@pytest.mark.parametrize(("rotation_deg", "flip"), [(37.0, False), (-151.0, False), (118.0, True)])
def test_graphene_within_one_degree_by_ten_thousand_electrons(
    simulated: SimulatedScan, rotation_deg: float, flip: bool
) -> None:
    scan = simulated(rotation_deg=rotation_deg, flip=flip)
    for seed in range(SEEDS):
        seen = scan.moments(ELECTRONS, seed)
        found = find_rotation(seen.com_y, seen.com_x, seen.dark_field)
        assert found.flip is flip
        assert off_by_deg(found, rotation_deg) < 1.0
        assert found.trusted


def test_a_part_of_a_scan_and_descan_are_enough(simulated: SimulatedScan) -> None:
    scan = simulated(rotation_deg=-64.0, flip=True, descan_px=(1.0, -0.7))
    seen = scan.moments(ELECTRONS, 0)
    seen.com_y[40:] = seen.com_x[40:] = seen.dark_field[40:] = np.nan
    gaps = np.random.default_rng(0).random(seen.com_y.shape) < 0.05
    seen.com_y[gaps] = seen.com_x[gaps] = seen.dark_field[gaps] = np.nan
    found = find_rotation(seen.com_y, seen.com_x, seen.dark_field)
    assert found.flip
    assert found.trusted
    assert off_by_deg(found, -64.0) < 2.0


def test_without_an_image_of_the_atoms_the_half_turn_stays_open(simulated: SimulatedScan) -> None:
    seen = simulated(rotation_deg=37.0).moments(ELECTRONS, 0)
    found = find_rotation(seen.com_y, seen.com_x)
    assert min(off_by_deg(found, 37.0), off_by_deg(found, -143.0)) < 1.0
    assert found.direction_confidence == pytest.approx(0.5)
    assert not found.trusted


def test_a_flip_that_is_known_is_not_asked_for(simulated: SimulatedScan) -> None:
    seen = simulated(rotation_deg=118.0, flip=True).moments(ELECTRONS, 0)
    found = find_rotation(seen.com_y, seen.com_x, seen.dark_field, flip=True)
    assert (found.flip, found.flip_confidence) == (True, 1.0)
    assert off_by_deg(found, 118.0) < 1.0


def waves(*directions_deg: float, side: int = 64) -> tuple[Float, Float, Float]:
    """Vectors (y, x) towards the maxima of a sum of cosines with these directions, and that sum."""
    y, x = np.indices((side, side)) / 9.3
    image, along_y, along_x = np.zeros((side, side)), np.zeros((side, side)), np.zeros((side, side))
    for angle in np.radians(directions_deg):
        ky, kx = np.sin(angle), np.cos(angle)
        phase = 2 * np.pi * (ky * y + kx * x)
        image, along_y, along_x = image + np.cos(phase), along_y - ky * np.sin(phase), along_x - kx * np.sin(phase)
    return along_y, along_x, image


@pytest.mark.parametrize("directions_deg", [(0, 90), (20,)])
def test_a_lattice_that_does_not_show_the_flip_says_so_without_an_image(directions_deg: tuple[float, ...]) -> None:
    com_y, com_x, _ = waves(*directions_deg)
    found = find_rotation(com_y, com_x)
    assert found.flip_confidence < 0.9
    assert not found.trusted


def test_a_square_lattice_shows_its_flip_by_the_image() -> None:
    com_y, com_x, image = waves(0, 90)
    found = find_rotation(com_y, com_x, image)
    assert not found.flip
    assert off_by_deg(found, 0.0) < 0.5
    assert found.trusted


def test_noise_is_not_trusted() -> None:
    trusted = []
    for seed in range(20):
        com_y, com_x, image = np.random.default_rng(seed).normal(size=(3, 64, 64))
        try:
            trusted.append(find_rotation(com_y, com_x, image).trusted)
        except CalibrationError:
            trusted.append(False)
    assert not any(trusted)


def test_a_scan_of_equal_frames_shows_no_rotation() -> None:
    found = find_rotation(np.zeros((32, 32)), np.zeros((32, 32)), None, (1.0, 1.0), None)
    assert not found.trusted and found.flip_confidence == 0.5


def test_what_is_stated_as_uncertain_is_what_it_is_off_by(simulated: SimulatedScan) -> None:
    scan = simulated(rotation_deg=37.0)
    pulls = []
    for seed in range(SEEDS):
        seen = scan.moments(300.0, seed)
        found = find_rotation(seen.com_y, seen.com_x, seen.dark_field)
        pulls.append(off_by_deg(found, 37.0) / math.degrees(found.error_rad))
    assert 0.2 < np.median(pulls) < 2.0


@pytest.mark.parametrize("measured", [0, 5])
def test_too_little_of_a_scan_is_said_plainly(measured: int) -> None:
    com_y, com_x, image = waves(0, 60, 120)
    com_y[measured:] = com_x[measured:] = np.nan
    with pytest.raises(CalibrationError, match="measured so far"):
        find_rotation(com_y, com_x, image)


def test_unequal_steps_do_not_bend_the_field() -> None:
    com_y, com_x, image = waves(0, 60, 120, side=96)
    found = find_rotation(com_y[::2], com_x[::2], image[::2], step=(2.0, 1.0))
    assert off_by_deg(found, 0.0) < 0.5
    assert not found.flip


def test_the_curl_is_least_at_the_angle_found(simulated: SimulatedScan) -> None:
    seen = simulated(rotation_deg=37.0).moments(ELECTRONS, 0)
    angles = np.radians(np.arange(0.0, 180.0, 0.5))
    curve = curl_curve(seen.com_y, seen.com_x, (1.0, 1.0), False, angles)
    assert np.degrees(angles[curve.argmin()]) == pytest.approx(37.0, abs=1.0)
    assert curve.max() == pytest.approx(1 - curve.min(), abs=0.01)


@pytest.mark.parametrize("rotation_deg", [0.0, 140.0])
@pytest.mark.parametrize("flip", [False, True])
def test_a_positive_point_charge_draws_the_beam_after_turning_by_what_was_found(
    rotation_deg: float, flip: bool
) -> None:
    """Written with matrices apart from the package: beam drawn to a charge, seen by a turned and mirrored detector."""
    y, x = np.indices((48, 48)) - np.array([21.4, 26.7])[:, None, None]
    distance = np.hypot(y, x) + 3.0
    drawn_y, drawn_x = -y / distance**3, -x / distance**3
    turn = np.radians(rotation_deg)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([1, -1 if flip else 1])
    seen_x, seen_y = np.einsum("ij,j...->i...", matrix, np.stack([drawn_x, drawn_y]))
    found = find_rotation(seen_y, seen_x, np.exp(-distance))
    assert found.flip is flip
    calibration = Calibration(detector_rotation_rad=found.rotation_rad, detector_flip=found.flip)
    com_y, com_x = to_scan_axes(seen_y.astype(np.float32), seen_x.astype(np.float32), calibration)
    towards = -(com_y * y + com_x * x) / (np.hypot(com_y, com_x) * np.hypot(y, x))
    assert towards.min() > 0.99
