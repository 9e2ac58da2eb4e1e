"""Training on more frames than memory holds: a uniform sample, the same in whatever order the scans come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.batch.measure import measured
from stream_rrvae.batch.pretrain import TrainingScan, training_scan_of
from stream_rrvae.batch.reservoir import Reservoir
from stream_rrvae.config import Settings
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.scan_store import DEFAULT_FOLDER


def scan(name: str, count: int, first: int = 0) -> TrainingScan:
    """Frames whose features, positions and COM all tell their number."""
    positions = np.arange(first, first + count)
    values = positions.astype(np.float32)
    return TrainingScan(Prepared(values[:, None], positions, 1.0), BasisSpec(), values, -values, {"name": name})


def sampled(scans: list[TrainingScan], most: int, seed: int = 0) -> dict[str, list[int]]:
    reservoir = Reservoir(most, seed)
    for one in scans:
        reservoir.add(one)
    assert reservoir.seen == sum(len(one.data.positions) for one in scans)
    return {str(one.about["name"]): one.data.positions.tolist() for one in reservoir.scans}


def test_all_frames_are_kept_while_there_is_room() -> None:
    assert sampled([scan("b", 3, 5), scan("a", 2)], 5) == {"a": [0, 1], "b": [5, 6, 7]}


@pytest.mark.parametrize("seed", range(3))
def test_every_frame_has_the_same_chance_in_whatever_order_scans_come(seed: int) -> None:
    scans = [scan("a", 30_000), scan("b", 10_000), scan("c", 60_000)]
    found = sampled(scans, 10_000, seed)
    assert found == sampled(scans[::-1], 10_000, seed)
    assert sum(map(len, found.values())) == 10_000
    # Of a share p of n frames, within five standard deviations.
    for one in scans:
        n = len(one.data.positions)
        assert abs(len(found[str(one.about["name"])]) - 0.1 * n) < 5 * np.sqrt(0.1 * 0.9 * n)
    halves = np.array(found["c"]) < 30_000
    assert abs(halves.mean() - 0.5) < 5 * 0.5 / np.sqrt(halves.size)


def test_a_scan_larger_than_the_sample_gives_only_the_frames_that_would_be_kept_of_it(scan_file: Path) -> None:
    around = Surroundings(Settings(), Meter(new_metrics()), DEFAULT_FOLDER, lambda _store: None, lambda *_told: None)
    with open_frames(str(scan_file)) as frames, measured(frames, around, lambda _done: None) as store:
        whole, part = (training_scan_of(store, frames.name, Settings(), most) for most in (1000, 100))
    assert (len(whole.data.positions), whole.left_out) == (320, 0)
    assert (len(part.data.positions), part.left_out) == (100, 220)
    kept = [Reservoir(100, Settings().learn.seed) for _ in range(2)]
    for reservoir, one in zip(kept, (whole, part), strict=True):
        reservoir.add(one)
        assert reservoir.seen == 320
    (expected,), (found,) = (reservoir.scans for reservoir in kept)
    np.testing.assert_array_equal(found.data.positions, expected.data.positions)


def test_values_stay_with_their_frames_and_seeds_differ() -> None:
    reservoir = Reservoir(50, 1)
    reservoir.add(scan("a", 1000))
    (kept,) = reservoir.scans
    np.testing.assert_array_equal(kept.data.x[:, 0], kept.data.positions)
    np.testing.assert_array_equal(kept.com_y, kept.data.positions)
    np.testing.assert_array_equal(kept.com_x, -kept.com_y)
    assert sampled([scan("a", 1000)], 50, 1) != sampled([scan("a", 1000)], 50, 2)
