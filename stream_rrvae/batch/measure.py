"""A recorded scan through the code that measures live scans, block by block."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from stream_rrvae.ingest.events import Accepted, Opened
from stream_rrvae.ingest.scan_work import ScanWork, Surroundings
from stream_rrvae.messages import Encoding, Frame, ScanStart, ScanState
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.scan_store import ScanStore

BLOCK_BYTES = 16 << 20  # read at a time, whatever the file's size

Progress = Callable[[int], None]


def measured(frames: FrameFile, around: Surroundings, progress: Progress) -> ScanStore:
    """The store of the whole file, complete; `progress` is told the frames done so far. Raises StoreError."""
    start = _start(frames)
    work = ScanWork(Opened(start, frames.scan_shape), around)
    work.begin()
    frame_bytes = frames.frames(0, 1).nbytes
    step = max(1, BLOCK_BYTES // frame_bytes)
    for first in range(0, frames.n_frames, step):
        block = frames.frames(first, min(first + step, frames.n_frames))
        work.take([Accepted(_frame(start, first + i, pixels), time.monotonic()) for i, pixels in enumerate(block)])
        progress(first + len(block))
    work.end()
    store, _missing = work.close(ScanState.COMPLETE)
    return store


def _start(frames: FrameFile) -> ScanStart:
    name = Path(frames.name).stem
    return ScanStart(name, 0, frames.frame_shape, frames.pixel_type, frames.n_frames, frames.scan_shape)


def _frame(start: ScanStart, number: int, pixels: NDArray[Any]) -> Frame:
    return Frame(start.series, number, start.frame_shape, start.pixel_type, Encoding.NONE, pixels.data.cast("B"))
