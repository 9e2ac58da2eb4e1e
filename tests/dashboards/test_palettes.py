"""Colour maps: nothing is drawn where nothing was measured, and wheels agree with maps."""

from __future__ import annotations

import numpy as np
import pytest

from dashboards.pictures.palettes import (
    DIRECTION,
    ROTATION,
    SEQUENTIAL,
    TRANSPARENT,
    bar_gradient,
    palette,
    wheel_gradient,
)
from dashboards.pictures.quantise import quantise_angle


@pytest.mark.parametrize("name", [*SEQUENTIAL, "direction"])
def test_entry_0_is_transparent_and_the_rest_is_not(name: str) -> None:
    colours = palette(name)
    assert len(colours) == 256
    assert colours[0] == TRANSPARENT
    assert all(len(colour) == 7 for colour in colours[1:])


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_linear_palettes_and_their_bars_have_the_same_ends(name: str) -> None:
    colours, bar = palette(name), bar_gradient(name)
    assert (colours[1], colours[255]) == (SEQUENTIAL[name][0], SEQUENTIAL[name][-1])
    assert f"{colours[1]} 0.00%" in bar and f"{colours[255]} 100.00%" in bar and "to top" in bar


@pytest.mark.parametrize(("degrees", "percent"), [(0, 0), (90, 25), (180, 50), (-90, 75)])
def test_an_angle_has_the_colour_that_the_wheel_shows_for_it(degrees: float, percent: float) -> None:
    # The wheel begins at the right (90 deg of CSS) and runs clockwise, like y that grows downwards.
    wheel = wheel_gradient(DIRECTION)
    assert wheel.startswith("conic-gradient(from 90deg")
    on_wheel = next(stop.split()[0] for stop in wheel.split(", ") if stop.rstrip(")").endswith(f" {percent:.2f}%"))
    on_map = palette("direction")[int(quantise_angle(np.array([[np.radians(degrees)]]))[0, 0])]
    difference = [abs(int(on_wheel[i : i + 2], 16) - int(on_map[i : i + 2], 16)) for i in (1, 3, 5)]
    assert max(difference) < 16


def test_direction_and_rotation_cannot_be_taken_for_each_other() -> None:
    assert list(DIRECTION) != list(ROTATION)
