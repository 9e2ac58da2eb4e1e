"""How acquisition is doing: rate, latency and age for `Health`, and the metrics of every frame."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.log import event
from stream_rrvae.messages import Counters, Health, Refusal, ScanState
from stream_rrvae.metrics import Metrics

RATE_WINDOW_S = 1.0
LATENCY_WINDOW_S = 3.0
LATENCIES_A_BATCH = 8
BATCHES_KEPT = 8192


class Meter:
    """Fed by the receiving and the computing thread, read by anybody."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._rejected = 0
        self._shared_scan: str | None = None
        self._other_consumers = 0
        self._last_frame_s = float("nan")
        self._taken = 0
        self._computed = 0
        metrics.last_frame_timestamp_seconds.set_function(self._last_frame_unix_s)
        self._counts: deque[tuple[float, int]] = deque()
        self._latencies: deque[tuple[float, NDArray[np.float64]]] = deque(maxlen=BATCHES_KEPT)

    def frame_arrived(self, now_s: float) -> None:
        self._last_frame_s = now_s

    def rejected(self, reason: Refusal, count: int = 1) -> None:
        """Messages that belong to no scan."""
        with self._lock:
            self._rejected += count
        self._metrics.messages_rejected.labels(str(reason)).inc(count)

    def queued(self, size_bytes: int) -> None:
        self._metrics.queue_bytes.set(size_bytes)

    def stored(self, received_s: NDArray[np.float64], now_s: float) -> None:
        """Frames received at these times are in the scan store at `now_s`."""
        latencies = now_s - received_s
        step = max(1, latencies.size // LATENCIES_A_BATCH)
        with self._lock:
            self._counts.append((now_s, latencies.size))
            self._latencies.append((now_s, latencies[::step]))
            self._forget(now_s)
        # One observation a batch, its oldest frame: one a frame would cost more than the frame.
        self._metrics.frame_to_map_seconds.observe(float(latencies.max()))

    def counted(self, before: Counters, after: Counters) -> None:
        """Pass on what was added to a scan's account."""
        metrics = self._metrics
        with self._lock:
            self._taken += after.received - before.received
            self._computed += after.processed - before.processed + after.refused - before.refused
        metrics.frames_received.inc(after.received - before.received)
        metrics.frames_processed.inc(after.processed - before.processed)
        metrics.frames_duplicate.inc(after.duplicate - before.duplicate)
        metrics.frames_reordered.inc(after.reordered - before.reordered)
        for reason, count in after.skips.items():
            metrics.frames_skipped.labels(reason).inc(count - before.skips.get(reason, 0))
        for reason, count in after.refusals.items():
            metrics.frames_refused.labels(reason).inc(count - before.refusals.get(reason, 0))

    def stream_shared(self, scan_id: str, others: int) -> None:
        """So many others were seen to take from the stream of this scan; told once a scan."""
        if others and scan_id != self._shared_scan:
            self._shared_scan, self._other_consumers = scan_id, others
            self._metrics.scans_shared.inc()
            event("stream_shared", logging.ERROR, scan_id=scan_id, other_consumers=others)

    def scan_opened(self) -> None:
        """Nothing is known against the new scan."""
        self._shared_scan, self._other_consumers = None, 0

    def scan_closed(self, state: ScanState, missing: int) -> None:
        self._metrics.frames_missing.inc(missing)
        self._metrics.scans.labels(str(state)).inc()

    @property
    def frames(self) -> tuple[int, int]:
        """So many were taken since the beginning, and so many of them computed, or tried to be."""
        with self._lock:
            return self._taken, self._computed

    def _last_frame_unix_s(self) -> float:
        """0 before the first."""
        age_s = time.monotonic() - self._last_frame_s
        return time.time() - age_s if age_s >= 0 else 0.0

    def health(self) -> Health:
        """The last seconds, on the monotonic clock."""
        now_s = time.monotonic()
        with self._lock:
            self._forget(now_s)
            frames = sum(count for _, count in self._counts)
            latencies = np.concatenate([values for _, values in self._latencies] or [np.full(1, np.nan)])
            rejected = self._rejected
        p50, p95 = np.percentile(latencies, (50, 95))
        return Health(
            rate_fps=frames / RATE_WINDOW_S,
            latency_p50_s=float(p50),
            latency_p95_s=float(p95),
            last_frame_age_s=now_s - self._last_frame_s,
            rejected_messages=rejected,
            other_consumers=self._other_consumers,
        )

    def _forget(self, now_s: float) -> None:
        while self._counts and self._counts[0][0] < now_s - RATE_WINDOW_S:
            self._counts.popleft()
        while self._latencies and self._latencies[0][0] < now_s - LATENCY_WINDOW_S:
            self._latencies.popleft()
