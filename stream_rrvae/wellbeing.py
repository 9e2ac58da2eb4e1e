"""Whether a service lives and is ready, and the gauges that are read when somebody asks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from stream_rrvae.config import Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.learner import Learner
from stream_rrvae.messages import ScanState
from stream_rrvae.metrics import Metrics
from stream_rrvae.operations.disk import free_bytes, why_not_writable
from stream_rrvae.scan_store import ScanStore

STUCK_S = 20.0  # a slow disk holds the frame loop for seconds


@dataclass(frozen=True)
class Wellbeing:
    """`store` gives the present scan's; `started` is set when everything is up, `stopping` when it is being ended."""

    settings: Settings
    acquisition: Acquisition
    learner: Learner | None
    store: Callable[[], ScanStore | None]
    started: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)

    def live(self) -> str:
        """What keeps the frame loop from turning; "" = it turns, or has not begun yet."""
        if self.acquisition.error is not None:
            return f"acquisition ended: {self.acquisition.error}"
        age_s = self.acquisition.turning.age_s
        return f"the frame loop has not turned for {age_s:.0f} s" if age_s > STUCK_S else ""

    def ready(self) -> dict[str, str]:
        """By name what is amiss with each thing that frames need, "" = nothing."""
        settings = self.settings
        checks = {"service": self._service(), "frame_loop": self.live()}
        if settings.record is not None:
            checks["recording_folder"] = why_not_writable(settings.record, settings.recording.keep_free_bytes)
        if settings.out is not None:
            checks["results_folder"] = why_not_writable(settings.out)
        return checks

    def _service(self) -> str:
        if self.stopping.is_set():
            return "stopping"
        return "" if self.started.is_set() else "starting: kernels are being compiled or loaded"

    def tell(self, metrics: Metrics) -> None:
        """From now on the gauges that have to be looked at give what is so at that moment."""
        acquisition, settings, learner = self.acquisition, self.settings, self.learner
        metrics.lag_seconds.set_function(lambda: acquisition.lag_s)
        metrics.loop_age_seconds.set_function(lambda: acquisition.turning.age_s)
        metrics.compute_threads.set(acquisition.compute_threads)
        metrics.queue_limit_bytes.set(settings.ingest.queue_bytes)
        metrics.ready.set_function(lambda: float(not any(self.ready().values())))
        metrics.learner_running.set_function(lambda: float(learner is not None and learner.is_running))
        metrics.scan_running.set_function(lambda: float(self._is_running()))
        metrics.model_version.set_function(self._model_version)
        for name, folder in (("record", settings.record), ("out", settings.out)):
            if folder is not None:
                metrics.disk_free_bytes.labels(name).set_function(partial(free_bytes, folder))

    def told_ready(self, metrics: Metrics) -> None:
        """Everything is up."""
        self.started.set()
        metrics.start_seconds.set(process_age_s())

    def _is_running(self) -> bool:
        store = self.store()
        return store is not None and store.read_account().state is ScanState.RUNNING

    def _model_version(self) -> float:
        store = self.store()
        return 0.0 if store is None else float(store.read_status().version)


def process_age_s() -> float:
    """Since this process was started. Source: proc(5), field 22 of /proc/self/stat."""
    behind_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    began_s = int(behind_name[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began_s
