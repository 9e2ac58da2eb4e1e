"""Means of patterns: of what came, once each, and never of two scans."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.pattern_means import APART_S, LATEST, LATEST_BYTES, PatternMeans
from dashboards.feeds.thumbnails import SIDE_PX, mean_thumbnail
from dashboards.live.averages import Averages
from dashboards.pictures.painting import painted_pattern, saturated_px
from dashboards.pictures.palettes import LEVELS
from dashboards.pictures.wishes import Wishes
from stream_rrvae.messages import Float32Array, Snapshot

MakeSnapshot = Callable[..., Snapshot]


def flat(value: float, side: int = 8) -> Float32Array:
    return np.full((side, side), value, np.float32)


@pytest.fixture
def show(make_snapshot: MakeSnapshot) -> Callable[..., None]:
    """Takes a pattern as the next of a scan, `APART_S` after the one before."""
    serial = 0

    def take(means: PatternMeans, pattern: Float32Array | None, again: bool = False, **changes: object) -> None:
        nonlocal serial
        serial += not again
        made = make_snapshot(serial, pattern=pattern, pattern_position=(serial // 16, serial % 16), **changes)
        means.take(made, serial * (APART_S + 1e-6))

    return take


def test_a_scans_mean_is_of_all_that_came_and_begins_anew_with_the_next(show: Callable[..., None]) -> None:
    means = PatternMeans()
    assert means.of_scan() is None and means.of_latest(4) is None
    for value in (1.0, 2.0, 6.0):
        show(means, flat(value))
    show(means, flat(6.0), again=True)  # the last pattern of a scan comes again with every snapshot
    made = means.of_scan()
    assert made is not None and made.patterns == 3 and (made.values == 3.0).all()
    assert means.of_scan() is made, "made once for all who look"
    show(means, flat(50.0), scan_id="the next")
    made = means.of_scan()
    assert made is not None and made.patterns == 1 and (made.values == 50.0).all()
    show(means, flat(7.0, side=6), scan_id="the next")  # another region of the detector
    made = means.of_scan()
    assert made is not None and made.values.shape == (6, 6)
    show(means, None, scan_id="without")
    assert means.of_scan() is None and means.of_latest(4) is None


def test_the_latest_are_few_and_bounded_in_bytes(show: Callable[..., None]) -> None:
    means = PatternMeans()
    for value in range(40):
        show(means, flat(value))
    last = means.of_latest(4)
    assert last is not None and last.patterns == 4 and (last.values == 37.5).all()
    most = means.of_latest(1000)
    assert most is not None and most.patterns == LATEST
    large = PatternMeans()
    for value in range(6):
        show(large, flat(value, side=1024))
    kept = large.of_latest(LATEST)
    assert kept is not None and kept.patterns == LATEST_BYTES // (4 * 1024 * 1024)


def test_patterns_that_come_too_fast_are_in_the_latest_alone(make_snapshot: MakeSnapshot) -> None:
    means = PatternMeans()
    for index in range(10):
        means.take(make_snapshot(index, pattern=flat(index), pattern_position=(0, index)), 0.1 * APART_S * index)
    scan, latest = means.of_scan(), means.of_latest(10)
    assert scan is not None and scan.patterns == 1 and latest is not None and latest.patterns == 10


def test_gaps_stay_gaps_and_saturation_is_never_averaged_away(show: Callable[..., None]) -> None:
    means = PatternMeans()
    first, second = flat(2.0), flat(4.0)
    first[0] = np.nan  # a gap of the detector
    second[0] = np.nan
    second[1, 1] = np.inf
    first[2, 2] = np.nan  # no data this once
    show(means, first)
    show(means, second)
    made = means.of_scan()
    assert made is not None
    assert np.isnan(made.values[0]).all() and np.isposinf(made.values[1, 1]) and made.values[2, 2] == 4.0
    assert (made.values[3:] == 3.0).all()


def test_a_page_begins_its_mean_anew_and_freezes_it(show: Callable[..., None], make_snapshot: MakeSnapshot) -> None:
    feed = LiveFeed("tcp://127.0.0.1:1")
    averages, other = Averages(feed), Averages(feed)
    of_scan = Wishes(average="scan")
    show(feed.patterns, flat(100.0))
    again = Wishes(average="scan", restarts=1)
    averages.wish(of_scan, again)
    assert averages.pattern(again) is None, "nothing has come since"
    show(feed.patterns, flat(2.0))
    mine, theirs = averages.pattern(again), other.pattern(of_scan)
    assert mine is not None and mine.values is not None and (mine.values == 2.0).all() and mine.seen == 1
    assert theirs is not None and theirs.values is not None and (theirs.values == 51.0).all()
    averages.hold()
    show(feed.patterns, flat(20.0))
    held = averages.pattern(again)
    assert held is not None and held.seen == 1
    latest = averages.pattern(Wishes(average="mean_4"))
    assert latest is not None and latest.seen == 2
    assert averages.pattern(Wishes(average="scan", frozen=True, back=1)) is None, "a step back shows its own pattern"
    averages.release()
    now = averages.pattern(again)
    assert now is not None and now.seen == 2
    show(feed.patterns, flat(3.0), scan_id="the next")
    fresh = averages.pattern(again)
    assert fresh is not None and fresh.values is not None and (fresh.values == 3.0).all()


def test_saturated_pixels_have_a_colour_of_their_own() -> None:
    pattern = np.arange(1, 65, dtype=np.float32).reshape(8, 8)
    pattern[3, 4] = np.inf
    pattern[0, 0] = np.nan
    for linear in (False, True):
        painted = painted_pattern(pattern, linear)
        assert (painted.pixels == LEVELS).sum() == 1 and painted.pixels[3, 4] == LEVELS
        assert painted.pixels[0, 0] == 0 and np.isfinite([painted.limits.low, painted.limits.high]).all()
    assert saturated_px(pattern) == 1 and saturated_px(None) == 0
    everywhere = painted_pattern(np.full((4, 4), np.inf, np.float32), False)
    assert (everywhere.pixels == LEVELS).all()


def test_thumbnails_are_small(show: Callable[..., None]) -> None:
    means = PatternMeans()
    show(means, np.ones((512, 300), np.float32))
    assert max(mean_thumbnail(means.of_scan()).pixels.shape) <= SIDE_PX
    assert mean_thumbnail(None).pixels.shape == (1, 1)
