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
    assert "1 never seen" in line(found)


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
