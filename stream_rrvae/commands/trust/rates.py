"""Checks 1, 3 and 5: rates and times, and that learning takes nothing from them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from stream_rrvae.bench.ingest import Case
from stream_rrvae.bench.latency import GOAL_BEYOND_PERIOD_S
from stream_rrvae.bench.trust.table import Effort, Found, judged
from stream_rrvae.commands.bench_ingest import senders_of, service_turn
from stream_rrvae.commands.bench_latency import watched_scan
from stream_rrvae.commands.trust.serving import served, simulated
from stream_rrvae.messages import Snapshot

# What such detectors send: a Merlin-class one of 256x256, and a QUADRO of 512x512.
RATED = (
    (Case("256x256 u16", "256x256:uint16", 2000, peer=False), 2_000.0),
    (Case("512x512 u8", "512x512:uint8", 2000, peer=False), 4_500.0),
)
HEADROOM = 1.5
LATENCY_FPS = 4_500.0
SLOWER = 0.1


def sustained_rate(effort: Effort) -> Found:
    """The highest rate at which nothing is missing, sender and service on the same cores."""
    told, least, lost = [], float("inf"), 0
    for case, rated_fps in RATED:
        with senders_of(case, (128, 128)) as senders:
            turn = service_turn(f"dectris-v2://{senders.main}", float(effort.either(4, 60)))
        side, _, kind = case.detector.partition(":")
        frame_bytes = int(side.partition("x")[0]) ** 2 * (2 if kind == "uint16" else 1)
        told.append(f"{case.name} {turn.fps:,.0f} frames/s = {turn.fps * frame_bytes / 1e9:.1f} GB/s unpacked")
        least, lost = min(least, turn.fps / rated_fps), lost + turn.lost
    figure = f"{'; '.join(told)}; {lost} missing; {least:.1f} times the rated 2,000 and 4,500 frames/s"
    return judged(least >= HEADROOM and not lost, figure, least, "times rated")


def latency(effort: Effort) -> Found:
    """From a frame's sending to its value in a map that a viewer has."""
    found = watched_scan(LATENCY_FPS, float(effort.either(4, 60)))
    beyond_ms = 1e3 * (found.p99_s - found.period_s)
    figure = (
        f"sent to seen at {LATENCY_FPS:,.0f} frames/s: median {1e3 * found.p50_s:.0f} ms, 99 % {1e3 * found.p99_s:.0f} "
        f"ms, of which the publishing period is {1e3 * found.period_s:.0f} ms; {found.unseen} of {found.frames} unseen"
    )
    return judged(beyond_ms <= 1e3 * GOAL_BEYOND_PERIOD_S and not found.unseen, figure, beyond_ms, "ms")


def slow_learner(effort: Effort) -> Found:
    """The learner at work, then stopped by SIGSTOP: frames are recorded and measured as before."""
    seconds = float(effort.either(5, 60))
    told = (
        "--detector",
        "96x96:uint16",
        "--dose",
        "2000",
        "--scan-shape",
        "64x64",
        "--repeat",
        "2x2",
        "--rate",
        "2000",
    )
    with simulated(*told) as source, served(source) as service:
        service.until(lambda snapshot: snapshot.model.version > 0)
        working = service.watch(seconds)
        with service.frozen(service.learner()):
            stopped = service.watch(seconds)
    before_s, after_s = _p95_s(working), _p95_s(stopped)
    change, missing = after_s / before_s - 1, max(snapshot.counters.missing for snapshot in stopped)
    effort.accounts += [snapshot.counters for snapshot in (*working, *stopped)]
    figure = (
        f"{missing} frames missing while the learner stood still for {seconds:.0f} s; "
        f"received to measured, 95 %: {1e3 * before_s:.1f} ms with it, {1e3 * after_s:.1f} ms without ({change:+.0%})"
    )
    return judged(missing == 0 and change < SLOWER, figure, 100 * change, "%")


def _p95_s(snapshots: Sequence[Snapshot]) -> float:
    return median(snapshot.health.latency_p95_s for snapshot in snapshots)
