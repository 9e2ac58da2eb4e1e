"""Does acquisition notice that ten people look on? The service at full speed and paced, with and without them."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stream_rrvae.bench.ingest import Case
from stream_rrvae.bench.rows import Row
from stream_rrvae.commands.bench_ingest import senders_of, service_turn
from stream_rrvae.commands.children import Child

VIEWERS = 10
RATIO = 0.95
SCAN = (256, 256)
DETECTOR, ELECTRONS = "192x192:uint8", 2000
NICENESS = 19  # of the viewers: people look on from machines of their own, whose work is not this one's
FEED_HZ = 20.0
PACED_SHARE = 0.25  # of the highest rate: where sender, service, pages and viewers find cores of their own on two


def acquisition_rows(seconds: float) -> Iterator[Row]:
    """Frames/s without and with viewers, first as many as come, then as many as a detector would send."""
    highest = yield from _pair("at full speed", seconds / 2, None)
    yield from _pair(f"paced at {PACED_SHARE:g} of that", seconds / 2, PACED_SHARE * highest)


def _pair(name: str, seconds: float, rate_fps: float | None) -> Generator[Row, None, float]:
    """One figure; gives what was reached without viewers."""
    alone, _ = _rate(seconds, rate_fps, viewers=0)
    watched, seen_hz = _rate(seconds, rate_fps, viewers=VIEWERS)
    told = f"acquisition {name}, {VIEWERS} viewers, {os.cpu_count()} cores"
    yield Row(told, watched, "frames/s", "without", alone, RATIO * alone)
    yield Row(f"acquisition {name}: what the slowest viewer sees", seen_hz, "per s", "published", FEED_HZ)
    return alone


def _rate(seconds: float, rate_fps: float | None, viewers: int) -> tuple[float, float]:
    """Frames/s taken in, and the updates/s of the slowest viewer."""
    with _published() as (feed, told), _sender(rate_fps) as source, ExitStack() as stack:
        if viewers:
            server = stack.enter_context(Child("dashboard", "stream_rrvae", "dashboard", "--feed", feed, "--port", "0"))
            url = f"http://{server.line_with('http://')}"
            looking = ("tests.benchmarks.dashboard_clients", url, str(viewers), str(seconds), str(NICENESS))
            looks_on = stack.enter_context(Child("viewers", *looking))
            looks_on.line_with("open")
        taken_fps = service_turn(source, seconds, told).fps
        return taken_fps, min(json.loads(looks_on.line_with("rates "))) if viewers else 0.0


@contextmanager
def _sender(rate_fps: float | None) -> Iterator[str]:
    if rate_fps is None:
        with senders_of(Case("", DETECTOR, ELECTRONS, peer=False), SCAN) as senders:
            yield f"dectris-v2://{senders.main}"
        return
    described = ("--detector", DETECTOR, "--dose", str(ELECTRONS), "--scan-shape", "64x64", "--repeat", "4x4")
    told = ("--protocol", "dectris-v2", "--rate", str(rate_fps), "--bind", "tcp://127.0.0.1:*")
    with Child("simulator", "detector_sim", *described, *told) as sender:
        yield f"dectris-v2://{sender.line_with('bound tcp://')}"


@contextmanager
def _published() -> Iterator[tuple[str, tuple[str, ...]]]:
    """A free address for the feed, and what to tell `serve` to publish there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        feed = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="bench-dashboard-") as folder:
        config = Path(folder) / "serve.toml"
        config.write_text(f'[feed]\nurl = "{feed}"\nrate_hz = {FEED_HZ}\n')
        yield feed, ("--config", str(config))
