"""One recorded scan through the live code: the same measuring, store, learner and results file."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from stream_rrvae.config import Settings
from stream_rrvae.ingest.events import Accepted, Opened
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import ScanWork, Surroundings
from stream_rrvae.learner import Learner
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.messages import Encoding, Frame, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore

BLOCK_BYTES = 16 << 20  # read at a time, whatever the file's size

Progress = Callable[[int], None]


def analyse(frames: FrameFile, settings: Settings, out: Path, progress: Progress) -> Path:
    """Measure and learn; writes the results to `out`. `progress` is told the frames done so far.

    Raises StreamRrvaeError when memory, the file or the results' folder is not to be had.
    """
    began = time.time()
    metrics = new_metrics()
    with ExitStack() as stack:
        learner = None if settings.learn.mode == "off" else Learner(settings.learn, metrics)
        if learner:
            learner.start()
            stack.callback(learner.stop)
        around = Surroundings(settings, Meter(metrics), DEFAULT_FOLDER, _teller(learner), lambda _error: None)
        store = stack.enter_context(_measured(frames, around, progress))
        if learner:
            learner.last_word_on(store)
        settings_used = {**settings.model_dump(mode="json"), "source": frames.name}
        return write_results(out, store, Provenance(began, time.time(), settings_used))


def _teller(learner: Learner | None) -> Callable[[ScanStore], None]:
    return lambda store: learner.work_on(store.path) if learner else None


def _measured(frames: FrameFile, around: Surroundings, progress: Progress) -> ScanStore:
    """The store of the whole file, complete."""
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
