"""Published maps keep their meaning from version to version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.maps.statistics import pearson, wrapped
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.gauge import Surroundings, locked_latents, locked_rotation
from stream_rrvae.rrvae.model import Encoding
from stream_rrvae.rrvae.principal import principal_scores

N = 300
RNG = np.random.default_rng(5)
DIRECTION = RNG.uniform(-np.pi, np.pi, N)
MAGNITUDE = RNG.uniform(0.0, 1.0, N)
FIRST, SECOND = (RNG.normal(size=(2, N)) * [[1.0], [0.9]]).astype(np.float32)
NOWHERE = np.full((2, N), np.nan, np.float32)


def around(previous: Float32Array = NOWHERE, rotation: Float32Array = NOWHERE[0], scale: float = 1.0) -> Surroundings:
    com_y = (scale * MAGNITUDE * np.sin(DIRECTION)).astype(np.float32)
    com_x = (scale * MAGNITUDE * np.cos(DIRECTION)).astype(np.float32)
    return Surroundings(com_y, com_x, rotation, previous)


def encoding(latents: list[Float32Array], rotation: NDArray[np.floating[Any]] | None = None) -> Encoding:
    stacked = np.stack(latents, axis=1).astype(np.float32)
    angle = np.zeros(N, np.float32) if rotation is None else rotation.astype(np.float32)
    return Encoding(angle, np.ones(N, np.float32), stacked, stacked.var(axis=0))


@pytest.mark.parametrize("sign", [1, -1])
def test_first_latent_falls_where_the_com_rises(sign: int) -> None:
    latent = (sign * MAGNITUDE + 0.1 * FIRST).astype(np.float32)
    assert pearson(locked_latents(encoding([latent, 0.01 * SECOND]), around())[0], MAGNITUDE) < -0.5


def test_flipped_latents_are_flipped_back() -> None:
    before = np.stack([FIRST, SECOND])
    after = locked_latents(encoding([-FIRST, -SECOND]), around(before, scale=0.0))
    assert np.allclose(after, before)


def test_latents_of_like_variance_keep_their_order() -> None:
    before = np.stack([FIRST, SECOND])
    after = locked_latents(encoding([1.1 * SECOND, FIRST]), around(before, scale=0.0))
    assert pearson(after[0], FIRST) > 0.99 and pearson(after[1], SECOND) > 0.99


def test_a_clearly_stronger_latent_comes_first_whatever_was_before() -> None:
    before = np.stack([FIRST, SECOND])
    after = locked_latents(encoding([3 * SECOND, FIRST]), around(before, scale=0.0))
    assert pearson(after[0], SECOND) > 0.99


def test_rotation_of_a_model_that_fixes_it_is_left_alone() -> None:
    rotation = wrapped(DIRECTION + 1.0).astype(np.float32)
    assert np.array_equal(locked_rotation(encoding([FIRST], rotation), True, around()), rotation)


def test_free_rotation_is_turned_onto_the_com_where_it_is_large() -> None:
    offset = np.where(MAGNITUDE > 0.7, 1.3, 2.5)  # where the COM is small it says nothing
    found = locked_rotation(encoding([FIRST], wrapped(DIRECTION + offset)), False, around())
    assert np.allclose(wrapped(found - DIRECTION)[MAGNITUDE > 0.8], 0.0, atol=1e-3)


def test_free_rotation_without_com_follows_the_previous_version() -> None:
    before = wrapped(DIRECTION).astype(np.float32)
    found = locked_rotation(encoding([FIRST], wrapped(DIRECTION + 0.7)), False, around(rotation=before, scale=0.0))
    assert np.allclose(wrapped(found - before), 0.0, atol=1e-3)


def test_scores_do_not_depend_on_how_latent_space_is_turned() -> None:
    z = RNG.normal(size=(500, 2)).astype(np.float32)
    effect = RNG.normal(size=(2, 20)) * [[3.0], [0.5]]
    c, s = np.cos(0.7), np.sin(0.7)
    turn = np.array([[c, -s], [s, c]], np.float32)
    shapes = (z @ effect).astype(np.float32)
    plain, variance = principal_scores(z, z, shapes)
    other, _ = principal_scores(z @ turn, z @ turn, shapes)
    assert np.allclose(np.abs(plain), np.abs(other), atol=1e-3)
    assert variance[0] > variance[1]
    assert variance.sum() == pytest.approx(float(shapes.var(axis=0).sum()), rel=1e-3)


def test_a_latent_without_effect_scores_nothing() -> None:
    z = RNG.normal(size=(500, 2)).astype(np.float32)
    shapes = np.outer(z[:, 0], np.ones(20)).astype(np.float32)
    _, variance = principal_scores(z, z, shapes)
    assert variance[1] < 1e-6 * variance[0]
