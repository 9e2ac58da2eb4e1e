"""What is settled before a scan is measured: site over stream, the disc found, and never a scan lost."""

import math
from dataclasses import replace

import numpy as np
import pytest

from stream_rrvae.calibration.override import override
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import CalibrationError
from stream_rrvae.ingest.mean_pattern import MeanPattern
from stream_rrvae.ingest.settle import NOTE, needs_frames, plan_of, settle, settle_without_disc
from stream_rrvae.messages import Calibration, ScanStart
from tests.ingest.conftest import CENTER_PX, RADIUS_PX, Specimen

SITE = CalibrationSettings()
START = ScanStart("s", 1, (20, 24), "uint16", 30)
GIVEN = Calibration(beam_center_px=CENTER_PX, disc_radius_px=RADIUS_PX, semiangle_mrad=20.0)
DARK = np.zeros((20, 24))


def test_the_site_overrides_the_stream() -> None:
    site = CalibrationSettings(semiangle_mrad=30.0, detector_rotation_deg=90.0, detector_flip=True)
    settled = override(replace(GIVEN, detector_rotation_rad=0.1, scan_step_nm=(1.0, 1.0)), site)
    assert settled.semiangle_mrad == 30.0
    assert settled.detector_rotation_rad == pytest.approx(math.pi / 2)
    assert settled.detector_flip
    assert settled.beam_center_px == CENTER_PX
    assert settled.scan_step_nm == (1.0, 1.0)


def test_angle_and_scale_of_the_site_decide_the_radius() -> None:
    site = CalibrationSettings(semiangle_mrad=30.0, mrad_per_px=5.0)
    assert settle(replace(START, calibration=GIVEN), site, DARK).disc.radius_px == 6.0


MASK = np.ones((20, 24), np.bool_)
SURE = CalibrationSettings(beam_center_px=CENTER_PX)


def test_a_disc_that_the_site_knows_and_a_mask_need_no_frames() -> None:
    start = replace(START, calibration=GIVEN, pixel_mask=MASK)
    assert not needs_frames(start, SURE)
    settled = settle(start, SURE, DARK)
    assert (settled.disc.center_px, settled.disc.radius_px) == (CENTER_PX, RADIUS_PX)
    assert settled.start.calibration.mrad_per_px == 4.0
    assert settled.com_reference == "beam_center"
    assert NOTE not in settled.start.metadata


def test_hot_pixels_are_looked_for_where_no_mask_is_announced() -> None:
    assert needs_frames(replace(START, calibration=GIVEN), SURE)


def test_an_announced_centre_is_looked_at() -> None:
    assert needs_frames(replace(START, calibration=GIVEN, pixel_mask=MASK), SITE)


def test_angle_and_scale_give_the_radius() -> None:
    calibration = Calibration(beam_center_px=CENTER_PX, semiangle_mrad=20.0, mrad_per_px=4.0)
    assert not needs_frames(replace(START, calibration=calibration, pixel_mask=MASK), SURE)
    assert settle(replace(START, calibration=calibration), SITE, DARK).disc.radius_px == 5.0


def test_an_unknown_disc_is_found(specimen: Specimen) -> None:
    start = replace(START, calibration=Calibration(semiangle_mrad=20.0))
    assert needs_frames(start, SITE)
    settled = settle(start, SITE, specimen.frames.mean(axis=0))
    assert settled.disc.center_px == pytest.approx(CENTER_PX, abs=0.5)
    assert settled.disc.radius_px == pytest.approx(RADIUS_PX, abs=0.5)
    assert settled.com_reference == "scan_mean"
    assert settled.start.calibration.mrad_per_px == pytest.approx(20.0 / settled.disc.radius_px)
    assert settled.start.calibration.beam_center_px == settled.disc.center_px


