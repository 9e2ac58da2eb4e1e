"""Positions in a lasso, and the line around them."""

from __future__ import annotations

import numpy as np

from dashboards.pictures.latent_points import POINTS_LIMIT, latent_points
from dashboards.pictures.quantise import Limits
from dashboards.pictures.selection import CASING, LINE, outline, selected, within


def test_points_inside_a_polygon_that_is_not_convex() -> None:
    # A U: open at the top.
    corners = [(0.0, 0.0), (3.0, 0.0), (3.0, 3.0), (2.0, 3.0), (2.0, 1.0), (1.0, 1.0), (1.0, 3.0), (0.0, 3.0)]
    x = np.array([[0.5, 1.5, 2.5, 1.5, -1.0, np.nan]])
    y = np.array([[2.0, 2.0, 2.0, 0.5, 0.5, 0.5]])
    np.testing.assert_array_equal(within(x, y, corners), [[True, False, True, True, False, False]])
    assert not within(x, y, corners[:2]).any()


def test_the_outline_follows_the_edge_and_nothing_else() -> None:
    inside = np.zeros((8, 8), bool)
    inside[2:5, 3:6] = True
    drawn = outline(inside)
    scale = drawn.shape[0] // 8
    block = drawn[2 * scale : 5 * scale, 3 * scale : 6 * scale]
    assert (block[0] == LINE).all() and (block[:, -1] == LINE).all()
    assert (block[1, 1:-1] == CASING).all()
    assert not block[2:-2, 2:-2].any()
    drawn = drawn.copy()
    drawn[2 * scale : 5 * scale, 3 * scale : 6 * scale] = 0
    assert not drawn.any()


def test_the_share_is_of_the_positions_with_latents() -> None:
    first = np.array([[0.0, 1.0], [2.0, np.nan]], np.float32)
    found = selected(first, np.zeros_like(first), [(-0.5, -1.0), (1.5, -1.0), (1.5, 1.0), (-0.5, 1.0)])
    assert found.share == 2 / 3


def test_a_large_scan_is_a_sample_of_points_over_the_density_of_all() -> None:
    noise = np.random.default_rng(1).normal(size=(2, 384, 384)).astype(np.float32)
    noise[0, 0, 0] = 50.0  # a stray point
    points = latent_points(noise[0], noise[1], None, Limits(-3.0, 3.0))
    assert POINTS_LIMIT / 2 < len(points.x) <= POINTS_LIMIT
    assert len(points.x) == len(points.y) == len(points.colour)
    assert points.extent == 4.0
    rows, columns = points.density.shape
    assert points.density[rows // 2, columns // 2] > points.density[0, 0]
    # Row 0 lies at the smallest y, as the figure draws it.
    below = latent_points(noise[0], np.abs(noise[1]), None, Limits(-3.0, 3.0))
    assert not below.density[: rows // 2 - 2].any() and below.density[rows // 2 + 2 :].any()


def test_a_small_scan_needs_no_density_and_none_is_no_error() -> None:
    few = np.zeros((4, 4), np.float32)
    assert not latent_points(few, few, few, Limits(0.0, 1.0)).density.any()
    assert len(latent_points(None, few, None, Limits(0.0, 1.0)).x) == 0
