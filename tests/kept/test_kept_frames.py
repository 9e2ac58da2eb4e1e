"""What is kept is what came, spread evenly, within its memory; who looks at it is not disturbed by what comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stream_rrvae.kept.copy_loop import LEVELS, level_of, strides_of
from stream_rrvae.kept.frames import KeptFrames
from stream_rrvae.kept.view import KeptView
from stream_rrvae.messages import Encoding
from stream_rrvae.wire.pixels import decode_pixels

if TYPE_CHECKING:
    from tests.kept.conftest import Pack, Scan

UNHURRIED = float("inf")  # whatever copying costs
PLENTY = 8 << 20


def view_of(kept: KeptFrames) -> KeptView:
    view = kept.view()
    assert view is not None
    return view


def places_of(view: KeptView) -> set[int]:
    return {chunk.memory.ctypes.data for chunk, _ in view.chunks}


def check_whole(view: KeptView, scan: Scan) -> None:
    for number in view.numbers.tolist():
        frame = view.frame(number)
        assert frame is not None
        np.testing.assert_array_equal(decode_pixels(frame), scan.frames[number])


def test_every_frame_comes_back_as_it_was(scan: Scan) -> None:
    kept = KeptFrames(PLENTY, UNHURRIED)
    assert kept.view() is None
    scan.begin(kept)
    order = np.random.default_rng(1).permutation(256)
    for part in np.split(order, 8):
        scan.give(kept, part.tolist())
    view = view_of(kept)
    assert sorted(view.numbers.tolist()) == list(range(256))
    assert view.strides == (1, 1)
    check_whole(view, scan)
    assert 0 < kept.size_bytes <= PLENTY


@pytest.mark.parametrize("columns", [16, 1, 7])
def test_each_level_is_a_grid_with_half_the_positions_of_the_one_before(columns: int) -> None:
    numbers = np.arange(64 * columns)
    levels = np.array([level_of(int(number), columns) for number in numbers])
    y, x = np.divmod(numbers, columns)
    for level in range(LEVELS):
        by_y, by_x = strides_of(level)
        np.testing.assert_array_equal(levels >= level, (y % by_y == 0) & (x % by_x == 0))


@pytest.mark.parametrize("part", [0.7, 0.3, 0.05])
def test_what_does_not_fit_is_thinned_out_evenly(scan: Scan, part: float) -> None:
    limit = int(part * scan.packed_bytes())
    kept = KeptFrames(limit, UNHURRIED)
    scan.begin(kept)
    for first in range(0, 256, 32):
        scan.give(kept, range(first, first + 32))
        assert kept.size_bytes <= limit
    view = view_of(kept)
    by_y, by_x = view.strides
    assert by_y * by_x > 1
    y, x = np.divmod(view.numbers, 16)
    expected = len(range(0, 16, by_y)) * len(range(0, 16, by_x))
    on_grid = (y % by_y == 0) & (x % by_x == 0)
    assert on_grid.sum() == expected
    assert view.numbers.size < 256
    assert view.numbers.size * scan.packed_bytes() / 256 > limit / 8
    check_whole(view, scan)


def test_frames_larger_than_was_expected_make_room_for_themselves(scan: Scan, raw: Pack) -> None:
    kept = KeptFrames(256 * 500, UNHURRIED)
    small = type(scan)(scan.scan_shape, np.minimum(scan.frames, 1).astype(np.uint16), scan.usable)
    small.begin(kept)
    small.give(kept, range(32))
    assert view_of(kept).strides == (1, 1)
    scan.give(kept, range(32, 256), raw, Encoding.NONE)
    view = view_of(kept)
    assert view.strides > (1, 1)
    assert kept.size_bytes <= 256 * 500
    for number in view.numbers[view.numbers >= 32].tolist():
        frame = view.frame(number)
        assert frame is not None and frame.encoding is Encoding.NONE
        np.testing.assert_array_equal(decode_pixels(frame), scan.frames[number])


def test_a_view_stays_as_it_is_while_more_comes_and_a_new_scan_begins(scan: Scan) -> None:
    kept = KeptFrames(int(0.4 * scan.packed_bytes()), UNHURRIED)
    scan.begin(kept)
    scan.give(kept, range(64))
    before = view_of(kept)
    numbers = before.numbers.copy()
    scan.give(kept, range(64, 256))
    scan.begin(kept, "scan-2")
    scan.give(kept, range(255, 191, -1))
    assert before.scan.start.scan_id == "scan-1"
    np.testing.assert_array_equal(before.numbers, numbers)
    check_whole(before, scan)
    assert view_of(kept).scan.start.scan_id == "scan-2"
    assert view_of(kept).numbers.min() >= 192


def test_memory_that_nobody_looks_at_is_used_again_and_frames_outlive_it(scan: Scan) -> None:
    kept = KeptFrames(PLENTY, UNHURRIED)
    scan.begin(kept)
    scan.give(kept, range(256))
    view = view_of(kept)
    places = places_of(view)
    frame = view.frame(9)
    scan.begin(kept, "scan-2")
    scan.give(kept, range(255, -1, -1))
    assert places.isdisjoint(others := places_of(view_of(kept)))
    del view
    scan.begin(kept, "scan-3")
    scan.give(kept, range(255, -1, -1))
    assert places_of(view_of(kept)) <= places | others
    assert frame is not None
    np.testing.assert_array_equal(decode_pixels(frame), scan.frames[9])


def test_the_nearest_position_is_found(scan: Scan) -> None:
    kept = KeptFrames(PLENTY, UNHURRIED)
    scan.begin(kept)
    assert view_of(kept).nearest(0) is None
    scan.give(kept, [0, 15, 100, 255])
    view = view_of(kept)
    assert [view.nearest(n) for n in (0, 3, 14, 6 * 16 + 5, 254)] == [0, 0, 15, 100, 255]
    assert view.frame(3) is None


def test_a_position_that_was_asked_for_is_kept_when_it_comes_again(scan: Scan) -> None:
    kept = KeptFrames(int(0.1 * scan.packed_bytes()), UNHURRIED)
    scan.begin(kept)
    scan.give(kept, range(256))
    assert view_of(kept).frame(17) is None
    kept.want(17)
    scan.begin(kept, "scan-2")
    scan.give(kept, range(256))
    frame = view_of(kept).frame(17)
    assert frame is not None
    np.testing.assert_array_equal(decode_pixels(frame), scan.frames[17])


def test_copying_that_takes_too_long_becomes_less(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    from stream_rrvae.kept import frames

    monkeypatch.setattr(frames, "WINDOW_S", 0.0)
    kept = KeptFrames(PLENTY, most_cost=0.0)
    scan.begin(kept)
    seen = []
    for first in range(0, 256, 32):
        scan.give(kept, range(first, first + 32))
        seen.append(view_of(kept).strides)
    assert seen[0] == (1, 2) and seen[3] == (4, 4)
    check_whole(view_of(kept), scan)
    scan.begin(kept, "scan-2")  # at the same rate it would be too much again
    scan.give(kept, [0])
    assert view_of(kept).strides > (4, 4)


@pytest.mark.parametrize("limit", [0, 100, 1000])
def test_without_memory_nothing_is_kept_and_nothing_fails(scan: Scan, limit: int) -> None:
    kept = KeptFrames(limit, UNHURRIED)
    scan.begin(kept)
    scan.give(kept, range(256))
    assert kept.size_bytes <= limit
    assert view_of(kept).numbers.size <= 2
