"""Somebody else on the stream is noticed by how the holes lie, and nothing else is taken for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector_sim.second_consumer import SecondConsumer
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.ingest.shared_stream import LEAST_HOLES, LOOK_S, SharedStreamWatch, others_taking
from stream_rrvae.metrics import Metrics
from tests.ingest.conftest import Listener, NativeDetector, make_specimen

FRAME_S = 2e-4  # as a detector that takes its time


def dealt(others: int, together: int, rounds: int, skew: int = 0) -> list[bool]:
    """Which positions are missing where messages of `together` frames are dealt to us and to so many others."""
    missing = [False] * together + [True] * (others * together)
    return [False] * skew + missing * rounds + [False]


@given(st.integers(1, 6), st.sampled_from([1, 2, 16, 64]), st.integers(LEAST_HOLES + 1, 30), st.integers(0, 70))
def test_what_is_dealt_out_evenly_is_noticed(others: int, together: int, rounds: int, skew: int) -> None:
    assert others_taking(np.array(dealt(others, together, rounds, skew))) == others


@given(st.integers(1, 3), st.integers(0, 20), st.data())
def test_some_holes_more_or_fewer_do_not_hide_it(others: int, skew: int, data: st.DataObject) -> None:
    missing = np.array(dealt(others, 1, 60, skew))
    for at in data.draw(st.lists(st.integers(0, missing.size - 1), max_size=4)):
        missing[at] = ~missing[at]
    assert others_taking(missing) == others


@pytest.mark.parametrize("part", [0.001, 0.01, 0.1, 0.3])
def test_frames_lost_by_chance_are_no_consumer(part: float) -> None:
    rng = np.random.default_rng(0)
    assert not any(others_taking(rng.random(1024) < part) for _ in range(300))


@pytest.mark.parametrize("missing", [[], [False] * 1024, [True] * 1024, dealt(1, 1, LEAST_HOLES - 2), dealt(40, 1, 20)])
def test_neither_is_anything_else(missing: Sequence[bool]) -> None:
    assert others_taking(np.array(missing, np.bool_)) == 0


def test_lost_lines_of_a_scan_are_no_consumer() -> None:
    lines = np.zeros((16, 64), np.bool_)
    lines[[2, 3, 7, 12]] = True
    assert others_taking(lines.ravel()) == 0


def test_what_is_late_is_given_time_until_the_next_look() -> None:
    watch, missing = SharedStreamWatch(), np.array(dealt(1, 1, 60))
    assert watch.is_due(0.0)
    assert watch.look(missing, 0.0) == 0
    assert not watch.is_due(LOOK_S / 2)
    assert watch.is_due(LOOK_S)
    there = np.zeros(missing.size + 10, np.bool_)
    assert watch.look(there, LOOK_S) == 0
    assert SharedStreamWatch().look(missing, 0.0) == 0
    assert watch.look(np.append(missing, there), 2 * LOOK_S) == 1


def test_a_second_consumer_on_the_stream_raises_an_alarm(
    native: NativeDetector, pull: Callable[..., Acquisition], listener: Listener, metrics: Metrics
) -> None:
    specimen = make_specimen((120, 120))
    acquisition = pull()
    native.start(specimen)
    for number in range(600):
        native.frame(specimen, number)
    listener.wait_processed(600)
    assert acquisition.health().other_consumers == 0
    with SecondConsumer(f"tcp://127.0.0.1:{native.port}") as other:
        number = 600
        while not acquisition.health().other_consumers and number < specimen.n:
            native.frame(specimen, number)
            number += 1
            time.sleep(FRAME_S)
    assert other.taken > 0
    assert acquisition.health().other_consumers == 1
    assert metrics.registry.get_sample_value("stream_rrvae_scans_shared_total") == 1
