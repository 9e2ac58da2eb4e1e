"""A recorded scan of which the first frames are measured here, as live, and the rest in chunks anywhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from stream_rrvae.batch.chunk import Chunk, Entries, PlanRecipe, account_for, merge_chunk, recipe_of
from stream_rrvae.batch.measure import blocks
from stream_rrvae.config import Settings
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.ingest.events import Opened
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import ScanWork, Surroundings
from stream_rrvae.messages import ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import FrameFile, open_frames
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore


@dataclass(frozen=True, slots=True)
class Input:
    """An INPUT under a name that is the same on every machine, and its scan's shape where the file does not say."""

    source: str
    scan_shape: tuple[int, int] | None = None

    @classmethod
    def of(cls, source: str, scan_shape: tuple[int, int] | None = None) -> Input:
        """With an absolute path: workers have other working folders."""
        name, mark, dataset = source.partition("::")
        return cls(f"{Path(name).absolute()}{mark}{dataset}", scan_shape)


class BegunScan:
    """Has found its disc and laid out its store when made; raises StreamRrvaeError where that cannot be."""

    def __init__(self, input_: Input, settings: Settings, chunk_bytes: int) -> None:
        self.input = input_
        self.began_unix_s = time.time()
        self.waiting = 0  # chunks that are measured elsewhere now
        self.all_sent = False
        self.error: StreamRrvaeError | None = None
        self._settings = settings
        self._taken: set[int] = set()  # where chunks begin
        self._entries: list[Entries] = []
        with open_frames(input_.source, input_.scan_shape) as frames:
            self._work = self._begun(frames)
            self.first_frames = self._settled(frames)
            self.ranges = _ranges(self.first_frames, frames, chunk_bytes)

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
            merge_chunk(chunk, self._work.store)

    def close(self) -> ScanStore:
        """The store, complete; it is the caller's to close."""
        if self._work.compute is not None:
            account_for(self._entries, self._work.compute.account)
        self._work.end()
        return self._work.close(ScanState.COMPLETE)[0]

    def abandon(self) -> None:
        """Let go of what was measured."""
        if self._work.store is not None:
            self._work.store.close()

    def _begun(self, frames: FrameFile) -> ScanWork:
        meter = Meter(new_metrics())
        around = Surroundings(self._settings, meter, DEFAULT_FOLDER, lambda _store: None, lambda _error: None)
        work = ScanWork(Opened(frames.start, frames.scan_shape), around)
        work.begin()
        return work

    def _settled(self, frames: FrameFile) -> int:
        """Give in frames until the disc is found; gives how many that took."""
        step, done = self._settings.ingest.settle_frames, 0
        while self._work.compute is None and done < frames.n_frames:
            end = min(done + step, frames.n_frames)
            for items in blocks(frames, frames.arrivals_for(done, end)):
                self._work.take(items)
            done = end
        return done


def _ranges(first: int, frames: FrameFile, chunk_bytes: int) -> list[tuple[int, int]]:
    """Frames from `first` on in chunks, whole scan lines where a chunk holds any: a file may be read by lines only."""
    n, width = frames.n_frames, frames.scan_shape[1]
    if first >= n:
        return []
    count = max(1, chunk_bytes // frames.frame_bytes)
    if count > width:
        count -= count % width
    ends = [*range(count, n, count), n]
    begins = [0, *ends[:-1]]
    return [(max(first, begin), end) for begin, end in zip(begins, ends, strict=True) if end > first]
