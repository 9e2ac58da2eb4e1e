"""The learner as a process: started, told which scan to work on, started again when it dies."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from stream_rrvae.config import LearnSettings
from stream_rrvae.log import LogFormat, event, format_now, set_up
from stream_rrvae.messages import DegradeLevel
from stream_rrvae.metrics import Metrics
from stream_rrvae.scan_store import ScanStore

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
STEADY_S = 60.0  # one that lived so long has not died of its beginning
PATIENCE_S = 0.5  # nothing is lost with a learner that is killed; for what it does to end nobody has to wait longer
NICENESS = 10  # acquisition comes first
GRACE_S = 30.0  # over its training budget: to start, to encode
LOOK_S = 0.1


def _run(control: Connection, settings: dict[str, Any], level: Any, log_format: LogFormat) -> None:
    os.nice(NICENESS)  # before torch is imported, which is most of what a start costs
    set_up(log_format=log_format)
    threading.Thread(target=_end_with_service, name="tether", daemon=True).start()
    # Imported here so that torch never loads in the acquiring process.
    from stream_rrvae.rrvae.worker import run_worker

    run_worker(control, LearnSettings(**settings), lambda: int(level.value))


def _end_with_service() -> None:
    """A service that was killed leaves nobody behind, not even for the rest of a round of training."""
    service = multiprocessing.parent_process()
    if service is not None:
        wait([service.sentinel])
        os._exit(0)


def pause_after(lived_s: float, before_s: float) -> float:
    """How long to wait before another is started (s): longer each time that one dies soon; `before_s` 0 = the first."""
    return FIRST_PAUSE_S if lived_s >= STEADY_S or not before_s else min(2 * before_s, LONGEST_PAUSE_S)


class Learner:
    """Keeps one learner process alive; a dead one costs a restart and nothing else."""

    def __init__(self, settings: LearnSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._context = multiprocessing.get_context("spawn")
        self._level: Any = self._context.RawValue("b", 0)  # written here, read there: nobody waits for anybody
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._scan: Path | None = None
        self._control: Connection | None = None
        self._process: multiprocessing.process.BaseProcess | None = None
        self._watcher = threading.Thread(target=self._watch, name="learner-watch", daemon=True)
        self._launched_s = 0.0
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Process id of the present learner."""
        process = self._process
        return process.pid if process else None

    def start(self) -> None:
        self._launch()
        self._watcher.start()

    def leave_out(self, level: DegradeLevel) -> None:
        """From its next step on the learner does less, or everything again."""
        self._level.value = int(level)

    @property
    def is_running(self) -> bool:
        """Whether there is a process now."""
        process = self._process
        return process is not None and process.is_alive()

    def work_on(self, store: Path) -> None:
        """From now on, learn from the scan store at `store`."""
        with self._lock:
            self._scan = store
            self._tell({"scan": str(store)})

    def last_word_on(self, store: ScanStore, patience_s: Callable[[], float | None] = lambda: None) -> None:
        """Wait until the learner is done with the store's scan, or its time is over.

        `patience_s` is asked meanwhile: once it gives a number, that many seconds are left.
        """
        called_s, hurried_until_s = time.monotonic(), float("inf")
        while store.read_status().state not in ("ready", "failed"):
            # A learner that was started again has its whole time again.
            given_s = max(called_s, self._launched_s) + self._settings.budget_s + GRACE_S
            left_s = patience_s() if hurried_until_s == float("inf") else None
            if left_s is not None:
                hurried_until_s = time.monotonic() + left_s
            if time.monotonic() >= min(given_s, hurried_until_s):
                event("learner_late", logging.WARNING, scan_id=store.start.scan_id)
                return
            time.sleep(LOOK_S)  # the learner is another process: its note in the store is all there is

    def let_go(self) -> None:
        """Ask the process to end, and wait for nothing: that is for `stop`."""
        with self._lock:
            if not self._stopping.is_set():
                self._stopping.set()
                self._tell({"stop": True})

    def stop(self, patience_s: float = PATIENCE_S) -> None:
        """Ask the process to end; after `patience_s` it is killed."""
        self.let_go()
        if self._watcher.is_alive():
            self._watcher.join(patience_s)
        process = self._process
        if process and process.is_alive():
            process.kill()
            process.join()

    def _launch(self) -> None:
        with self._lock:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=_run,
                args=(theirs, self._settings.model_dump(), self._level, format_now()),
                name="stream-rrvae-learn",
                daemon=True,
            )
            process.start()
            self._launched_s = time.monotonic()
            theirs.close()
            os.set_blocking(ours.fileno(), False)
            self._control, self._process = ours, process
            if self._scan is not None:
                self._tell({"scan": str(self._scan)})

    def _tell(self, message: dict[str, Any]) -> None:
        if self._control is None:
            return
        try:
            self._control.send_bytes(json.dumps(message).encode())
        except BlockingIOError:
            # It has not read for thousands of scans: who tells it of this one is not to wait for it.
            event("learner_stuck", logging.WARNING)
            if self._process is not None:
                self._process.kill()
        except OSError:
            # It died just now: the watcher starts another and tells it the same.
            event("learner_not_reached", logging.WARNING)

    def _watch(self) -> None:
        pause_s = 0.0
        while not self._stopping.is_set():
            process = self._process
            assert process is not None
            wait([process.sentinel])
            process.join()
            if self._stopping.is_set():
                return
            self.restarts += 1
            self._metrics.learner_restarts.inc()
            event("learner_restarted", logging.WARNING, exit_code=process.exitcode, restarts=self.restarts)
            pause_s = pause_after(time.monotonic() - self._launched_s, pause_s)
            self._stopping.wait(pause_s)
            if not self._stopping.is_set():
                self._launch()
