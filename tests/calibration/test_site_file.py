"""A site's calibration file: what it says at a camera length, what is wrong with one, and an entry that is added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rrvae.calibration.origin import origins
from stream_rrvae.calibration.override import override
from stream_rrvae.calibration.site import SITE_NOTE, kept_site, site_word
from stream_rrvae.calibration.site_file import CameraLength, load_site
from stream_rrvae.calibration.site_writer import add_entry
from stream_rrvae.config import CalibrationSettings, Settings
from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import Calibration, ScanStart

START = ScanStart("scan", 1, (6, 8), "uint16", 100, calibration=Calibration(beam_energy_ev=60e3, mrad_per_px=9.0))
TWO = """
instrument = "ARM"

[[camera_length]]
camera_length_mm = 100
mrad_per_px = 1.25
rotation_deg = -12.5
flip = true

[[camera_length]]
camera_length_mm = 200.0
mrad_per_px = 0.6  # half of it
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(TWO)
    return path


def settings(**values: Any) -> Settings:
    return Settings(**values)


@pytest.mark.parametrize(("told", "scale"), [(100, 1.25), (100.5, 1.25), (199.0, 0.6)])
def test_the_stream_s_camera_length_chooses_the_entry(site: Path, told: float, scale: float) -> None:
    word = site_word(replace(START, metadata={"camera_length_mm": told}), settings(site=site))
    assert word.settings.mrad_per_px == scale
    assert word.file is not None
    assert word.file["text"] == TWO


def test_the_command_line_s_camera_length_wins_over_the_stream_s(site: Path) -> None:
    start = replace(START, metadata={"camera_length_mm": 200.0})
    word = site_word(start, settings(site=site, camera_length_mm=100.0))
    assert (word.settings.detector_rotation_deg, word.settings.detector_flip) == (-12.5, True)


def test_settings_win_over_the_file_and_the_file_over_the_stream(site: Path) -> None:
    own = CalibrationSettings(detector_rotation_deg=3.0, descan="plane")
    word = site_word(START, settings(site=site, camera_length_mm=100.0, calibration=own))
    assert word.settings.detector_rotation_deg == 3.0
    assert word.settings.detector_flip
    assert word.settings.descan == "plane"
    settled = override(START.calibration, word.settings)
    assert settled.mrad_per_px == 1.25
    assert origins(START.calibration, word.settings, word.from_file, settled) == {
        "mrad_per_px": "site file",
        "detector_rotation_rad": "settings",
        "detector_flip": "site file",
        "beam_energy_ev": "stream",
    }


def test_what_is_fitted_and_what_follows_from_it_say_so() -> None:
    nothing = CalibrationSettings()
    settled = Calibration(mrad_per_px=1.1, semiangle_mrad=30.0, beam_center_px=(3.0, 4.0), disc_radius_px=27.0)
    said = CalibrationSettings(semiangle_mrad=30.0)
    assert origins(Calibration(), said, nothing, settled) == {
        "mrad_per_px": "derived",
        "semiangle_mrad": "settings",
        "beam_center_px": "fitted",
        "disc_radius_px": "fitted",
    }


@pytest.mark.parametrize("told", [None, 150.0])
def test_a_camera_length_that_is_not_known_costs_no_scan_and_is_noted(site: Path, told: float | None) -> None:
    start = START if told is None else replace(START, metadata={"camera_length_mm": told})
    word = site_word(start, settings(site=site))
    assert word.settings.mrad_per_px is None
    assert "100 mm, 200 mm" in word.start.metadata[SITE_NOTE]


