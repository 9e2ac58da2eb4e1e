"""A recorded scan through the code that measures live scans, block by block."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest.events import Accepted, Opened, Refused
from stream_rrvae.ingest.scan_work import ScanWork, Surroundings
from stream_rrvae.messages import Frame, Refusal, ScanState
from stream_rrvae.recording.frame_file import FrameFile, runs
from stream_rrvae.scan_store import ScanStore

BLOCK_BYTES = 16 << 20  # of pixels, read at a time, whatever the file's size

Progress = Callable[[int], None]


def measured(frames: FrameFile, around: Surroundings, progress: Progress) -> ScanStore:
    """The store of the whole file, complete; `progress` is told the stored frames done so far. Raises StoreError."""
    work = ScanWork(Opened(frames.start, frames.scan_shape), around)
    work.begin()
    done = 0
    for items in blocks(frames, np.arange(frames.n_arrivals)):
        work.take(items)
        done += len(items)
        progress(done)
    work.end()
    store, _missing = work.close(ScanState.COMPLETE)
    return store


def blocks(frames: FrameFile, arrivals: NDArray[np.intp], origin: int = 0) -> Iterator[Sequence[Accepted | Refused]]:
    """The stored frames of these ascending indices as if they came live, in blocks; numbered from `origin` on."""
    step = max(1, BLOCK_BYTES // frames.frame_bytes)
    for first, last in runs(arrivals):
        for begin in range(first, last, step):
            now_s = time.monotonic()
            stored = frames.arrivals(begin, min(begin + step, last))
            yield [_event(frame, frames.n_frames, origin, now_s) for frame in stored]


def _event(frame: Frame, n_positions: int, origin: int, now_s: float) -> Accepted | Refused:
    """As the state machine of live scans takes it."""
    if not 0 <= frame.number < n_positions:
        return Refused(Refusal.NUMBER, frame.number)
    return Accepted(replace(frame, number=frame.number - origin) if origin else frame, now_s)
