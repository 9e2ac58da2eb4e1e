from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_rrvae.maps.com_shift import SCAN_MEAN, com_shift
from stream_rrvae.maps.derived import PHASE
from stream_rrvae.maps.products import MapProduct, derived_products, maps_of, merge, products, scan_maps
from stream_rrvae.maps.values import PositionValues, position_values
from stream_rrvae.messages import Calibration, ModelStatus
from stream_rrvae.scan_store import LearnerMaps, ScanStore

EVERY_PRODUCT = [*products(), *derived_products()]


def test_vectors_and_units_of_a_calibrated_scan(filled_store: ScanStore) -> None:
    found = scan_maps(filled_store)
    assert found.axes == "scan"
    assert found.units["com_magnitude"] == "mrad"
    assert found.maps["com_x"][0, 0] == pytest.approx(1.0)  # 0.5 px of 2 mrad
    assert found.maps["com_direction"][0, 0] == pytest.approx(np.arctan2(-1.0, 0.5))
    assert {m.shape for m in found.maps.values()} == {(4, 5)}
    assert {m.dtype for m in found.maps.values()} == {np.dtype(np.float32)}


def test_position_without_a_frame_is_nan_in_every_measured_map(filled_store: ScanStore) -> None:
    found = scan_maps(filled_store)
    for name, values in found.maps.items():
        if name != "coverage":
            assert np.isnan(values[-1, -1]), name
    assert found.maps["coverage"][-1, -1] == 0


def test_uncalibrated_scan_says_px_and_detector_axes(filled_store: ScanStore) -> None:
    values = replace(position_values(filled_store), axes="detector", com_unit="px", calibration=Calibration())
    found = maps_of(values, extra=(PHASE,))
    assert found.units["com_x"] == "px"
    assert found.units["dpc_phase"] == "px step"
    assert np.isnan(found.maps["dpc_phase"]).all()


@pytest.mark.parametrize("flip", [False, True])
def test_rotation_and_com_turn_together_into_scan_axes(make_store, flip: bool) -> None:  # type: ignore[no-untyped-def]
    store: ScanStore = make_store(calibration=Calibration(detector_rotation_rad=0.7, detector_flip=flip))
    angle = np.linspace(-3, 3, store.shape.n_positions)
    store.com_y[:], store.com_x[:] = np.sin(angle), np.cos(angle)
    n = store.shape.n_positions
    store.write_maps(LearnerMaps(ModelStatus(version=1), angle.astype("f4"), np.ones(n, "f4"), np.ones((2, n), "f4")))
    found = scan_maps(store)
    expected = -(angle - 0.7) if flip else angle - 0.7
    difference = np.exp(1j * (found.maps["rotation"].ravel() - expected))
    np.testing.assert_allclose(difference, 1, atol=1e-5)
    np.testing.assert_allclose(found.maps["com_direction"], found.maps["rotation"], atol=1e-5)


def test_estimated_centre_gives_way_to_the_scan_mean(make_store) -> None:  # type: ignore[no-untyped-def]
    store: ScanStore = make_store(reference=SCAN_MEAN)
    store.com_y[:10], store.com_x[:10] = np.arange(10), 3.0
    com = com_shift(store)
    com_y, com_x = com.y, com.x
    assert np.nanmean(com_y) == pytest.approx(0, abs=1e-6)
    assert np.nanmax(np.abs(com_x)) == pytest.approx(0, abs=1e-6)
    assert np.isnan(com_y[10:]).all()


@pytest.mark.parametrize("product", EVERY_PRODUCT, ids=lambda p: p.name)
def test_contract_of_every_product(product: MapProduct, filled_store: ScanStore) -> None:
    values = position_values(filled_store)
    before = values.sum.copy()
    first = product.compute(values)
    assert first.shape == (20,)
    assert isinstance(product.unit(values), str) and product.unit(values)
    np.testing.assert_array_equal(values.sum, before)
    np.testing.assert_array_equal(product.compute(values), first)


@pytest.mark.parametrize("product", [p for p in products() if p.name != "coverage"], ids=lambda p: p.name)
def test_parts_of_a_scan_merge_in_any_order(product: MapProduct, filled_store: ScanStore) -> None:
    whole = position_values(filled_store)
    top, bottom = _only(whole, slice(0, 9)), _only(whole, slice(9, 20))
    expected = product.compute(whole)
    np.testing.assert_array_equal(merge(product.compute(top), product.compute(bottom)), expected)
    np.testing.assert_array_equal(merge(product.compute(bottom), product.compute(top)), expected)


def _only(values: PositionValues, kept: slice) -> PositionValues:
    """`values` as if only the positions `kept` had been measured."""
    names = ("sum", "com_y", "com_x", "bright_field", "annular_dark_field", "rotation", "confidence")
    outside = np.ones(values.sum.size, bool)
    outside[kept] = False
    masked: dict[str, Any] = {name: np.where(outside, np.float32(np.nan), getattr(values, name)) for name in names}
    return replace(values, **masked)
