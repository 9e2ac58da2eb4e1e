"""Each scan of several shards is over once, with what all of them told of it last, whoever is ahead or silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stream_rrvae.feed.ended_scans import NEXT_PATIENCE_S, PATIENCE_S, SCANS_HELD, EndedScans
from stream_rrvae.messages import Counters, Health, ModelStatus, ScanState, Snapshot

MakeSnapshot = Callable[[int, tuple[int, int]], Snapshot]
Tell = Callable[..., Snapshot]
RUNNING, COMPLETE, ABORTED = ScanState.RUNNING, ScanState.COMPLETE, ScanState.ABORTED
READY = ModelStatus(3, "ready")
LINES, COLUMNS = 4, 3


@pytest.fixture
def tell(make_snapshot: MakeSnapshot) -> Tell:
    """What shard 0 or 1 tells of a scan of which it has every second line, and the first `done` of these."""

    def told(shard: int, scan_id: str, state: ScanState, done: int = 2, model: ModelStatus = READY) -> Snapshot:
        values = np.full((LINES, COLUMNS), np.nan, np.float32)
        values[shard::2][:done] = shard + 1
        frames = done * COLUMNS
        maps = {"sum": values, "coverage": np.isfinite(values).astype(np.float32)}
        return replace(
            make_snapshot(1, (LINES, COLUMNS)), scan_id=scan_id, state=state, maps=maps, model=model, shard_id=shard,
            units=dict.fromkeys(maps, "1"), counters=Counters(frames, frames, 0, frames), shards=(), pattern=None,
            pattern_position=None,
        )  # fmt: skip

    return told


@pytest.fixture
def scans() -> EndedScans:
    return EndedScans(2, "all")


def test_a_scan_is_over_when_all_shards_and_their_models_are(scans: EndedScans, tell: Tell) -> None:
    scans.take(0, tell(0, "a", RUNNING, 1), 0.0)
    scans.take(1, tell(1, "a", COMPLETE), 1.0)
    scans.take(0, tell(0, "a", COMPLETE, model=ModelStatus(2, "training")), 1.1)
    assert scans.due(1.2) == []
    scans.take(0, tell(0, "a", COMPLETE), 1.3)
    (ended,) = scans.due(1.4)
    assert ended.snapshot.state is COMPLETE and ended.snapshot.instrument == "all"
    np.testing.assert_array_equal(ended.snapshot.maps["sum"][:, 0], [1, 2, 1, 2])
    assert ended.snapshot.counters == Counters(12, 12, 0, 12)
    scans.take(0, tell(0, "a", COMPLETE), 1.5)
    assert scans.due(100.0) == [] and scans.rest() == []


def test_who_is_behind_is_waited_for_when_others_have_begun_the_next(scans: EndedScans, tell: Tell) -> None:
    for shard in (0, 1):
        scans.take(shard, tell(shard, "a", RUNNING, 1), 0.0)
    scans.take(0, tell(0, "a", COMPLETE), 0.9)
    scans.take(0, tell(0, "b", RUNNING, 1), 1.0)
    assert scans.due(1.5) == []
    scans.take(1, tell(1, "a", COMPLETE), 1.6)
    scans.take(1, tell(1, "b", RUNNING, 1), 1.6)
    (ended,) = scans.due(1.7)
    assert (ended.snapshot.scan_id, ended.snapshot.state, ended.snapshot.counters.missing) == ("a", COMPLETE, 0)


def test_who_never_says_how_it_ended_owes_its_frames(scans: EndedScans, tell: Tell) -> None:
    scans.take(0, tell(0, "a", COMPLETE), 0.0)
    scans.take(1, tell(1, "a", RUNNING, 1), 0.0)
    scans.take(0, tell(0, "b", RUNNING, 1), 1.0)
    assert scans.due(1.0 + NEXT_PATIENCE_S) == []
    (ended,) = scans.due(1.1 + NEXT_PATIENCE_S)
    assert ended.snapshot.state is ABORTED
    assert ended.snapshot.counters == Counters(12, 9, 3, 9)
    assert [shard.state for shard in ended.snapshot.shards] == ["complete", "lost"]


def test_a_shard_that_told_nothing_and_a_model_that_does_not_end_are_waited_for_in_vain(
    scans: EndedScans, tell: Tell
) -> None:
    scans.take(1, tell(1, "a", COMPLETE, model=ModelStatus(2, "training")), 0.0)
    assert scans.due(PATIENCE_S) == []
    (ended,) = scans.due(PATIENCE_S + 0.1)
    assert ended.snapshot.state is ABORTED
    assert [shard.state for shard in ended.snapshot.shards] == ["silent", "complete"]
    assert ended.snapshot.counters.missing == 6


def test_a_scan_that_goes_on_slowly_is_not_over(scans: EndedScans, tell: Tell) -> None:
    scans.take(0, tell(0, "a", RUNNING, 1), 0.0)
    assert scans.due(1000.0) == []
    (ended,) = scans.rest()
    assert ended.snapshot.state is ABORTED and ended.snapshot.counters.processed == 3


def test_mean_patterns_are_put_together_by_their_frames(scans: EndedScans, tell: Tell) -> None:
    pattern = np.ones((5, 4), np.float32)
    for shard, frames in ((0, 3), (1, 1)):
        own = replace(tell(shard, "a", COMPLETE), mean_pattern=pattern * 8 * shard, mean_frames=frames)
        scans.take(shard, own, 0.0)
    (ended,) = scans.due(0.1)
    np.testing.assert_array_equal(ended.snapshot.mean_pattern, pattern * 2)
    assert ended.snapshot.mean_frames == 4
    for shard in (0, 1):
        scans.take(shard, replace(tell(shard, "b", COMPLETE), mean_pattern=None, mean_frames=0), 1.0)
    (without,) = scans.due(1.1)
    assert without.snapshot.mean_pattern is None


def test_what_is_held_is_bounded(scans: EndedScans, tell: Tell) -> None:
    for number in range(SCANS_HELD + 3):
        scans.take(0, tell(0, f"scan {number}", RUNNING, 1), 0.1 * number)
    assert [ended.snapshot.scan_id for ended in scans.due(1.0)] == ["scan 0", "scan 1", "scan 2"]


def test_what_was_left_out_is_noted(scans: EndedScans, tell: Tell) -> None:
    for level in (0, 0, 2, 2, 0):
        reduced = replace(tell(0, "a", RUNNING, 1), health=Health(degrade_level=level), published_unix_s=100.0 + level)
        scans.take(0, reduced, 0.0)
    (ended,) = scans.rest()
    assert [(change.unix_s, change.level) for change in ended.levels] == [(102.0, 2), (100.0, 0)]
