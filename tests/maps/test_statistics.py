"""Correlation of maps and agreement of angles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream_rrvae.maps.statistics import angle_agreement, mean_vector, pearson, wrapped

RNG = np.random.default_rng(3)
ANGLES = RNG.uniform(-np.pi, np.pi, 500)
WEIGHTS = RNG.uniform(0.1, 1.0, 500)


def test_pearson_is_numpys_where_all_is_finite() -> None:
    a, b = RNG.normal(size=(2, 50))
    assert pearson(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])


def test_pearson_passes_over_what_is_not_measured() -> None:
    a = np.array([1.0, 2.0, np.nan, 4.0])
    b = np.array([2.0, 4.0, 100.0, 8.0])
    assert pearson(a, b) == pytest.approx(1.0)


def test_pearson_of_whole_weights_is_that_of_repeated_values() -> None:
    a, b = RNG.normal(size=(2, 20))
    counts = RNG.integers(0, 4, 20)
    assert pearson(a, b, counts.astype(float)) == pytest.approx(pearson(a.repeat(counts), b.repeat(counts)))


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0], [np.nan, np.nan]])
def test_pearson_of_nothing_or_a_constant_is_undefined(values: list[float]) -> None:
    assert math.isnan(pearson(np.array(values), np.arange(len(values), dtype=float)))


@pytest.mark.parametrize("sense", [1, -1])
def test_agreement_finds_sense_and_offset(sense: int) -> None:
    found = angle_agreement(wrapped(sense * ANGLES + 2.5), ANGLES, WEIGHTS)
    assert found.sense == sense
    assert found.offset_rad == pytest.approx(2.5)
    assert found.correlation == pytest.approx(1.0)
    assert found.error_rad == pytest.approx(0.0, abs=1e-9)


def test_error_is_the_weighted_mean_over_the_shorter_way_round() -> None:
    reference = np.array([np.pi - 0.1, np.pi - 0.1, 1.0, 1.0])
    angles = np.array([-np.pi + 0.1, np.pi - 0.3, 1.0, 1.0])
    found = angle_agreement(angles, reference, np.array([1.0, 1.0, 10.0, 10.0]))
    assert found.error_rad == pytest.approx(2 * 0.2 / 22)


def test_modulo_forgives_the_turns_that_look_alike() -> None:
    thirds = RNG.integers(0, 3, ANGLES.size) * 2 * np.pi / 3
    turned = wrapped(ANGLES + thirds)
    assert angle_agreement(turned, ANGLES, WEIGHTS).error_rad > 0.5
    assert angle_agreement(turned, ANGLES, WEIGHTS, 2 * np.pi / 3).error_rad == pytest.approx(0.0, abs=1e-9)


def test_unrelated_angles_do_not_agree() -> None:
    assert angle_agreement(RNG.uniform(-np.pi, np.pi, 500), ANGLES, WEIGHTS).correlation < 0.2


def test_nothing_to_compare_is_undefined() -> None:
    nowhere = np.full(4, np.nan)
    assert math.isnan(angle_agreement(nowhere, nowhere, np.ones(4)).error_rad)
    assert math.isnan(angle_agreement(np.zeros(4), np.zeros(4), np.zeros(4)).correlation)


def test_mean_vector_gives_mean_and_spread() -> None:
    vector = mean_vector(np.array([np.pi - 0.2, -np.pi + 0.2, np.nan]), np.ones(3))
    assert abs(np.angle(vector)) == pytest.approx(np.pi)
    assert abs(vector) == pytest.approx(np.cos(0.2))