def test_of_one_entry_the_camera_length_need_not_be_told(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text("[[camera_length]]\ncamera_length_mm = 80\nmrad_per_px = 2.0\n")
    assert site_word(START, settings(site=path)).settings.mrad_per_px == 2.0


def test_mask_and_flat_field_leave_pixels_out(tmp_path: Path) -> None:
    mask, flat = np.ones((6, 8), np.uint8), np.ones((6, 8))
    mask[0, 0], flat[1, 1], flat[2, 2] = 0, 0.3, np.nan
    np.save(tmp_path / "mask.npy", mask)
    np.save(tmp_path / "flat.npy", flat)
    path = tmp_path / "site.toml"
    path.write_text('mask = "mask.npy"\nflat_field = "flat.npy"\n' + TWO)
    told = np.ones((6, 8), np.bool_)
    told[5, 5] = False
    word = site_word(replace(START, pixel_mask=told), settings(site=path, camera_length_mm=100.0))
    assert word.start.pixel_mask is not None
    assert sorted(zip(*(at.tolist() for at in np.nonzero(~word.start.pixel_mask)), strict=True)) == [
        (0, 0),
        (1, 1),
        (2, 2),
        (5, 5),
    ]
    other = site_word(replace(START, frame_shape=(4, 4)), settings(site=path, camera_length_mm=100.0))
    assert "its mask is of (6, 8) pixels" in other.start.metadata[SITE_NOTE]
    assert other.start.pixel_mask is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("camera_length = 3", "camera_length"),
        ("[[camera_length]]\nmrad_per_px = 1.0", "camera_length.0.camera_length_mm: Field required"),
        ("[[camera_length]]\ncamera_length_mm = -1", "greater than 0"),
        ("[[camera_length]]\ncamera_length_mm = 1\nrotation = 3", "camera_length.0.rotation"),
        (TWO + "[[camera_length]]\ncamera_length_mm = 100.2", "100 and 100.2 mm are one"),
        ('mask = "none.npy"', "cannot be read"),
        ("mask = [", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_plainly(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_site(path)


def test_arrays_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    for array, said in ((np.full((2, 2), 7), "other values"), (np.ones(3), "no array"), (np.array(["a"]), "no array")):
        np.save(tmp_path / "mask.npy", array)
        path.write_text('mask = "mask.npy"')
        with pytest.raises(ConfigError, match=said):
            load_site(path)


def test_a_file_of_objects_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    np.save(tmp_path / "mask.npy", np.array([{"a": 1}], object), allow_pickle=True)
    path.write_text('mask = "mask.npy"')
    with pytest.raises(ConfigError, match="cannot be read"):
        load_site(path)


def test_a_missing_file_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the site file"):
        kept_site(tmp_path / "none.toml")


def test_an_entry_is_added_and_what_is_there_stays(site: Path) -> None:
    entry = CameraLength(camera_length_mm=400.0, mrad_per_px=0.31, flip=False)
    add_entry(site, entry, ("a remark\nof two lines",))
    assert site.read_text().startswith(TWO.rstrip())
    assert load_site(site).at(400.0) == entry
    assert "# a remark of two lines" in site.read_text()
    with pytest.raises(ConfigError, match="says already what holds at 400 mm"):
        add_entry(site, entry, ())


def test_a_new_file_is_made(tmp_path: Path) -> None:
    entry = CameraLength(camera_length_mm=100.0, mrad_per_px=1.25, semiangle_mrad=31.0, rotation_deg=-12.5, flip=True)
    assert load_site(add_entry(tmp_path / "sites" / "new.toml", entry, ())).at(None) == entry


def test_a_flat_field_is_applied_where_pixels_are_usable(tmp_path: Path) -> None:
    flat = np.full((6, 8), 2.0)
    flat[1, 1], flat[2, 2], flat[3, 3] = 2.5, 0.1, np.nan
    np.save(tmp_path / "flat.npy", flat)
    (tmp_path / "site.toml").write_text('flat_field = "flat.npy"\n')
    word = site_word(START, settings(site=tmp_path / "site.toml"))
    assert word.gain is not None and word.start.pixel_mask is not None
    assert (word.gain[0, 0], word.gain[1, 1], word.gain[2, 2], word.gain[3, 3]) == pytest.approx((1.0, 0.8, 1.0, 1.0))
    assert not word.start.pixel_mask[2, 2] and not word.start.pixel_mask[3, 3]
    other = site_word(replace(START, frame_shape=(6, 9)), settings(site=tmp_path / "site.toml"))
    assert other.gain is None and SITE_NOTE in other.start.metadata


@pytest.mark.parametrize(
    ("told", "scale"),
    [
        ({"detector_distance": 0.1}, 1.25),
        ({"detector_translation": [0.0, 0.0, -0.2]}, 0.6),
        ({"detector_distance": 0.0, "detector_translation": [0.0, 0.0, 0.2]}, 0.6),
    ],
)
def test_a_vendor_s_distance_chooses_an_entry_that_is_there(site: Path, told: dict[str, Any], scale: float) -> None:
    word = site_word(replace(START, metadata={"detector": told}), settings(site=site))
    assert word.settings.mrad_per_px == scale


@pytest.mark.parametrize(
    "told", [{"detector_distance": 0.7}, {"detector_distance": "far"}, {"detector_translation": 3}, 5]
)
def test_a_vendor_s_distance_that_no_entry_has_says_nothing(site: Path, tmp_path: Path, told: Any) -> None:
    start = replace(START, metadata={"detector": told})
    assert site_word(start, settings(site=site)).settings.mrad_per_px is None
    (tmp_path / "one.toml").write_text("[[camera_length]]\ncamera_length_mm = 100\nmrad_per_px = 1.25\n")
    assert site_word(start, settings(site=tmp_path / "one.toml")).settings.mrad_per_px == 1.25
