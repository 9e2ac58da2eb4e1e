"""The phase of the live feed: as positions come in any order, it is the sum over all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.maps.bounded_phase import BoundedPhase, kernel
from stream_rrvae.maps.live_maps import LOOKS_WHERE_ALL_CHANGE, PHASE_NAME, LiveMaps
from stream_rrvae.maps.phase import phase_of
from stream_rrvae.maps.products import derived_products, maps_of
from stream_rrvae.maps.values import position_values
from stream_rrvae.messages import Calibration
from stream_rrvae.scan_store import ScanStore

SHAPE, STEP = (40, 52), (0.02, 0.03)
CALIBRATION = Calibration(mrad_per_px=1.0, scan_step_nm=STEP, detector_rotation_rad=0.0, beam_energy_ev=6e4)
Field = NDArray[np.float32]


@pytest.fixture
def gradient() -> Field:
    """Of waves 10 positions long [2, y, x]."""
    y, x = np.indices(SHAPE)
    waves = [np.sin(2 * np.pi * (y * a + x * b) / 10 + p) for a, b, p in ((1, 0, 0.3), (0.5, 0.8, 1), (-0.5, 0.9, 2))]
    return np.stack([sum(waves), 0.5 * waves[1] + 0.8 * waves[2]]).astype(np.float32)


def summed(gradient: Field, reach: int) -> NDArray[np.float64]:
    """The definition, position by position."""
    (ky, kx), total = kernel(reach, STEP), np.zeros((SHAPE[0] + 2 * reach, SHAPE[1] + 2 * reach))
    for y, x in np.ndindex(SHAPE):
        total[y : y + 2 * reach + 1, x : x + 2 * reach + 1] += gradient[0, y, x] * ky + gradient[1, y, x] * kx
    return total[reach:-reach, reach:-reach]


@pytest.mark.parametrize("reach", [3, 12])
def test_parts_in_any_order_give_the_sum_over_all(gradient: Field, reach: int) -> None:
    phase, known = BoundedPhase(SHAPE, STEP, reach), np.zeros_like(gradient)
    rng = np.random.default_rng(0)
    for positions in np.array_split(rng.permutation(SHAPE[0] * SHAPE[1]), 5):
        known.reshape(2, -1)[:, positions] = gradient.reshape(2, -1)[:, positions]
        phase.take(known, phase.changed_lines(known))
    assert phase.changed_lines(known) == slice(0, 0)
    expected = summed(gradient, reach)
    found = phase.image(np.ones(SHAPE, bool))
    np.testing.assert_allclose(found, expected - expected.mean(), atol=1e-4 * np.abs(expected).max())


def test_what_is_smaller_than_the_reach_is_as_in_the_whole_integral(gradient: Field) -> None:
    y, x = np.indices(SHAPE)
    truth = np.cos(2 * np.pi * x / 10) + np.cos(2 * np.pi * (0.5 * x + 0.8 * y) / 10)
    step = (1.0, 1.0)
    waves = [np.sin(2 * np.pi * x / 10), np.sin(2 * np.pi * (0.5 * x + 0.8 * y) / 10)]
    of_truth = -2 * np.pi / 10 * np.stack([0.8 * waves[1], waves[0] + 0.5 * waves[1]]).astype(np.float32)
    phase = BoundedPhase(SHAPE, step, 20)
    phase.take(of_truth, slice(0, SHAPE[0]))
    found = phase.image(np.ones(SHAPE, bool))
    inner = (slice(8, -8), slice(8, -8))
    assert np.corrcoef(found[inner].ravel(), truth[inner].ravel())[0, 1] > 0.98
    assert np.polyfit(truth[inner].ravel(), found[inner].ravel(), 1)[0] == pytest.approx(1.0, abs=0.1)


@pytest.fixture
def store(make_store: Callable[..., ScanStore]) -> ScanStore:
    return make_store(SHAPE, calibration=CALIBRATION)


def test_the_feed_has_the_phase_of_what_was_measured(store: ScanStore, gradient: Field) -> None:
    maps = LiveMaps()
    for until in (700, 1300):
        store.com_y[:until], store.com_x[:until] = gradient.reshape(2, -1)[:, :until]
        store.coverage[:until] = 1
        for _ in range(LOOKS_WHERE_ALL_CHANGE):
            found = maps.look(store, CALIBRATION)
        image = found.maps[PHASE_NAME].ravel()
        assert np.isfinite(image[:until]).all() and np.isnan(image[until:]).all()
    assert found.units[PHASE_NAME] == "rad"
    whole = phase_of(found.maps["com_y"], found.maps["com_x"], "mrad", CALIBRATION)
    expected = maps_of(position_values(store, CALIBRATION), derived_products())
    np.testing.assert_array_equal(found.maps["charge_density"], expected.maps["charge_density"])
    assert found.units["charge_density"] == "e/nm^2"
    assert np.corrcoef(image[:1300], whole.ravel()[:1300])[0, 1] > 0.9


def test_there_is_none_where_the_rotation_is_not_known_or_it_is_not_wanted(store: ScanStore) -> None:
    store.com_y[:], store.com_x[:], store.coverage[:] = 1, 1, 1
    unturned = LiveMaps().look(store, replace(CALIBRATION, detector_rotation_rad=None))
    assert PHASE_NAME not in unturned.maps
    reason = "the rotation of the detector is not known"
    assert unturned.not_made == {PHASE_NAME: reason, "charge_density": reason}
    without = LiveMaps(with_derived=False).look(store, CALIBRATION)
    assert PHASE_NAME not in without.maps and without.not_made == {}, "nobody misses what is not wanted"
    maps = LiveMaps()
    assert maps.look(store, replace(CALIBRATION, beam_energy_ev=None)).units[PHASE_NAME] == "mrad step"
    found = maps.look(store, replace(CALIBRATION, beam_energy_ev=None))
    assert "divergence" in found.maps and found.not_made == {"charge_density": "the beam energy is not known"}
    assert maps.look(store, CALIBRATION).units[PHASE_NAME] == "rad"
