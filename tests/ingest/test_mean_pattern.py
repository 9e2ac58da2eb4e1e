"""The mean pattern of a scan: of positions spread over it, without what has no data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream_rrvae.ingest.mean_pattern import FEWEST_SAMPLED, MOST_SAMPLED, MeanPattern, SampledMean, stride
from stream_rrvae.messages import ScanStart
from tests.conftest import StoreMaker


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (64, 64), (256, 256), (1024, 1000), (3, 5000)])
def test_positions_are_spread_over_the_whole_scan_and_all_its_columns(shape: tuple[int, int]) -> None:
    n, step = math.prod(shape), stride(math.prod(shape), shape[1])
    taken = np.arange(0, n, step)
    assert min(n, FEWEST_SAMPLED) <= taken.size <= 2 * MOST_SAMPLED
    assert n < 10_000 or taken.size < n / 50
    assert n - taken[-1] <= step
    assert np.unique(taken % shape[1]).size == min(shape[1], taken.size)


def test_the_store_is_shown_the_mean_of_what_has_data(make_store: StoreMaker) -> None:
    store = make_store((4, 5))
    usable = np.ones((8, 8), np.bool_)
    usable[0, 0] = False
    mean = SampledMean(store, usable)
    assert store.read_mean() is None
    for value in (10, 30):
        frame = np.full((8, 8), value, np.uint16)
        frame[1, 1] = 65535
        mean.add(frame)
    mean.show()
    shown = store.read_mean()
    assert shown is not None
    assert shown[0] == 2
    assert np.isnan([shown[1][0, 0], shown[1][1, 1]]).all()
    assert (shown[1][2:] == 20).all()


def test_a_pixel_that_mostly_saturates_is_not_known_by_its_faint_frames() -> None:
    mean = MeanPattern(ScanStart("s", 1, (1, 2), "uint16", 9, saturation=100.0))
    for value in (500, 500, 90):
        mean.add(np.array([[value, 50]], np.uint16))
    assert mean.known.tolist() == [[False, True]]
