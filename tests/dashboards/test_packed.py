"""Columns as one message, and which of them pages share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dashboards.feeds.view_frame import ViewFrame
from dashboards.live.packed import packed
from dashboards.live.pushes import SHARED, Pushes
from dashboards.pictures.wishes import Contrast, Wishes
from dashboards.views.view import LiveView
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]


def test_arrays_and_texts_come_back_as_they_were(unpacked: Any) -> None:
    image = np.arange(15, dtype=np.uint8).reshape(3, 5)
    points = np.array([0.5, -2.0, 1e30], ">f4")
    number, sources = unpacked(
        packed({"one": {"image": [image], "x": [1.5], "at": [math.nan], "words": ['{"a": "\u00e9"}']},
                "two": {"points": points, "none": np.zeros(0, np.uint32)}}, 7)
    )  # fmt: skip
    assert number == 7 and list(sources) == ["one", "two"]
    np.testing.assert_array_equal(sources["one"]["image"][0], image)
    assert sources["one"]["x"] == [1.5] and sources["one"]["words"] == ['{"a": "\u00e9"}']
    assert sources["one"]["at"] == [None], "what is not a number has no word in JSON"
    np.testing.assert_array_equal(sources["two"]["points"], points.astype(np.float32))
    assert sources["two"]["none"].shape == (0,)


def test_who_sees_the_same_shares_a_push_until_the_next_frame(make_snapshot: MakeSnapshot) -> None:
    pushes, frame = Pushes(), ViewFrame(make_snapshot(1), 0.0, 0)
    first = pushes.measured(LiveView(frame, Wishes()))
    assert pushes.measured(LiveView(frame, Wishes(lasso=((0, 0), (1, 0), (1, 1))))) is first
    assert pushes.measured(LiveView(frame, Wishes(linear=True))) is not first
    assert pushes.measured(LiveView(frame, Wishes(pinned=(1, 1)))).number != first.number
    later = ViewFrame(make_snapshot(2), 1.0, 0)
    assert pushes.measured(LiveView(later, Wishes())) is not first
    model = pushes.modelled(LiveView(frame, Wishes()))
    assert pushes.modelled(LiveView(later, Wishes())) is model, "the model has not changed"
    assert pushes.modelled(LiveView(ViewFrame(make_snapshot(3), 2.0, 1), Wishes())) is not model


def test_a_page_that_changes_its_mind_fills_no_memory(make_snapshot: MakeSnapshot) -> None:
    pushes, frame = Pushes(), ViewFrame(make_snapshot(1), 0.0, 0)
    for high in range(1, 4 * SHARED):
        wishes = Wishes(contrast={"magnitude": Contrast("locked", 0.0, float(high))})
        assert pushes.measured(LiveView(frame, wishes)).number == high
    kept = {push.number for _, push in pushes._measured}
    assert len(kept) == SHARED
