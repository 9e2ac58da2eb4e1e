"""A snapshot made ready for browsers once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.view_frame import ViewFrame
from dashboards.pictures.wishes import Wishes
from dashboards.views.columns import measured_columns, model_columns
from dashboards.views.pattern import latest_pattern
from dashboards.views.view import LiveView
from stream_rrvae.messages import Calibration, Snapshot

MakeSnapshot = Callable[..., Snapshot]


def view_of(frame: ViewFrame) -> LiveView:
    return LiveView(frame, Wishes())


def test_images_keep_their_orientation_and_unvisited_rows_are_0(make_snapshot: MakeSnapshot) -> None:
    pixels = ViewFrame(make_snapshot(), 0.0, 0).map("com_magnitude").pixels
    assert pixels.shape == (4, 6)
    assert pixels[0, 0] == pixels[:3].min() and pixels[2, 5] == pixels.max()
    assert not pixels[3].any()


def test_each_image_is_quantised_once_for_all_sessions(make_snapshot: MakeSnapshot) -> None:
    frame = ViewFrame(make_snapshot(), 0.0, 0)
    first, second = (measured_columns(view_of(frame), push) for push in (1, 2))
    for name in ("magnitude", "direction", "chosen", "pattern"):
        assert first[name][0] is second[name][0]
        assert first[name][0].dtype == np.uint8


def test_a_service_without_images_gives_empty_ones(make_snapshot: MakeSnapshot) -> None:
    bare = make_snapshot(maps={}, pattern=None, pattern_position=None, scan_shape=(0, 0))
    frame = ViewFrame(bare, 0.0, 0)
    columns = measured_columns(view_of(frame), 1) | model_columns(view_of(frame), None)
    assert {len(column) for column in columns.values()} == {1}
    assert not columns["magnitude"][0].any() and not columns["rotation"][0].any()
    assert len(frame.latents("latent_1", "latent_2").x) == 0


def test_all_nan_and_flat_maps_are_drawn(make_snapshot: MakeSnapshot) -> None:
    nothing = np.full((4, 6), np.nan, np.float32)
    flat = np.ones((4, 6), np.float32)
    frame = ViewFrame(make_snapshot(maps={"com_magnitude": nothing, "latent_1": flat, "latent_2": flat}), 0.0, 0)
    assert not frame.map("com_magnitude").pixels.any()
    assert len(np.unique(frame.map("latent_1").pixels)) == 1
    assert frame.latents("latent_1", "latent_2").extent == 3.0


def test_the_cross_is_the_centre_of_mass_of_the_pattern_shown(make_snapshot: MakeSnapshot) -> None:
    pattern = np.zeros((8, 10), np.float32)
    pattern[2, 7] = 5.0
    pattern[0, 0] = np.nan
    calibration = Calibration(mrad_per_px=2.0, beam_center_px=(3.0, 4.0), disc_radius_px=1.5)
    frame = ViewFrame(make_snapshot(pattern=pattern, calibration=calibration), 0.0, 0)
    columns = measured_columns(view_of(frame), 1)
    assert (columns["com_y"], columns["com_x"], columns["beam_r"]) == ([-2.0], [6.0], [3.0])
    assert latest_pattern(make_snapshot(pattern=0 * pattern)).com_px is None


@pytest.mark.parametrize("name", ["latent_1", "rotation", "rotation_confidence"])
def test_the_model_generation_changes_with_the_models_maps_only(
    feed: LiveFeed, make_snapshot: MakeSnapshot, name: str
) -> None:
    first = make_snapshot()
    feed.publish(first)
    feed.publish(replace(first, maps={**first.maps, "sum": first.maps["sum"] + 1}))
    assert feed.newest is not None and feed.newest.model_generation == 0
    feed.publish(replace(first, maps={**first.maps, name: first.maps[name] + 1}))
    assert feed.newest.model_generation == 1
