"""Stepping back: a few frames, half a second apart, bounded in bytes and in how many hold them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dashboards.feeds import frame_ring
from dashboards.feeds.frame_ring import FRAMES_LIMIT, HOLDERS_LIMIT, SPACING_S, FrameRing
from dashboards.feeds.view_frame import ViewFrame
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]


def filled(make_snapshot: MakeSnapshot, count: int) -> tuple[FrameRing, list[ViewFrame]]:
    ring = FrameRing()
    frames = [ViewFrame(make_snapshot(serial), serial * SPACING_S, 0) for serial in range(count)]
    for frame in frames:
        ring.add(frame)
    return ring, frames


def test_steps_go_back_from_where_it_froze_to_the_oldest(make_snapshot: MakeSnapshot) -> None:
    ring, frames = filled(make_snapshot, FRAMES_LIMIT + 5)
    latest = ViewFrame(make_snapshot(99), 1e6, 0)
    ring.hold(1, latest)
    assert ring.steps(1) == FRAMES_LIMIT
    assert ring.before(1, 0) is None
    assert ring.before(1, 1) is frames[-1]
    assert ring.before(1, 3) is frames[-3]
    assert ring.before(1, 1000) is frames[5]


def test_what_is_held_stays_while_the_ring_goes_on(make_snapshot: MakeSnapshot) -> None:
    ring, frames = filled(make_snapshot, 3)
    ring.hold(1, frames[2])
    for serial in range(100, 100 + FRAMES_LIMIT):
        ring.add(ViewFrame(make_snapshot(serial), float(serial), 0))
    ring.hold(1, frames[0])  # it holds already
    assert ring.steps(1) == 2 and ring.before(1, 1) is frames[1]
    ring.release(1)
    assert ring.steps(1) == 0 and ring.before(1, 1) is None


def test_frames_too_near_to_each_other_are_left_out(make_snapshot: MakeSnapshot) -> None:
    ring = FrameRing()
    for serial in range(10):
        ring.add(ViewFrame(make_snapshot(serial), serial * SPACING_S / 4, 0))
    ring.hold(1, ViewFrame(make_snapshot(99), 1e6, 0))
    assert ring.steps(1) == 3


def test_only_so_many_sessions_hold_a_ring(make_snapshot: MakeSnapshot) -> None:
    ring, frames = filled(make_snapshot, 4)
    for who in range(HOLDERS_LIMIT + 1):
        ring.hold(who, frames[3])
    assert [ring.steps(who) for who in range(HOLDERS_LIMIT + 1)] == [0] + [3] * HOLDERS_LIMIT


def test_large_frames_are_fewer(make_snapshot: MakeSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_ring, "BYTES_LIMIT", 3 * 400)
    ring = FrameRing()
    for serial in range(9):
        maps = {"sum": np.zeros((10, 10), np.float32)}
        large = make_snapshot(serial, maps=maps, scan_shape=(10, 10), pattern=None)
        ring.add(ViewFrame(large, serial * SPACING_S, 0))
    ring.hold(1, ViewFrame(make_snapshot(99), 1e6, 0))
    assert ring.steps(1) == 3
