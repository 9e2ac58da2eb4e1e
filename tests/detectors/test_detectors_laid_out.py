"""Virtual detectors of settings: their short form, their pixels on a scan's frames, what cannot be."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from stream_rrvae.config import Settings, load
from stream_rrvae.detector_settings import PRESETS, RESERVED, DetectorSettings, detector_from_text
from stream_rrvae.detectors.area import DetectorArea
from stream_rrvae.detectors.laid_out import LaidOut, OnFrames, check_detectors, lay_out
from stream_rrvae.detectors.mask_file import read_mask
from stream_rrvae.errors import ConfigError
from stream_rrvae.maps.products import derived_products, products

SHAPE = (48, 56)
FRAMES = OnFrames(SHAPE, np.ones(SHAPE, np.bool_), (23.0, 27.5), 12.0, None)


def laid_out(*texts: str, frames: OnFrames = FRAMES) -> LaidOut:
    return lay_out([DetectorSettings(**detector_from_text(text)) for text in texts], frames)


def test_every_form_is_understood(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.eye(*SHAPE))
    made = laid_out("abf", "dpc=quadrants:0:1", "side=segment:0.2:1.5:90:45", f"mine=mask:{tmp_path / 'm.npy'}")
    assert [told["name"] for told in made.told] == ["abf", "dpc", "side", "mine"]
    assert [told["first"] for told in made.told] == [0, 1, 5, 6] and len(made.masks) == 7
    ky, kx = np.indices(SHAPE) - np.array([23.0, 27.5])[:, None, None]
    distance, angle = np.hypot(ky, kx), np.degrees(np.arctan2(ky, kx))
    np.testing.assert_array_equal(made.masks[0], (distance >= 6) & (distance < 12))
    np.testing.assert_array_equal(made.masks[1:5].sum(axis=0), (distance < 12) & (distance > 0))
    turned = np.abs(np.remainder(angle - 90 + 180, 360) - 180)
    assert (
        not made.masks[5][turned > 22.6].any()
        and made.masks[5][(turned < 22.4) & (distance < 17.9) & (distance > 3)].all()
    )
    np.testing.assert_array_equal(made.masks[6], np.eye(*SHAPE, dtype=np.bool_))
    # Each quadrant lies around its own axis, the first around +kx.
    middles = [(kx[mask].mean(), ky[mask].mean()) for mask in made.masks[1:5]]
    assert np.allclose(np.argmax(np.abs(middles), axis=1), [0, 1, 0, 1]) and middles[0][0] > 0 and middles[1][1] > 0


def test_quadrants_of_a_centred_pattern_balance() -> None:
    even = OnFrames((49, 49), np.ones((49, 49), np.bool_), (24.0, 24.0), 15.0, None)
    assert len({int(mask.sum()) for mask in laid_out("dpc", frames=even).masks}) == 1


@pytest.mark.parametrize(
    "text",
    ["nothing", "x=ring:1:2", "x=annulus:1", "x=annulus:1:two", "x=quadrants:0:1:2:3", "x=mask:", "=annulus:0:1"],
)
def test_what_is_no_detector_is_said(text: str) -> None:
    with pytest.raises((ConfigError, ValueError)):
        DetectorSettings(**detector_from_text(text))


@pytest.mark.parametrize(
    ("detectors", "fault"),
    [
        ([{"name": "sum", "outer": 1.0}], "already"),
        ([{"name": "latent_1", "outer": 1.0}], "already"),
        ([{"name": "a", "outer": 1.0}, {"name": "a", "outer": 2.0}], "already"),
        ([{"name": "q", "shape": "quadrants", "outer": 1.0}, {"name": "q_x", "outer": 2.0}], "already"),
        ([{"name": "a", "inner": 2.0, "outer": 1.0}], "outer must be more"),
        ([{"name": "A b", "outer": 1.0}], "pattern"),
        ([{"name": "a", "outer": float("nan")}], "outer"),
        ([{"name": "a", "shape": "mask"}], "file"),
        ([{"name": f"d{number}", "outer": 1.0} for number in range(9)], "8 virtual"),
    ],
)
def test_settings_are_checked(detectors: list[dict[str, Any]], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Settings(detectors=detectors)


def test_reserved_names_are_all_that_maps_have() -> None:
    assert {product.name for product in (*products(), *derived_products())} <= RESERVED


def test_they_are_read_from_a_settings_file(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('[[detectors]]\nname = "haadf"\ninner = 2.0\nouter = 5.0\n')
    settings = load(tmp_path / "s.toml", {})
    assert settings.detectors == (DetectorSettings(name="haadf", inner=2.0, outer=5.0),)
    over = load(tmp_path / "s.toml", {"detectors": [{"name": "abf", **PRESETS["abf"]}]})
    assert [each.name for each in over.detectors] == ["abf"]


def test_what_a_scan_cannot_have_is_left_out_and_said(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.ones((4, 4)))
    far = DetectorSettings(name="far", inner=20.0, outer=30.0)
    angle = DetectorSettings(name="angle", unit="mrad", inner=1.0, outer=30.0)
    other = DetectorSettings(name="other", shape="mask", file=tmp_path / "m.npy")
    made = lay_out([far, DetectorSettings(name="bf", outer=1.0), angle, other], FRAMES)
    assert [told["name"] for told in made.told] == ["bf"] and len(made.masks) == 1
    assert "no usable pixel" in made.left_out["far"]
    assert "mrad" in made.left_out["angle"]
    assert "(4, 4)" in made.left_out["other"] and "(48, 56)" in made.left_out["other"]


def test_how_much_of_a_detector_lies_on_the_frames_is_told() -> None:
    whole, cut = laid_out("bf", "adf").told
    assert whole["covered"] == 1.0 and 0.5 < cut["covered"] < 0.95


def test_mrad_are_pixels_where_the_scale_is_known() -> None:
    frames = OnFrames(SHAPE, FRAMES.usable, FRAMES.center_px, FRAMES.radius_px, 2.0)
    made = lay_out([DetectorSettings(name="a", unit="mrad", inner=4.0, outer=20.0)], frames)
    np.testing.assert_array_equal(made.masks[0], DetectorArea(FRAMES.center_px, 2.0, 10.0).mask(SHAPE))


def test_segments_beside_each_other_share_no_pixel() -> None:
    areas = [
        DetectorArea((20.0, 20.0), 0.0, 19.0, math.radians(angle), math.radians(30.0)) for angle in range(0, 360, 30)
    ]
    together = np.sum([area.mask((41, 41)) for area in areas], axis=0)
    ky, kx = np.indices((41, 41)) - 20.0
    np.testing.assert_array_equal(together, ((np.hypot(ky, kx) < 19) & (np.hypot(ky, kx) > 0)).astype(int))


MASK = np.indices((6, 9)).sum(axis=0) % 2


@pytest.mark.parametrize("kind", ["npy", "png", "png of bits", "h5", "h5 by name"])
def test_masks_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"mask.{kind[:3].strip()}"
    if kind == "npy":
        np.save(path, MASK * 3.5)
    elif kind.startswith("png"):
        image = Image.fromarray((255 * MASK).astype(np.uint8))
        (image.convert("1") if "bits" in kind else image).save(path)
    else:
        with h5py.File(path, "w") as file:
            file["group/other" if "name" in kind else "mask"] = MASK.astype(np.bool_)
        path = Path(f"{path}::/group/other") if "name" in kind else path
    np.testing.assert_array_equal(read_mask(path), MASK != 0)


def _link_elsewhere(path: Path) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["mask"] = MASK
    with h5py.File(path, "w") as file:
        file["mask"] = h5py.ExternalLink(str(path.with_name("other.h5")), "/mask")


def _virtual(path: Path) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["mask"] = MASK
    layout = h5py.VirtualLayout(MASK.shape, MASK.dtype)
    layout[...] = h5py.VirtualSource(str(path.with_name("other.h5")), "mask", MASK.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("mask", layout)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 20, 1 << 20)}
        )


BAD = {
    "a.txt": (lambda path: path.write_text("1"), "of no kind"),
    "b.npy": (lambda path: path.write_bytes(b"\x93NUMPY"), "cannot be read"),
    "c.npy": (lambda path: np.save(path, np.ones(4)), "no mask"),
    "d.npy": (lambda path: np.save(path, np.full((4, 4), np.nan)), "no number"),
    "e.npy": (lambda path: np.save(path, np.zeros((4, 4))), "0 everywhere"),
    "f.npy": (lambda path: np.save(path, np.array([[{}]]), allow_pickle=True), "cannot be read"),
    "g.npy": (_huge, "cannot be read|no mask"),
    "h.png": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "cannot be read"),
    "i.png": (lambda path: Image.new("RGB", (4, 4)).save(path), "colour"),
    "j.h5": (_link_elsewhere, "0 datasets"),
    "k.h5": (_virtual, "other files"),
    "l.h5": (lambda path: path.write_bytes(b"no"), "cannot be read"),
    "m.npy": (lambda path: None, "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_mask_is_said_before_the_first_scan(name: str, tmp_path: Path) -> None:
    make, fault = BAD[name]
    make(tmp_path / name)  # type: ignore[no-untyped-call]  # each makes one kind of bad file
    with pytest.raises(ConfigError, match=fault):
        check_detectors([DetectorSettings(name="mine", shape="mask", file=tmp_path / name)])
