"""What the dashboards promise: latency to the last canvas, viewers that cost little, acquisition that does not notice.

By hand, from the root of the repository, on a quiet machine (three to four minutes):
    python -m tests.benchmarks.dashboard [--seconds 10] [--only latency ...] [--json FILE]
Needs chromium, chromedriver and selenium. Publisher, server and browsers share the machine's cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from stream_rrvae.bench.process_cpu import tree_cpu_s
from stream_rrvae.bench.rows import Row, this_machine, write_json
from stream_rrvae.commands.children import Child
from tests.benchmarks.dashboard_acquisition import acquisition_rows
from tests.benchmarks.dashboard_browser import Seen, browser_on, looked_at

RATE_HZ, OVERLOAD = 10.0, 4
SETTLE_S = 3.0
STOPPED_S = 60.0
FULL_S = 25.0  # until what the server keeps of the last frames is full, and its allocator at rest
SAMPLES, SAMPLE_S = 16, 0.5  # of memory, whose median counts: the allocator keeps and gives back as it likes
METRIC = r"^stream_rrvae_dashboard_%s ([\d.e+]+)"
MIB = float(1 << 20)


@dataclass(frozen=True, slots=True)
class Serving:
    """A feed and the dashboard that shows it."""

    url: str
    server: Child

    def cpu_s(self) -> float:
        return tree_cpu_s(self.server.process.pid)

    def rss_mib(self) -> float:
        return float(psutil.Process(self.server.process.pid).memory_info().rss) / MIB

    def sessions(self) -> float:
        """Live pages that the server keeps."""
        return self._metric('sessions{page="live"}')

    def unsent_mib(self) -> float:
        """What it encoded for pages that have not taken it."""
        return self._metric("unsent_bytes") / MIB

    def _metric(self, name: str) -> float:
        with urllib.request.urlopen(self.url.replace("/live", "/metrics")) as answer:
            found = re.search(METRIC % re.escape(name), answer.read().decode(), re.MULTILINE)
        return 0.0 if found is None else float(found[1])


@contextmanager
def serving(rate_hz: float, model_hz: float = 1.0) -> Iterator[Serving]:
    with (
        Child("feed", "tests.benchmarks.dashboard_feed", str(rate_hz), str(model_hz)) as feed,
        Child(
            "dashboard", "stream_rrvae", "dashboard", "--feed", feed.line_with("publishes "), "--port", "0"
        ) as server,
    ):
        yield Serving(f"http://{server.line_with('http://')}", server)


@contextmanager
def clients(url: str, count: int, seconds: float = 0.0) -> Iterator[Child]:
    with Child("viewers", "tests.benchmarks.dashboard_clients", url, str(count), str(seconds)) as viewers:
        viewers.line_with("ready")
        yield viewers


def latency(seconds: float) -> Iterator[Row]:
    """One viewer, then four, then one beside nine without a screen; 65,536 points in latent space all along."""
    with serving(RATE_HZ) as served, ExitStack() as stack:
        first = stack.enter_context(browser_on(served.url))
        time.sleep(SETTLE_S)
        (seen,) = looked_at([first], seconds)
        yield from _quantiles("one viewer", seen, (40.0, 75.0))
        with clients(served.url, 9, seconds) as others:
            cpu_s, began_s = served.cpu_s(), time.monotonic()
            (seen,) = looked_at([first], seconds)
            share = 100 * (served.cpu_s() - cpu_s) / (time.monotonic() - began_s)
            rates = json.loads(others.line_with("rates "))
        yield Row("ten viewers: server", share, "% of a core", "one core", 100.0, 15.0)
        yield Row("ten viewers: slowest without a screen", min(rates), "per s", "published", RATE_HZ)
        yield from _quantiles("ten viewers: the one with a screen", seen, (None, None))
        pages = [first, *(stack.enter_context(browser_on(served.url)) for _ in range(3))]
        time.sleep(SETTLE_S)
        all_seen = looked_at(pages, seconds)
        slowest = min(all_seen, key=lambda each: each.rate_hz)
        yield Row("four viewers: slowest", slowest.rate_hz, "per s", "published", RATE_HZ, RATE_HZ)
        yield from _quantiles("four viewers: slowest", slowest, (None, None))


def everything(seconds: float) -> Iterator[Row]:
    """Five maps, the pattern and 65,536 points change with every update: until the last of them is drawn."""
    with serving(RATE_HZ, RATE_HZ) as served, browser_on(served.url) as page:
        time.sleep(SETTLE_S)
        (seen,) = looked_at([page], seconds)
    for share, target in ((50, 40.0), (95, 75.0)):
        taken_ms = 1e3 * float(np.percentile(seen.model_s, share)) if seen.model_s else None
        yield Row(f"five maps, pattern, 65,536 points: p{share}", taken_ms, "ms", None, None, target)
    yield Row(
        "five maps, pattern, 65,536 points: drawn", len(seen.model_s) / seen.looked_s, "per s", "published", RATE_HZ
    )


def overload(seconds: float) -> Iterator[Row]:
    """Published four times as often: does the page fall behind?"""
    with serving(OVERLOAD * RATE_HZ) as served, browser_on(served.url) as page:
        time.sleep(SETTLE_S)
        (early,) = looked_at([page], seconds)
        time.sleep(seconds)
        (late,) = looked_at([page], seconds)
        yield from _quantiles(f"{OVERLOAD} x overload, late", late, (None, None))
        before, after = (float(np.median(each.taken_s)) for each in (early, late))
        yield Row(
            f"{OVERLOAD} x overload: median late", 1e3 * after, "ms", "median early", 1e3 * before, 1.25 * 1e3 * before
        )
        yield Row(f"{OVERLOAD} x overload: painted", late.rate_hz, "per s", "published", OVERLOAD * RATE_HZ)


def stopped(seconds: float) -> Iterator[Row]:
    """A viewer that stops reading without closing, as a laptop does whose lid is closed (`--seconds 600`: ten minutes).

    The server gives it up when it does not answer pings, or takes nothing of what was sent. What waits for it is
    counted by the server; beside it stands its memory as the system sees it, which its allocator moves too.
    """
    with serving(RATE_HZ) as served, clients(served.url, 1), clients(served.url, 1) as viewer:
        time.sleep(FULL_S)
        before = [served.rss_mib() for _ in _paced(SAMPLES)]
        os.kill(viewer.process.pid, signal.SIGSTOP)
        try:
            seen = list(_watched(served, max(STOPPED_S, seconds)))
        finally:
            os.kill(viewer.process.pid, signal.SIGCONT)
    gone_s = next((each.at_s for each in seen if each.sessions == 1), None)
    unsent = max(each.unsent_mib for each in seen)
    until_then = [each.rss_mib for each in seen if gone_s is None or each.at_s <= gone_s]
    grown = max(float(np.median(until_then[i : i + SAMPLES])) for i in range(max(1, len(until_then) - SAMPLES + 1)))
    in_the_end = float(np.median([each.rss_mib for each in seen[-SAMPLES:]]))
    size = float(np.median(before))
    told = f"a stopped viewer, {seen[-1].at_s:.0f} s"
    yield Row(f"{told}: given up by the server after", gone_s, "s", None, None, STOPPED_S)
    yield Row(f"{told}: what waited for it at most", unsent, "MiB", None, None, 5.0)
    yield Row(f"{told}: by how much the server grew until then", grown - size, "MiB", None, None, 5.0)
    yield Row(f"{told}: by how much it has grown in the end", in_the_end - size, "MiB")


@dataclass(frozen=True, slots=True)
class Look:
    """The server at one moment since a viewer stopped."""

    at_s: float
    sessions: float
    unsent_mib: float
    rss_mib: float


def _watched(served: Serving, seconds: float) -> Iterator[Look]:
    began_s = time.monotonic()
    for _ in _paced(round(seconds / SAMPLE_S)):
        yield Look(time.monotonic() - began_s, served.sessions(), served.unsent_mib(), served.rss_mib())


def _paced(count: int) -> Iterator[None]:
    for _ in range(count):
        time.sleep(SAMPLE_S)
        yield


def _quantiles(name: str, seen: Seen, targets: tuple[float | None, float | None]) -> Iterator[Row]:
    if len(seen.taken_s) < 2:
        yield Row(f"{name}: nothing seen", None, "ms", None, None, targets[0])
        return
    for share, target in zip((50, 95), targets, strict=True):
        shown = 1e3 * float(np.percentile(seen.shown_s, share))
        drawn = 1e3 * float(np.percentile(seen.taken_s, share))
        yield Row(f"{name}: p{share}", drawn, "ms", "until the frame is done", shown, target)


MEASUREMENTS: dict[str, Callable[[float], Iterator[Row]]] = {
    "latency": latency,
    "everything": everything,
    "overload": overload,
    "stopped": stopped,
    "acquisition": acquisition_rows,
}


def line(row: Row) -> str:
    """For people: measured beside target."""
    value = "not seen" if row.value is None else f"{row.value:8.1f} {row.unit}"
    aim = "" if row.target is None else f"   target {row.target:.1f}"
    beside = (
        ""
        if row.reference_value is None
        else f"   {row.reference}: {row.reference_value:.1f} (ratio {row.ratio or 0:.2f})"
    )
    return f"{row.name:60s} {value}{aim}{beside}"


def main() -> None:
    """Measure what was asked for, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each turn")
    parser.add_argument("--only", nargs="*", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    print(this_machine())
    rows: list[Row] = []
    for name in asked.only:
        for row in MEASUREMENTS[name](asked.seconds):
            rows.append(row)
            print(line(row), flush=True)
    if asked.json is not None:
        write_json(asked.json, rows)


if __name__ == "__main__":
    main()
