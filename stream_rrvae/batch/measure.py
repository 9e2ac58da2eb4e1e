"""A recorded scan through the code that measures live scans, block by block."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
    start = start_of(frames)
    work = ScanWork(Opened(start, frames.scan_shape), around)
    work.begin()
    done = 0
    for items in blocks(frames, start, 0, frames.n_frames):
        work.take(items)
        done += len(items)
        progress(done)
    work.end()
    store, _missing = work.close(ScanState.COMPLETE)
    return store


def start_of(frames: FrameFile) -> ScanStart:
    """The announcement that a detector would have made of the file's scan."""
    name = Path(frames.name).stem
    return ScanStart(name, 0, frames.frame_shape, frames.pixel_type, frames.n_frames, frames.scan_shape)


def blocks(frames: FrameFile, start: ScanStart, first: int, last: int, origin: int = 0) -> Iterator[list[Accepted]]:
    """Frames first <= number < last as if they came live, in blocks; numbered from `origin` on."""
    frame_bytes = frames.frames(first, first + 1).nbytes if first < last else 1
    step = max(1, BLOCK_BYTES // frame_bytes)
    for begin in range(first, last, step):
        pixels = frames.frames(begin, min(begin + step, last))
        now_s = time.monotonic()
        yield [Accepted(_frame(start, begin - origin + i, frame), now_s) for i, frame in enumerate(pixels)]


def _frame(start: ScanStart, number: int, pixels: NDArray[Any]) -> Frame:
    return Frame(start.series, number, start.frame_shape, start.pixel_type, Encoding.NONE, pixels.data.cast("B"))
