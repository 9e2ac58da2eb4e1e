"""A recorded scan of which the first frames are measured here, as live, and the rest in chunks anywhere."""

from __future__ import annotations

import time

import numpy as np

from stream_rrvae.batch.chunk import Chunk, Entries, PlanRecipe, account_for, merge_chunk, recipe_of
from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.measure import settled
from stream_rrvae.batch.site import with_recorded_site
from stream_rrvae.config import Settings
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.ingest.events import Opened
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import ScanWork, Surroundings
from stream_rrvae.messages import ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore


class BegunScan:
    """Has found its disc and laid out its store when made; raises StreamRrvaeError where that cannot be."""

    def __init__(self, input_: Input, settings: Settings, chunk_bytes: int) -> None:
        self.input = input_
        self.began_unix_s = time.time()
        self.waiting = 0  # chunks that are measured elsewhere now
        self.all_sent = False
        self.error: StreamRrvaeError | None = None
        self._taken: set[int] = set()  # where chunks begin
        with input_.open() as frames:
            self.settings = with_recorded_site(settings, frames)
            self._n_numbers = frames.n_numbers
            self._work = self._begun(frames)
            self.arrivals_done = settled(self._work, frames, self.settings.ingest.settle_frames)
            self._entries = [_overflow(frames, self.arrivals_done)]
            self.ranges = _ranges(self.arrivals_done, frames, chunk_bytes)

    @property
    def recipe(self) -> PlanRecipe | None:
        """How its frames are measured; None where no frame could be used so far."""
        compute = self._work.compute
        return recipe_of(compute) if compute else None

    def take(self, chunk: Chunk) -> None:
        """Put a chunk to its place."""
        assert self._work.store is not None
        if chunk.first not in self._taken:
            self._taken.add(chunk.first)
            self._entries.append(chunk.entries)
            assert self._work.compute is not None
            merge_chunk(chunk, self._work.compute)

    def close(self) -> ScanStore:
        """The store, complete; it is the caller's to close."""
        if self._work.compute is not None:
            account_for(self._entries, self._work.compute.account, self._n_numbers)
        self._work.end()
        return self._work.close(ScanState.COMPLETE)[0]

    def abandon(self) -> None:
        """Let go of what was measured."""
        if self._work.store is not None:
            self._work.store.close()

    def _begun(self, frames: FrameFile) -> ScanWork:
        meter = Meter(new_metrics())
        around = Surroundings(self.settings, meter, DEFAULT_FOLDER, lambda _store: None, _nobody)
        work = ScanWork(Opened(frames.start, frames.scan_shape), around)
        work.begin()
        return work


def _nobody(*_told: object) -> None:
    """Refusals are in the account."""


def _overflow(frames: FrameFile, done: int) -> Entries:
    """Stored frames after the first `done` that belong to no position, so to no chunk either."""
    arrivals = np.arange(done, frames.n_arrivals if frames.numbers is not None else done)
    numbers = frames.numbers_of(arrivals)
    outside = (numbers < 0) | (numbers >= frames.n_numbers)
    return Entries(arrivals[outside], numbers[outside], np.zeros(int(outside.sum()), np.uint8))


def _ranges(done: int, frames: FrameFile, chunk_bytes: int) -> list[tuple[int, int]]:
    """Positions in chunks, whole scan lines where a chunk holds any: a file may be read by lines only.

    Where frames are stored in the order of positions, those of the first `done` and of none are left out.
    """
    width = frames.scan_shape[1] + frames.start.path.line_flyback
    first, n = (done, frames.n_arrivals) if frames.numbers is None else (0, frames.n_numbers)
    if first >= n:
        return []
    count = max(1, chunk_bytes // frames.frame_bytes)
    if count > width:
        count -= count % width
    ends = [*range(count, n, count), n]
    begins = [0, *ends[:-1]]
    return [(max(first, begin), end) for begin, end in zip(begins, ends, strict=True) if end > first]
