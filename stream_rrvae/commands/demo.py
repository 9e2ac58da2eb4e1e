"""`demo`: simulator, service and dashboard on this machine, each its own process as in production."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from stream_rrvae.commands.children import Child, end_on_sigterm
from stream_rrvae.commands.progress import ScanProgress
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.messages import Snapshot
from stream_rrvae.private_folder import private_folder
from stream_rrvae.security import make_key

LOOK_S = 0.5
HEADLESS_FPS, WATCHED_FPS = "1000", "250"

FIRST_START_S = 600.0  # compiles the kernels, on a slow machine too


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What `stream-rrvae demo` was asked for; `scans` 0 = go on until stopped, None = by mode."""

    out: Path
    headless: bool = False
    scans: int | None = None
    port: int = 5006
    specimen: str = "graphene"
    dose: str = "inf"
    scan_shape: tuple[int, int] = (64, 64)
    rate: str | None = None
    seed: int = 0
    context: str | None = None

    @property
    def scan_count(self) -> int:
        """Scans to do; 0 = until stopped."""
        return self.scans if self.scans is not None else int(self.headless)

    @property
    def rate_fps(self) -> str:
        """Frames/s of the simulator: slow enough to watch unless headless."""
        return self.rate or (HEADLESS_FPS if self.headless else WATCHED_FPS)


def run_demo(options: DemoOptions) -> None:
    """Run the demo to its end or until Ctrl-C. Raises StreamRrvaeError when a part of it fails."""
    end_on_sigterm()
    before = set(options.out.glob("*.results.h5"))
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder("demo"))
        feed, requests, key = f"ipc://{folder}/feed", f"ipc://{folder}/requests", folder / "requests.key"
        make_key(key)
        simulator = stack.enter_context(_simulator(options))
        endpoint = simulator.line_with("bound tcp://")
        if not options.headless:
            dashboard = Child(
                "dashboard", "stream_rrvae", "dashboard", "--feed", feed, "--port", str(options.port),
                "--requests-key", str(key),
            )  # fmt: skip
            stack.enter_context(dashboard)
            click.echo(f"open http://{dashboard.line_with('http://')}   (Ctrl-C ends the demo)")
        asked = "--requests", requests, "--requests-key", str(key)
        service = stack.enter_context(_service(options, endpoint, feed, *asked))
        service.line_with("ready", FIRST_START_S)
        _follow(service, simulator, Subscriber(feed))
    _summarise(options, before)


def _simulator(options: DemoOptions) -> Child:
    rows, columns = options.scan_shape
    return Child(
        "simulator", "detector_sim",
        "--protocol", "native", "--bind", "tcp://127.0.0.1:*", "--specimen", options.specimen,
        "--detector", "96x96:float32" if options.dose == "inf" else "96x96:uint16", "--dose", options.dose,
        "--scan-shape", f"{rows}x{columns}", "--rate", options.rate_fps, "--scans", str(options.scan_count),
        "--seed", str(options.seed),
    )  # fmt: skip


def _service(options: DemoOptions, endpoint: str, feed: str, *more: str) -> Child:
    scans = ("--scans", str(options.scan_count)) if options.scan_count else ()
    context = ("--context", options.context) if options.context else ()
    return Child(
        "service", "stream_rrvae", "serve", "--source", f"native+pull://{endpoint}", "--feed", feed,
        "--instrument", "simulator", "--out", str(options.out), "--seed", str(options.seed), *scans, *context, *more,
    )  # fmt: skip


def _follow(service: Child, simulator: Child, feed: Subscriber) -> None:
    """Show progress until the service ends."""
    progress = ScanProgress()
    while service.process.poll() is None:
        snapshot: Snapshot | None = feed.receive(LOOK_S)
        simulator.check()
        if snapshot is not None:
            progress.show(snapshot)
    progress.end()
    feed.close()
    service.check()


def _summarise(options: DemoOptions, before: set[Path]) -> None:
    """Name the results; the last scan's are `results.h5`."""
    from stream_rrvae.maps.results import summary

    written = sorted(set(options.out.glob("*.results.h5")) - before, key=lambda path: path.stat().st_mtime)
    if not written:
        return
    last = options.out / "results.h5"
    link = options.out / f".results-{os.getpid()}.h5"
    link.hardlink_to(written[-1])
    link.replace(last)
    click.echo(f"{last}: {summary(last)}")
