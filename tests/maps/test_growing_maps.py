"""Maps made of what changed are, to the bit, the maps made of everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_rrvae.maps.com_shift import SCAN_MEAN
from stream_rrvae.maps.derived import PHASE
from stream_rrvae.maps.growing import LOOKS_BEFORE_ALL, GrowingMaps
from stream_rrvae.maps.products import scan_maps
from stream_rrvae.messages import Calibration, ModelStatus
from stream_rrvae.scan_store import LearnerMaps, ScanStore

SHAPE, N = (6, 7), 42
CALIBRATION = Calibration(mrad_per_px=0.5, scan_step_nm=(0.1, 0.1), detector_rotation_rad=0.7, beam_energy_ev=6e4)
MEASURED = ("sum", "com_y", "com_x", "bright_field", "annular_dark_field")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def measure(store: ScanStore, positions: Sequence[int], rng: np.random.Generator) -> None:
    for name in MEASURED:
        getattr(store, name)[list(positions)] = rng.normal(size=len(positions))
    store.coverage[list(positions)] = 1


def learn(store: ScanStore, version: int, rng: np.random.Generator) -> None:
    rotation, confidence, misfit = rng.normal(size=(3, N)).astype(np.float32)
    latents = rng.normal(size=(2, N)).astype(np.float32)
    store.write_maps(LearnerMaps(ModelStatus(version=version), rotation, confidence, latents, misfit))


def assert_all_found(maps: GrowingMaps, store: ScanStore, calibration: Calibration | None = None) -> None:
    calibration = calibration or store.start.calibration
    found, expected = maps.look(store, calibration), scan_maps(store, extra=(PHASE,), calibration=calibration)
    assert (found.axes, found.units, list(found.maps)) == (expected.axes, expected.units, list(expected.maps))
    for name, image in expected.maps.items():
        np.testing.assert_array_equal(found.maps[name], image, err_msg=name)


@pytest.mark.parametrize("reference", ["beam_center", SCAN_MEAN])
@pytest.mark.parametrize("calibration", [CALIBRATION, Calibration()], ids=["calibrated", "not"])
def test_every_look_finds_what_a_look_at_everything_finds(
    make_store: Callable[..., ScanStore], rng: np.random.Generator, calibration: Calibration, reference: str
) -> None:
    store, maps = make_store(SHAPE, calibration=calibration, reference=reference), GrowingMaps(extra=(PHASE,))
    assert_all_found(maps, store)
    for version, positions in enumerate(np.array_split(rng.permutation(N), 9)):
        measure(store, positions.tolist(), rng)
        assert_all_found(maps, store)
        assert_all_found(maps, store)
        if version % 3 == 1:
            learn(store, version, rng)
            assert_all_found(maps, store)


def test_another_scan_and_another_calibration_are_noticed(
    make_store: Callable[..., ScanStore], rng: np.random.Generator
) -> None:
    first, second, maps = make_store(SHAPE), make_store((3, 4)), GrowingMaps(extra=(PHASE,))
    measure(first, [0, 1, 9], rng)
    measure(second, [2], rng)
    for store in (first, second, first):
        assert_all_found(maps, store)
    assert_all_found(maps, first, CALIBRATION)
    assert_all_found(maps, first, replace(CALIBRATION, detector_rotation_rad=-1.1))


def test_only_what_changed_is_read_and_from_time_to_time_everything(
    make_store: Callable[..., ScanStore], rng: np.random.Generator
) -> None:
    store, maps = make_store(SHAPE), GrowingMaps()
    measure(store, range(20), rng)
    maps.look(store, store.start.calibration)
    store.sum[3] = 77.0  # covered already: nobody does that
    measure(store, [21, 25], rng)
    found: Any = maps.look(store, store.start.calibration).maps["sum"].ravel()
    assert found[3] != 77.0
    assert (found[[21, 25]] == store.sum[[21, 25]]).all()
    for _ in range(LOOKS_BEFORE_ALL):
        found = maps.look(store, store.start.calibration).maps["sum"].ravel()
    assert found[3] == 77.0
