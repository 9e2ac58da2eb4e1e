"""Rate, latency and metrics as they are told, and a log that cannot be flooded."""

import time

import numpy as np
import pytest

from stream_rrvae.ingest.meter import BATCHES_KEPT, Meter
from stream_rrvae.messages import Counters, Refusal, ScanState
from stream_rrvae.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(f"stream_rrvae_{name}", labels)
    assert found is not None
    return found


def test_latency_and_rate_are_of_the_last_seconds(metrics: Metrics) -> None:
    meter, now_s = Meter(metrics), time.monotonic()
    meter.stored(np.full(500, now_s - 107.0), now_s - 100)
    meter.stored(np.full(60, now_s - 0.010), now_s)
    meter.stored(np.full(40, now_s - 0.030), now_s)
    health = meter.health()
    assert health.rate_fps == 100
    assert 0.009 < health.latency_p50_s < 0.031
    assert health.latency_p95_s == pytest.approx(0.030)


def test_nothing_known_yet(metrics: Metrics) -> None:
    health = Meter(metrics).health()
    assert health.rate_fps == 0
    assert np.isnan([health.latency_p50_s, health.latency_p95_s, health.last_frame_age_s]).all()


def test_memory_is_bounded_however_many_batches(metrics: Metrics) -> None:
    meter, now_s = Meter(metrics), time.monotonic()
    for _ in range(BATCHES_KEPT + 100):
        meter.stored(np.full(3, now_s), now_s)
    assert len(meter._latencies) == BATCHES_KEPT


def test_what_was_added_to_the_account_is_passed_on(metrics: Metrics) -> None:
    meter = Meter(metrics)
    first = Counters(5, 4, 1, 3, 1, 0, 0, {"decode": 1})
    second = Counters(9, 9, 0, 6, 2, 1, 1, {"decode": 1, "size": 1})
    meter.counted(Counters(), first)
    meter.counted(first, second)
    assert value(metrics, "frames_received_total") == 9
    assert value(metrics, "frames_processed_total") == 6
    assert value(metrics, "frames_duplicate_total") == 1
    assert value(metrics, "frames_refused_total", reason="decode") == 1
    assert value(metrics, "frames_refused_total", reason="size") == 1


def test_rejections_and_scans(metrics: Metrics) -> None:
    meter = Meter(metrics)
    meter.rejected(Refusal.STALE)
    meter.rejected(Refusal.NO_SCAN, 4)
    meter.scan_closed(ScanState.ABORTED, 7)
    assert meter.health().rejected_messages == 5
    assert value(metrics, "messages_rejected_total", reason="no_scan") == 4
    assert value(metrics, "scans_total", outcome="aborted") == 1
    assert value(metrics, "frames_missing_total") == 7
