"""One recorded scan through the live code: the same measuring, store, learner and results file."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from stream_rrvae.batch.measure import Progress, measured
from stream_rrvae.batch.site import with_recorded_site
from stream_rrvae.calibration.found_rotation import with_found
from stream_rrvae.calibration.live_rotation import FITTED
from stream_rrvae.calibration.origin import ORIGIN
from stream_rrvae.config import Settings
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.learner import Learner
from stream_rrvae.maps.found_calibration import find_calibration
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.metrics import Metrics, new_metrics
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore


def analyse(frames: FrameFile, settings: Settings, out: Path, progress: Progress) -> Path:
    """Measure and learn; writes the results to `out`. `progress` is told the frames done so far.

    Raises StreamRrvaeError when memory, the file or the results' folder is not to be had.
    """
    began_unix_s = time.time()
    settings, metrics = with_recorded_site(settings, frames), new_metrics()
    with ExitStack() as stack:
        learner = _learner(settings, metrics, stack)
        around = Surroundings(settings, Meter(metrics), DEFAULT_FOLDER, _teller(learner), lambda *_told: None)
        store = stack.enter_context(measured(frames, around, progress))
        if learner:
            learner.last_word_on(store)
        return _write(out, store, settings, frames.name, began_unix_s)


def learn_and_write(store: ScanStore, settings: Settings, source: str, out: Path, began_unix_s: float) -> Path:
    """The rest of `analyse` for a scan that is measured already; closes its store. Raises StreamRrvaeError."""
    with ExitStack() as stack:
        stack.enter_context(store)
        learner = _learner(settings, new_metrics(), stack)
        if learner:
            learner.work_on(store.path)
            learner.last_word_on(store)
        return _write(out, store, settings, source, began_unix_s)


def _learner(settings: Settings, metrics: Metrics, stack: ExitStack) -> Learner | None:
    """A learner of its own, which knows no scan before: results do not depend on what was analysed beside them."""
    if settings.learn.mode == "off":
        return None
    learner = Learner(settings.learn, metrics)
    learner.start()
    stack.callback(learner.stop)
    return learner


def _teller(learner: Learner | None) -> Callable[[ScanStore], None]:
    return lambda store: learner.work_on(store.path) if learner else None


def _write(out: Path, store: ScanStore, settings: Settings, source: str, began_unix_s: float) -> Path:
    settings_used = {**settings.model_dump(mode="json"), "source": source}
    found = find_calibration(store, settings.calibration.detector_flip)
    calibration = with_found(store.start.calibration, found, settings.calibration)
    origin = store.features_info.get(ORIGIN, {}).get("detector_rotation_rad", "")
    if calibration is not store.start.calibration:
        origin = FITTED
    return write_results(out, store, Provenance(began_unix_s, time.time(), settings_used, calibration, origin, found))
