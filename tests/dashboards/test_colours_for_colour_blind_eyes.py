"""What the pages' colours are to eyes that lack one kind of cone: computed, not guessed.

Simulation: Machado, Oliveira & Fernandes, IEEE Trans. Vis. Comput. Graph. 15, 1291 (2009), the matrices of severity
1.0, on linear RGB. Distances: CIE 1976 L*a*b* under D65, where 2.3 is just noticeable (Mahy et al., Color Res. Appl.
19, 105 (1994)).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from dashboards.pictures.palettes import DIRECTION, PATTERN, ROTATION, SATURATED, SEQUENTIAL

EYES = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
NOTICEABLE = 2.3
STEPS = 16  # that a reader of a colour bar is to tell apart
GROUND = "#212832"  # where nothing was measured


def seen(colours: Sequence[str], eyes: str) -> NDArray[np.float64]:
    """L*, a*, b* [n, 3] of colours "#rrggbb" as these eyes see them."""
    srgb = np.array([list(bytes.fromhex(colour[1:7])) for colour in colours]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ EYES[eyes].T, 0, 1) @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def steps(table: Sequence[str], count: int, eyes: str) -> NDArray[np.float64]:
    return seen([table[round(i * (len(table) - 1) / (count - 1))] for i in range(count)], eyes)


def apart(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def test_the_matrices_leave_greys_grey_and_make_red_and_green_alike() -> None:
    greys = ["#000000", "#404040", "#808080", "#ffffff"]
    for eyes in EYES:
        np.testing.assert_allclose(seen(greys, eyes), seen(greys, "all cones"), atol=0.1)
    pair = ["#c44a3a", "#7d8a2a"]  # a red and an olive
    whole, *lacking = (float(apart(*seen(pair, eyes))) for eyes in EYES)
    assert whole > 40 and max(lacking) < 0.6 * whole


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("name", SEQUENTIAL)
def test_neighbouring_steps_of_a_colour_bar_stay_apart(name: str, eyes: str) -> None:
    colours = steps(SEQUENTIAL[name], STEPS, eyes)
    assert apart(colours[1:], colours[:-1]).min() > NOTICEABLE


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("name", [name for name in SEQUENTIAL if name != "coolwarm"])
def test_more_is_lighter_in_maps_without_a_sign(name: str, eyes: str) -> None:
    assert (np.diff(steps(SEQUENTIAL[name], STEPS, eyes)[:, 0]) > 0).all()


@pytest.mark.parametrize("eyes", EYES)
def test_both_signs_of_a_signed_map_differ(eyes: str) -> None:
    colours = steps(SEQUENTIAL["coolwarm"], STEPS, eyes)
    assert apart(colours, colours[::-1]).min() > NOTICEABLE  # the same size, the other sign
    assert apart(colours[0], colours[-1]) > 40


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("table", [DIRECTION, ROTATION])
def test_a_quarter_of_a_turn_is_seen(table: Sequence[str], eyes: str) -> None:
    colours = seen(table, eyes)
    quarter = len(table) // 4
    assert apart(colours, np.roll(colours, quarter, axis=0)).min() > 4 * NOTICEABLE
    assert apart(colours, np.roll(colours, 2 * quarter, axis=0)).min() > 4 * NOTICEABLE


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("table", [DIRECTION, ROTATION])
def test_no_direction_is_lost_in_the_ground(table: Sequence[str], eyes: str) -> None:
    assert apart(seen(table, eyes), seen([GROUND], eyes)).min() > 10 * NOTICEABLE


@pytest.mark.parametrize("eyes", EYES)
def test_a_saturated_pixel_has_none_of_the_patterns_colours(eyes: str) -> None:
    assert apart(seen(SEQUENTIAL[PATTERN], eyes), seen([SATURATED], eyes)).min() > 5 * NOTICEABLE
