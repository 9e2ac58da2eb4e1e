from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from stream_rrvae.bench.latency import Watch, latencies, line, rows_of
from stream_rrvae.commands import bench_latency
from stream_rrvae.feed.snapshot import build_snapshot
from stream_rrvae.messages import Health, ScanState, Snapshot
from stream_rrvae.scan_store import ScanStore


@pytest.fixture
def snapshot(filled_store: ScanStore) -> Snapshot:
    """4x5 positions, the last without a value."""
    return build_snapshot(filled_store, "a", 1, Health())


def partly(snapshot: Snapshot, upto: int) -> Snapshot:
    values = np.where(np.arange(20) < upto, 1.0, np.nan).astype(np.float32).reshape(4, 5)
    return replace(snapshot, maps={"sum": values})


def test_a_frame_is_late_by_the_snapshot_that_first_shows_it(snapshot: Snapshot) -> None:
    watch = Watch(20)
    for upto, now_s in ((4, 1.0), (10, 2.0), (10, 3.0), (19, 4.0)):
        watch.look(partly(snapshot, upto), now_s)
    assert not watch.over
    found = latencies(watch, np.linspace(0.5, 3.5, 20), 10.0, 0.5)
    sent_late = np.linspace(0.5, 3.5, 20) > 1.0  # those before the first look do not count
    assert found.frames == sent_late.sum()
    assert found.unseen == 1
    expected = (np.where(np.arange(20) < 10, 2.0, 4.0) - np.linspace(0.5, 3.5, 20))[sent_late][:-1]
    assert found.p50_s == pytest.approx(np.median(expected))
    rows = {row.name.partition(": ")[2]: row for row in rows_of(found)}
    assert rows["99 %"].target == pytest.approx(550.0)
    assert rows["99 % beyond the period"].value == pytest.approx(1e3 * (found.p99_s - 0.5))
    assert rows["frames never in a map"].value == 1
    assert found.sent_fps == pytest.approx(19 / 3)
    assert found.seen_hz == pytest.approx(3 / 2.5)  # at 1, 2 and 3 s of the time from 1 to 3.5 s
    assert found.p99_first_s == pytest.approx(np.percentile(expected[:3], 99))
    assert found.p99_later_s == pytest.approx(np.percentile(expected[3:], 99))
    assert not found.kept_up
    assert "1 never seen" in line(found)


def kept_up(snapshot: Snapshot, looks_s: list[float], last_sent_s: float, rate_fps: float = 20.0) -> bool:
    """Of 20 frames sent from 0.05 s on, seen at some times; period 0.1 s."""
    watch, sent_s = Watch(20), np.linspace(0.05, last_sent_s, 20)
    for now_s in looks_s:
        values = np.where(sent_s < now_s - 0.02, 1.0, np.nan).astype(np.float32).reshape(4, 5)
        watch.look(replace(snapshot, maps={"sum": values}), now_s)
    return latencies(watch, sent_s, rate_fps, 0.1).kept_up


def test_keeping_up_is_pace_rate_and_no_queue(snapshot: Snapshot) -> None:
    steady = [0.1 * n for n in range(12)]
    assert kept_up(snapshot, steady, 1.0)
    assert not kept_up(snapshot, steady, 1.0, rate_fps=25.0), "the sender was held back"
    assert not kept_up(snapshot, steady[::2] + steady[-1:], 1.0), "snapshots were left out"
    assert not kept_up(snapshot, [*steady[:11], 1.4], 1.0), "the last came late"
    assert not kept_up(snapshot, steady[:11], 1.0), "the last never came"


def test_other_scans_and_idle_services_are_not_looked_at(snapshot: Snapshot) -> None:
    watch = Watch(21)
    watch.look(snapshot, 1.0)
    watch.look(replace(snapshot, maps={}), 2.0)
    assert math.isnan(watch.began_s) and np.isnan(watch.seen_s).all()
    assert math.isnan(latencies(watch, np.arange(21.0), 1.0, 0.1).p50_s)


def test_the_end_is_noticed(snapshot: Snapshot) -> None:
    watch = Watch(20)
    watch.look(replace(snapshot, state=ScanState.COMPLETE), 1.0)
    assert watch.over


def test_a_real_scan_is_seen_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_latency, "COMPUTED_SIDE", 24)
    found = bench_latency.watched_scan(576.0, 1.0)
    assert found.unseen == 0
    assert found.frames > 0
    assert 0 < found.p50_s <= found.p99_s
    assert found.seen_hz > 0 and found.sent_fps > 0
