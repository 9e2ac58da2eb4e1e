"""`bench latency`: a paced sender that notes when it sends, the service, and a viewer that notes when it sees.

The highest rate is the highest at which the viewer still sees every snapshot of a feed at its full rate: a service that
gets more than it can do leaves snapshots out first, and a rate found that way has taken the viewer's share.
"""

from __future__ import annotations

import math
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from stream_rrvae.bench.ingest import Case
from stream_rrvae.bench.latency import Latencies, Watch, latencies, line, rows_of
from stream_rrvae.bench.rows import Row
from stream_rrvae.commands.bench_ingest import COMPUTED_SIDE, FREE_PORT, senders_of, service_turn
from stream_rrvae.commands.children import Child
from stream_rrvae.errors import FeedError, StreamRrvaeError
from stream_rrvae.feed.subscriber import Subscriber

DETECTOR, ELECTRONS = "192x192:uint8", 2000
SLOW_FPS, PART_OF_HIGHEST = 1000.0, 0.8
PARTS_TRIED = tuple(round(1.0 - 0.05 * step, 2) for step in range(11))
PUBLISHED_HZ = 20.0
MOST_REPEATED = 8  # a side
LOOK_S = 1.0
PATIENCE_S = 60.0  # without a snapshot


def measure_latency(seconds: float, show: Callable[[str], None]) -> list[Row]:
    """At 1 kHz and at 0.8 of the highest rate with a viewer. Raises StreamRrvaeError when a process fails."""
    taken = _taken_rate(seconds)
    show(f"{DETECTOR}, {ELECTRONS} electrons, dectris-v2; taken beside a viewer: {taken:,.0f} frames/s")
    highest = _highest_rate(taken, seconds, show)
    show(f"highest rate with all of the feed: {highest:,.0f} frames/s")
    rows = [Row("highest rate with all of the feed", highest, "frames/s", "taken with snapshots left out", taken)]
    for rate_fps in (SLOW_FPS, PART_OF_HIGHEST * highest) if highest else (SLOW_FPS,):
        found = watched_scan(rate_fps, seconds)
        show(line(found))
        rows += rows_of(found)
    return rows


def _highest_rate(taken_fps: float, seconds: float, show: Callable[[str], None]) -> float:
    """The highest of some parts of `taken_fps` at which service, feed and viewer keep up; 0 where they do at none."""
    for part in PARTS_TRIED:
        found = watched_scan(part * taken_fps, seconds)
        show(line(found))
        if found.kept_up:
            return found.rate_fps
    return 0.0


def _taken_rate(seconds: float) -> float:
    """What the service takes of all that a sender can give, beside a viewer; it leaves snapshots out for it."""
    side = MOST_REPEATED * COMPUTED_SIDE
    with (
        _published(PUBLISHED_HZ) as (feed, told),
        senders_of(Case("", DETECTOR, ELECTRONS, peer=False), (side, side)) as senders,
        _looked_at(feed),
    ):
        return service_turn(f"dectris-v2://{senders.main}", seconds, told).fps


@contextmanager
def _published(rate_hz: float) -> Iterator[tuple[str, tuple[str, str]]]:
    """A free address for the feed, and what to tell `serve` to publish there so often."""
    feed = f"tcp://127.0.0.1:{_free_port()}"
    with tempfile.TemporaryDirectory(prefix="stream-rrvae-bench-") as folder:
        config = Path(folder) / "serve.toml"
        config.write_text(f'[feed]\nurl = "{feed}"\nrate_hz = {rate_hz}\n')
        yield feed, ("--config", str(config))


@contextmanager
def _looked_at(feed: str) -> Iterator[None]:
    """A viewer that takes every snapshot."""
    done = threading.Event()

    def look() -> None:
        with Subscriber(feed) as viewer:
            while not done.is_set():
                viewer.receive(LOOK_S)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def watched_scan(rate_fps: float, seconds: float, published_hz: float = PUBLISHED_HZ) -> Latencies:
    """One square scan of about `seconds` at `rate_fps`, seen through the feed."""
    repeat = min(MOST_REPEATED, max(1, math.ceil(math.sqrt(rate_fps * seconds) / COMPUTED_SIDE)))
    scan = ("--scan-shape", f"{COMPUTED_SIDE}x{COMPUTED_SIDE}", "--repeat", f"{repeat}x{repeat}", "--scans", "1")
    sent = ("--detector", DETECTOR, "--dose", str(ELECTRONS), "--rate", str(rate_fps), "--bind", FREE_PORT)
    watch = Watch((repeat * COMPUTED_SIDE) ** 2)
    with _published(published_hz) as (feed, published), tempfile.TemporaryDirectory(prefix="sent-times-") as folder:
        times = Path(folder) / "sent.npy"
        told = ("--protocol", "dectris-v2", "--sent-times", str(times))
        with Child("simulator", "detector_sim", *told, *scan, *sent) as simulator, Subscriber(feed) as viewer:
            source = f"dectris-v2://{simulator.line_with('bound tcp://')}"
            serve = ("serve", "--source", source, "--mode", "off", *published)
            with Child("service", "stream_rrvae", *serve, log=True) as service:
                _look_on(viewer, watch, service)
            simulator.process.wait()
            simulator.check()
        return latencies(watch, np.load(times), rate_fps, 1.0 / published_hz)


def _look_on(viewer: Subscriber, watch: Watch, service: Child) -> None:
    service.line_with("ready")
    last_s = time.monotonic()
    while not watch.over:
        try:
            snapshot = viewer.receive(LOOK_S)
        except FeedError as error:
            raise StreamRrvaeError(f"the service published what cannot be read: {error}") from error
        service.check()
        if snapshot is not None:
            last_s = time.monotonic()
            watch.look(snapshot, last_s)
        elif time.monotonic() - last_s > PATIENCE_S:
            raise StreamRrvaeError(f"the service published nothing for {PATIENCE_S:.0f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
