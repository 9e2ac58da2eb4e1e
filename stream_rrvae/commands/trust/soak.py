"""Check 26: everything together for a long time, with viewers coming and going: nothing may grow."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from stream_rrvae.bench.trust.slopes import Sample, Slopes, least_of, sample_of, slopes_of
from stream_rrvae.bench.trust.table import Effort, Found, judged
from stream_rrvae.commands.children import Child
from stream_rrvae.commands.trust.serving import Serving, simulated
from stream_rrvae.commands.trust.suite import CHECKOUT
from stream_rrvae.recording.layout import PART_SUFFIX

RATED = ("--detector", "128x128:uint16", "--dose", "2000", "--scan-shape", "64x64", "--repeat", "2x2", "--rate", "2000")
QUICK_S, LONG_S = 60, 7200
SEEN_S, ALONE_S = 8.0, 7.0  # of each turn: with viewers, and until the pages have forgotten them
SETTLED_S, SETTLED_PART = 15.0, 0.2  # or this part of it: models and caches are made by then
MOMENTS = 3  # a second apart, at the end of each turn
VIEWERS = 5  # at a time, each time others
MOST_BYTES_AN_HOUR = 1 << 20
MOST_DRIFT = 0.1
LONG_ENOUGH_S = 1800.0  # for a slope to be one


def soak(effort: Effort) -> Found:
    """Slopes over the turns, taken when nobody looks."""
    return judged_soak(*soaked(float(effort.either(QUICK_S, LONG_S)), effort))


def soaked(seconds: float, effort: Effort | None = None) -> tuple[list[Sample], int]:
    """A sample at the end of each turn, and how many frames went missing."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="stream-rrvae-trust-")))
        source = stack.enter_context(simulated(*RATED))
        records = folder / "records"
        service = stack.enter_context(Serving(source, folder, "--record", str(records)))
        pages = stack.enter_context(
            Child("dashboard", "stream_rrvae", "dashboard", "--feed", service.feed, "--port", "0")
        )
        url = "http" + pages.line_with("http")
        watched = [service.process, psutil.Process(pages.process.pid)]
        service.watch(SETTLED_S)
        samples, missing, begun_s = [], 0, time.monotonic()
        while time.monotonic() - begun_s < seconds:
            with _viewers(url):
                service.watch(SEEN_S)
            service.watch(ALONE_S - MOMENTS)
            pages.check()
            moments = []
            for _ in range(MOMENTS):
                latest = service.latest_after(1.0)
                moments.append(sample_of(watched, time.monotonic() - begun_s, latest.health.latency_p95_s))
            samples.append(least_of(moments))
            missing += latest.counters.missing
            if effort is not None:
                effort.accounts.append(latest.counters)
            _make_room(records)
    return samples, missing


@contextmanager
def _viewers(url: str) -> Iterator[None]:
    """Pages that are open for a while, without a browser; where the checkout is not here, none."""
    script = CHECKOUT / "tests" / "benchmarks" / "dashboard_clients.py"
    if not script.exists():
        yield
        return
    with Child("viewers", str(script), url, str(VIEWERS), "3600", python=sys.executable) as viewers:
        viewers.line_with("ready")
        yield


def _make_room(records: Path) -> None:
    """Finished recordings are not kept: it is no test of the disk's size."""
    for folder in records.glob("*"):
        if folder.suffix != PART_SUFFIX:
            shutil.rmtree(folder, ignore_errors=True)


def judged_soak(samples: list[Sample], missing: int) -> Found:
    """What the samples say; of a short run files, threads and blocks alone are judged."""
    settled = samples[int(SETTLED_PART * len(samples)) :]
    taken_s = settled[-1].at_s - settled[0].at_s
    slopes = slopes_of(settled)
    long = taken_s >= LONG_ENOUGH_S
    first, last = settled[0], settled[-1]
    grown = [getattr(last, name) - getattr(first, name) for name in ("open_files", "threads", "shared_blocks")]
    flat = not missing and all(each <= (0 if not long else 1) for each in grown)
    figure = (
        f"{taken_s:.0f} s with {VIEWERS} viewers coming and going: {_of_memory(slopes, first, last, long)}; "
        f"files {grown[0]:+d}, threads {grown[1]:+d}, shared blocks {grown[2]:+d}; "
        f"received to measured, 95 %: {slopes.drift:+.0%}; {missing} frames missing"
    )
    if long:
        flat &= slopes.resident_bytes <= MOST_BYTES_AN_HOUR and slopes.drift < MOST_DRIFT
    return judged(flat, figure, slopes.resident_bytes / 2**20, "MiB/h")


def _of_memory(slopes: Slopes, first: Sample, last: Sample, long: bool) -> str:
    if long:
        return f"memory {slopes.resident_bytes / 2**20:+.2f} MiB/h"
    return f"memory {(last.resident_bytes - first.resident_bytes) / 2**20:+.1f} MiB (too short for a slope)"
