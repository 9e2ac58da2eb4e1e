"""Processes killed, stopped and started again at random: every map that is written equals the oracle where it is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import psutil
from numpy.typing import NDArray

from stream_rrvae.bench.trust.fault_oracle import TOLERANCE
from stream_rrvae.bench.trust.steady_sender import KINDS, SteadySender
from stream_rrvae.commands.children import Child
from stream_rrvae.commands.trust.serving import Serving

SCAN_SHAPE, FPS = (60, 60), 3_000.0
LONGEST_STOP_S, LONGEST_REST_S = 1.5, 1.0
VICTIMS = ("service", "learner", "pages", "reader", "viewer")
COUNTERS = ("expected", "received", "missing", "processed", "refused", "duplicate")


@dataclass
class Chaos:
    """What was done, and what came of it."""

    killed: int = 0
    stopped: int = 0
    scans: int = 0  # results files
    holes: int = 0
    problems: list[str] = field(default_factory=list)


def run_chaos(folder: Path, events: int, seed: int) -> Chaos:
    """So many things happen to a service, its learner, the pages, their reader and a viewer, while scans come."""
    rng, found = random.Random(seed), Chaos()
    out, records = folder / "out", folder / "records"
    records.mkdir(parents=True)
    with ExitStack() as stack:
        detector = stack.enter_context(SteadySender(SCAN_SHAPE, FPS, seed=seed))
        people = _People(detector, folder, stack)
        for _ in range(events):
            people.happen(rng, found)
            people.service.watch(rng.random() * LONGEST_REST_S)
        people.service.next_event("results_written")  # it goes on after all of this
    for path in sorted(out.glob("*.h5")):
        found.scans += 1
        found.problems += [f"{path.name}: {problem}" for problem in _problems_of(path, detector, found)]
    return found


class _People:
    """All processes; those that are killed and are nobody's child are started again."""

    def __init__(self, detector: SteadySender, folder: Path, stack: ExitStack) -> None:
        self._detector, self._folder, self._stack = detector, folder, stack
        self.service = self._serve()
        self._pages, self._viewer = self._open_pages(), self._look_on()

    def happen(self, rng: random.Random, found: Chaos) -> None:
        """One of them is killed, or stands still for a while."""
        who = rng.choice(VICTIMS)
        kill = rng.random() < 0.5
        with suppress(psutil.NoSuchProcess, StopIteration):  # it may be about to come back from the last time
            process = self._process_of(who)
            if not kill:
                found.stopped += 1
                with self.service.frozen(process):
                    psutil.wait_procs([process], timeout=rng.random() * LONGEST_STOP_S)
                return
            process.kill()
            found.killed += 1
            self._start_again(who)

    def _process_of(self, who: str) -> psutil.Process:
        if who == "service":
            return self.service.process
        if who == "learner":
            return self.service.learner()
        if who == "viewer":
            return psutil.Process(self._viewer.process.pid)
        pages = psutil.Process(self._pages.process.pid)
        return pages if who == "pages" else next(c for c in pages.children() if "recordings" in c.cmdline())

    def _start_again(self, who: str) -> None:
        if who == "service":
            self.service.child.process.wait()
            self.service = self._serve()
        elif who == "pages":
            self._pages.process.wait()
            self._pages = self._open_pages()
        elif who == "viewer":
            self._viewer.process.wait()
            self._viewer = self._look_on()

    def _serve(self) -> Serving:
        told = ("--out", str(self._folder / "out"), "--record", str(self._folder / "records"))
        return self._stack.enter_context(Serving(self._detector.source, self._folder, *told))

    def _open_pages(self) -> Child:
        told = ("--feed", self.service.feed, "--port", "0", "--recordings", str(self._folder / "records"))
        pages = self._stack.enter_context(Child("dashboard", "stream_rrvae", "dashboard", *told))
        pages.line_with("http")
        return pages

    def _look_on(self) -> Child:
        return self._stack.enter_context(Child("viewer", "stream_rrvae.bench.trust.viewer", self.service.feed))


def _problems_of(path: Path, detector: SteadySender, found: Chaos) -> Iterator[str]:
    with h5py.File(path) as file:
        counts = {name: int(file[f"entry/quality/frames_{name}"][()]) for name in COUNTERS}
        image: NDArray[np.float32] = file["entry/maps/sum"][()].ravel()
    there = np.flatnonzero(np.isfinite(image))
    found.holes += image.size - there.size
    if counts["expected"] != counts["received"] + counts["missing"]:
        yield f"expected is not received + missing in {counts}"
    if there.size != counts["processed"]:
        yield f"{there.size} positions have a value, {counts['processed']} were processed"
    wanted = detector.frames.sum(axis=(1, 2), dtype=np.float64)[there % KINDS]
    if not np.allclose(image[there], wanted, TOLERANCE):
        yield "the map of sums is not what was sent"
