"""Maps of named virtual detectors: what is counted, which way quadrants point, what is left out and said."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.detector_settings import DetectorSettings
from stream_rrvae.detectors.laid_out import OnFrames, lay_out
from stream_rrvae.maps.growing import GrowingMaps
from stream_rrvae.maps.products import scan_maps
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.messages import Calibration, ScanStart
from stream_rrvae.scan_path import ScanPath
from stream_rrvae.scan_store import ScanStore, StoreShape

SHAPE = (4, 5)
WANTED = (
    DetectorSettings(name="abf", inner=0.5, outer=1.0),
    DetectorSettings(name="dpc", shape="quadrants", outer=1.0),
    DetectorSettings(name="cut", inner=1.0, outer=3.0),
    DetectorSettings(name="far", inner=30.0, outer=31.0),
)
TURNED = Calibration(mrad_per_px=2.0, detector_rotation_rad=math.radians(90.0))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ScanStore]:
    laid_out = lay_out(WANTED, OnFrames((40, 40), np.ones((40, 40), np.bool_), (19.5, 19.5), 10.0, None))
    start = ScanStart("scan", 1, (40, 40), "uint16", 20, SHAPE, path=ScanPath(passes=2))
    shape = StoreShape(SHAPE, (40, 40), 1, 1, len(laid_out.masks))
    with ScanStore.create(
        start, shape, {"basis": {}, "com_reference": "beam_center", **laid_out.info}, tmp_path
    ) as made:
        made.coverage[:19] = made.visits[:19] = 1
        made.sum[:19], made.com_y[:19], made.com_x[:19] = 100, 0.1, 0.2
        made.detectors[:19] = np.arange(19 * 6).reshape(19, 6)
        made.detectors[3, 1:5] = 0
        yield made


def test_maps_are_the_counts_and_quadrants_point(store: ScanStore) -> None:
    made = scan_maps(store)
    np.testing.assert_array_equal(made.maps["abf"].ravel()[:19], store.detectors[:19, 0])
    assert np.isnan(made.maps["abf"].ravel()[19])
    assert (made.units["abf"], made.units["dpc_3"], made.units["dpc_x"]) == ("counts", "counts", "1")
    right, down, left, up = (made.maps[f"dpc_{number}"] for number in (1, 2, 3, 4))
    with np.errstate(invalid="ignore"):
        total = right + down + left + up
        np.testing.assert_allclose(made.maps["dpc_x"], np.where(total > 0, (right - left) / total, np.nan), rtol=1e-5)
        np.testing.assert_allclose(made.maps["dpc_y"], np.where(total > 0, (down - up) / total, np.nan), rtol=1e-5)
    assert np.isnan(made.maps["dpc_x"].ravel()[3]), "nothing was counted there"


def test_quadrants_are_turned_as_the_com_is(store: ScanStore) -> None:
    plain, turned = scan_maps(store), scan_maps(store, calibration=TURNED)
    assert (plain.axes, turned.axes) == ("detector", "scan")
    np.testing.assert_allclose(turned.maps["dpc_x"], plain.maps["dpc_y"], atol=1e-6)
    np.testing.assert_allclose(turned.maps["dpc_y"], -plain.maps["dpc_x"], atol=1e-6)
    np.testing.assert_allclose(turned.maps["com_x"], 2 * plain.maps["com_y"], atol=1e-6)


def test_growing_maps_notice_a_further_pass(store: ScanStore) -> None:
    growing = GrowingMaps()
    growing.look(store, TURNED)
    store.detectors[7] *= 2
    store.sum[7] *= 2
    store.visits[7] = 2
    found, whole = growing.look(store, TURNED), scan_maps(store, calibration=TURNED)
    for name, image in whole.maps.items():
        np.testing.assert_array_equal(found.maps[name], image, err_msg=name)


def test_results_say_what_is_not_there_and_what_is_cut(store: ScanStore, tmp_path: Path) -> None:
    path = write_results(tmp_path / "r.h5", store, Provenance(0.0, 1.0, {}))
    with h5py.File(path) as file:
        maps = file["entry/maps"]
        assert b"no usable pixel" in file["entry/maps_not_made/far"][()]
        assert "% of the detector" in maps["cut"].attrs["note"] and "note" not in maps["abf"].attrs
        np.testing.assert_array_equal(maps["dpc_2"][()], scan_maps(store).maps["dpc_2"])


def test_a_store_without_them_is_as_ever(tmp_path: Path) -> None:
    start = ScanStart("scan", 1, (4, 4), "uint16", 20, SHAPE)
    with ScanStore.create(replace(start), StoreShape(SHAPE, (4, 4), 1, 1), folder=tmp_path) as made:
        assert made.detectors.shape == (20, 0) and "abf" not in scan_maps(made).maps
