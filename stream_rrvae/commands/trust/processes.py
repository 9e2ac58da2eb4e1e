"""Checks 6 and 10: processes that are killed or stand still cost the others nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import psutil

from stream_rrvae.bench.trust.table import Effort, Found, judged
from stream_rrvae.commands.children import Child
from stream_rrvae.commands.trust.chaos import run_chaos
from stream_rrvae.commands.trust.recordings import kills_of
from stream_rrvae.commands.trust.serving import LOOK_S, PATIENCE_S, Serving, served, simulated
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.messages import ScanState

DETECTOR = ("--detector", "64x64:uint16", "--dose", "1000", "--rate", "2000")
LONG_SCANS = ("--scan-shape", "64x64", "--repeat", "8x8")  # two minutes
HELD_S = 2.0
RESTART_S = 3.0
GROWTH_BYTES = 5 << 20
PUBLISHED_HZ = 20.0
LATE_PERIODS = 1.0


def frozen_viewer(effort: Effort) -> Found:
    """A viewer stopped by SIGSTOP: the service does not grow and publishes to others as before.

    What it holds for the one that stands still, a snapshot or two, it holds at once; from then on nothing may come.
    """
    seconds = float(effort.either(8, 600))
    with simulated(*DETECTOR, *LONG_SCANS) as source, served(source, "--mode", "off") as service:
        with Child("viewer", "stream_rrvae.bench.trust.viewer", service.feed) as viewer:
            viewer.line_with("seeing")
            service.watch(3.0)
            before_s, before = _periods_s(service, seconds / 2), _own_bytes(service)
            with service.frozen(psutil.Process(viewer.process.pid)):
                service.watch(HELD_S)
                held = _own_bytes(service)
                frozen_s = _periods_s(service, seconds)
                after = _own_bytes(service)
        snapshot = service.until(lambda snapshot: snapshot.counters.processed > 0)
    effort.accounts.append(snapshot.counters)
    later_ms, grown = 1e3 * (median(frozen_s) - median(before_s)), after - held
    every_ms, slowest_ms = 1e3 * median(frozen_s), 1e3 * float(np.percentile(frozen_s, 99))
    figure = (
        f"{grown / 2**20:+.1f} MiB in {seconds:.0f} s after {(held - before) / 2**20:+.1f} MiB in the first "
        f"{HELD_S:.0f}; another viewer has a snapshot every {every_ms:.1f} ms (99 % {slowest_ms:.0f} ms), "
        f"{later_ms:+.1f} ms against before; {snapshot.counters.missing} frames missing"
    )
    met = grown < GROWTH_BYTES and later_ms < LATE_PERIODS * 1e3 / PUBLISHED_HZ and not snapshot.counters.missing
    return judged(met, figure, grown / 2**20, "MiB")


def _own_bytes(service: Serving) -> int:
    """Resident memory without what is shared: a scan's block fills as it goes on."""
    memory = service.process.memory_info()
    return int(memory.rss - memory.shared)


def _periods_s(service: Serving, seconds: float) -> list[float]:
    times_s, until_s = [], time.monotonic() + seconds
    while time.monotonic() < until_s:
        if service.look(LOOK_S) is not None:
            times_s.append(time.monotonic())
    return np.diff(times_s).tolist()


def killed_others(effort: Effort) -> Found:
    """The learner, the pages and the process that reads recordings are killed; acquire itself in the runs of 8."""
    turns = effort.either(2, 50)
    with TemporaryDirectory(prefix="stream-rrvae-trust-") as name, simulated(*DETECTOR, *LONG_SCANS) as source:
        records = Path(name) / "records"
        with served(source, "--record", str(records)) as service:
            service.until(lambda snapshot: snapshot.state is ScanState.RUNNING and snapshot.counters.processed > 0)
            learner_s = [_killed_learner(service) for _ in range(turns)]
            pages_s, reader_s = _killed_pages(service.feed, records, turns)
            last = service.until(lambda snapshot: snapshot.counters.processed > 0)
        at_random = run_chaos(Path(name) / "chaos", effort.either(8, 400), turns)
    effort.accounts.append(last.counters)
    lost = last.counters.missing + last.counters.refused
    slowest = {
        "learner": max(learner_s),
        "pages": max(pages_s),
        "reader of recordings": max(reader_s),
        "acquire": max(kills_of(effort).restarts_s),
    }
    told = ", ".join(f"{who} {seconds:.1f} s" for who, seconds in slowest.items())
    figure = (
        f"{lost} frames lost in {turns} kills of each; back after at most: {told} (start included); then "
        f"{at_random.killed} kills and {at_random.stopped} stops at random: {at_random.scans} scans written, "
        f"{'; '.join(at_random.problems[:2]) or 'all as sent outside their holes'}"
    )
    met = not lost and not at_random.problems and max(slowest.values()) <= RESTART_S
    return judged(met, figure, max(slowest.values()), "s")


def _killed_learner(service: Serving) -> float:
    """Seconds until another learner is up."""
    old = service.learner()
    begun_s = time.monotonic()
    old.kill()
    _until(lambda: _another(service, old.pid))
    return time.monotonic() - begun_s


def _another(service: Serving, old_pid: int) -> bool:
    try:
        return service.learner().pid != old_pid
    except (StopIteration, psutil.NoSuchProcess):
        return False


def _killed_pages(feed: str, records: Path, turns: int) -> tuple[list[float], list[float]]:
    """Seconds until the pages, started again, are served; until the reader of recordings is there again."""
    pages_s, reader_s = [], []
    for _ in range(turns):
        begun_s = time.monotonic()
        told = ("--feed", feed, "--port", "0", "--recordings", str(records))
        with Child("dashboard", "stream_rrvae", "dashboard", *told) as pages:
            pages.line_with("http")
            pages_s.append(time.monotonic() - begun_s)
            process = psutil.Process(pages.process.pid)
            reader = _reader_of(process)
            begun_s = time.monotonic()
            reader.kill()
            _until(lambda process=process, old=reader.pid: _reader_pid(process) not in (None, old))  # type: ignore[misc]
            reader_s.append(time.monotonic() - begun_s)
            pages.process.kill()
    return pages_s, reader_s


def _reader_of(pages: psutil.Process) -> psutil.Process:
    return next(child for child in pages.children() if "recordings" in child.cmdline())


def _reader_pid(pages: psutil.Process) -> int | None:
    try:
        return _reader_of(pages).pid
    except (StopIteration, psutil.NoSuchProcess, psutil.ZombieProcess):
        return None


def _until(condition: Callable[[], bool]) -> None:
    """Processes tell nobody that they are there: looked at every few ms."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > give_up_s:
            raise StreamRrvaeError(f"what was killed was not back within {PATIENCE_S:.0f} s")
        time.sleep(0.005)
