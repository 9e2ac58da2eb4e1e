"""One recorded scan through the live code: the same measuring, store, learner and results file."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from stream_rrvae.batch.measure import Progress, measured
from stream_rrvae.config import Settings
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.learner import Learner
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore


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
        store = stack.enter_context(measured(frames, around, progress))
        if learner:
            learner.last_word_on(store)
        settings_used = {**settings.model_dump(mode="json"), "source": frames.name}
        return write_results(out, store, Provenance(began, time.time(), settings_used))


def _teller(learner: Learner | None) -> Callable[[ScanStore], None]:
    return lambda store: learner.work_on(store.path) if learner else None