def test_a_given_centre_stays_where_only_the_radius_is_found(specimen: Specimen) -> None:
    start = replace(START, calibration=Calibration(beam_center_px=(9.0, 10.5)))
    settled = settle(start, SITE, specimen.frames.mean(axis=0))
    assert settled.disc.center_px == (9.0, 10.5)
    assert settled.disc.radius_px == pytest.approx(RADIUS_PX, abs=1.0)
    assert settled.com_reference == "beam_center"
    assert NOTE not in settled.start.metadata


def test_an_announced_centre_that_the_frames_contradict_is_replaced_and_told(specimen: Specimen) -> None:
    start = replace(START, calibration=replace(GIVEN, beam_center_px=(7.0, 12.0)))
    settled = settle(start, SITE, specimen.frames.mean(axis=0))
    assert settled.disc.center_px == pytest.approx(CENTER_PX, abs=0.5)
    assert settled.disc.radius_px == RADIUS_PX
    assert settled.start.calibration.beam_center_px == settled.disc.center_px
    assert settled.com_reference == "scan_mean"
    assert "(7.0, 12.0)" in settled.start.metadata[NOTE]


def test_a_centre_of_the_site_is_kept_and_the_contradiction_told(specimen: Specimen) -> None:
    site = CalibrationSettings(beam_center_px=(7.0, 12.0))
    settled = settle(replace(START, calibration=GIVEN), site, specimen.frames.mean(axis=0))
    assert settled.disc.center_px == (7.0, 12.0)
    assert settled.com_reference == "beam_center"
    assert "the disc is seen at" in settled.start.metadata[NOTE]


def test_few_electrons_contradict_nothing(specimen: Specimen) -> None:
    few = np.random.default_rng(0).binomial(specimen.frames[0].astype(np.int64), 0.05).astype(np.float64)
    start = replace(START, calibration=replace(GIVEN, beam_center_px=(9.0, 11.2)))
    assert settle(start, SITE, few).disc.center_px == (9.0, 11.2)


def test_a_scale_and_the_found_radius_give_the_angle(specimen: Specimen) -> None:
    start = replace(START, calibration=Calibration(mrad_per_px=4.0))
    settled = settle(start, SITE, specimen.frames.mean(axis=0))
    assert settled.start.calibration.semiangle_mrad == pytest.approx(4.0 * settled.disc.radius_px)


def test_without_any_light_the_disc_is_a_guess_that_says_so() -> None:
    settled = settle(START, SITE, DARK)
    assert settled.disc.center_px == (9.5, 11.5)
    assert settled.disc.radius_px == pytest.approx(20 / 3)
    assert "guess" in settled.start.metadata[NOTE]
    plan_of(settled)


def test_a_centre_off_the_detector_is_not_believed(specimen: Specimen) -> None:
    start = replace(START, calibration=replace(GIVEN, beam_center_px=(200.0, 5.0)))
    settled = settle(start, SITE, specimen.frames.mean(axis=0))
    assert settled.disc.center_px == pytest.approx(CENTER_PX, abs=0.5)
    assert "200.0" in settled.start.metadata[NOTE]


def test_where_the_disc_has_no_usable_pixel_the_whole_detector_is_taken() -> None:
    mask = np.zeros((20, 24), np.bool_)
    mask[-1, -1] = True
    start = replace(START, calibration=GIVEN, pixel_mask=mask)
    with pytest.raises(CalibrationError):
        plan_of(settle(start, SITE, DARK))
    settled = settle_without_disc(start, SITE, "the mask leaves nothing")
    assert "whole detector" in settled.start.metadata[NOTE]
    plan_of(settled)


def test_the_mean_leaves_out_what_has_no_data() -> None:
    start = replace(START, frame_shape=(1, 3), saturation=1000.0)
    mean = MeanPattern(start)
    mean.add(np.array([[10, 65535, 65535]], np.uint16))
    mean.add(np.array([[20, 30, 2000]], np.uint16))
    assert mean.n_frames == 2
    np.testing.assert_array_equal(mean.values, [[15.0, 30.0, 0.0]])
