"""What is done once a scan is over, in a thread of its own: last words, the results file, the recording made whole."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from stream_rrvae.calibration.live_rotation import LiveRotation
from stream_rrvae.config import Settings
from stream_rrvae.errors import FileFormatError
from stream_rrvae.found import CalibrationFound
from stream_rrvae.learner import Learner
from stream_rrvae.log import event
from stream_rrvae.maps.results import Provenance, free_name, write_results
from stream_rrvae.messages import LevelChange
from stream_rrvae.private_folder import private_folder
from stream_rrvae.recording import layout
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.scan_store import ScanStore
from stream_rrvae.thread_names import show_name
from stream_rrvae.wire.shards import name_of_files

LAST_WORD_S = 2.0  # for a scan that a newer one has followed
STOP_WORD_S = 1.0  # when stopping
SCANS_TO_WAIT_FOR = 2
MOST_WAITING = 8  # then the end of the next scan waits


class Stopping:
    """Whether the service is to end, since when, and whether in a hurry; safe in a signal handler."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.asked_s = 0.0  # monotonic
        self.is_hurried = False

    @property
    def is_asked(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        """End it."""
        self.asked_s = self.asked_s or time.monotonic()
        self._asked.set()

    def ask_again(self) -> None:
        """End it, and in a hurry where it was asked for before."""
        self.is_hurried = self.is_asked
        self.ask()


@dataclass(frozen=True, slots=True)
class Ended:
    """A scan that takes no more frames."""

    store: ScanStore
    started_unix_s: float
    ended_unix_s: float
    found: CalibrationFound | None = None  # by the last look at its calibration


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Whom a finisher asks: `last_calibration_of` looks once more, `levels_since` tells what was left out since then
    (unix time), `is_latest` whether no scan has followed.
    """

    rotation: LiveRotation
    learner: Learner | None
    recorder: Recorder | None
    last_calibration_of: Callable[[ScanStore], CalibrationFound | None]
    levels_since: Callable[[float], Sequence[LevelChange]]
    is_latest: Callable[[ScanStore], bool]


class Finisher:
    """Finishes scans in the order they are given; `scans_done` counts them, `error` kept results from being written."""

    def __init__(self, settings: Settings, around: Surroundings, stopping: Stopping) -> None:
        self._settings, self._around, self._stopping = settings, around, stopping
        self._ended: queue.Queue[Ended | None] = queue.Queue(maxsize=MOST_WAITING)
        self._no_more_come = False
        self._thread = threading.Thread(target=self._run, name="finish", daemon=True)
        self.scans_done = 0
        self.error: FileFormatError | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def give(self, ended: Ended) -> None:
        """A scan to finish; waits where too many do."""
        self._ended.put(ended)

    def stop(self) -> None:
        """Finish what was given, and end."""
        self._ended.put(None)
        self._no_more_come = True  # but what waits in the queue, and the word that ends it
        self._thread.join()

    def _run(self) -> None:
        show_name()
        while (ended := self._ended.get()) is not None:
            ended = self._with_last_words(ended)
            results = self._write(ended)
            if self._around.recorder:
                self._complete_recording(self._around.recorder, ended, results)
            self.scans_done += 1
            if self._settings.scans and self.scans_done >= self._settings.scans:
                self._stopping.ask()

    def _with_last_words(self, ended: Ended) -> Ended:
        """What calibration and learner have to say at the end: the one is looked for while the other goes on."""
        begun_s = time.monotonic()
        learner = self._around.learner
        if (self._settings.out is not None or self._around.recorder) and not self._stopping.is_hurried:
            # A look takes as long as a fifth of the fastest scans: only for what stays.
            ended = replace(ended, found=self._around.last_calibration_of(ended.store))
        if learner:
            learner.last_word_on(ended.store, partial(self._patience_s, ended.store, begun_s))
            if self._no_more_come and self._ended.qsize() == 1:
                learner.let_go()  # it ends while files are written
        return ended

    def _patience_s(self, store: ScanStore, begun_s: float) -> float | None:
        """How long the learner may still take over a scan that something else waits behind; None = its time.

        `begun_s` is when the scan had ended and its last words were asked for (monotonic).
        """
        stopping = self._stopping
        if self._around.is_latest(store) and not stopping.is_asked:
            return None
        if stopping.is_hurried or self._ended.qsize() > SCANS_TO_WAIT_FOR:
            return 0.0
        if not stopping.is_asked:
            return LAST_WORD_S
        return max(0.0, max(begun_s, stopping.asked_s) + STOP_WORD_S - time.monotonic())

    def _write(self, ended: Ended) -> Path | None:
        """The results file where one is wanted, and could be written."""
        if self._settings.out is None:
            return None
        path = free_name(self._settings.out, name_of_files(ended.store.start))
        try:
            self._write_results(path, ended)
        except FileFormatError as error:
            self.error = error
            event("results_not_written", logging.ERROR, path=str(path), reason=str(error))
            return None
        event("results_written", path=str(path))
        return path

    def _write_results(self, path: Path, ended: Ended) -> None:
        start, rotation = ended.store.start, self._around.rotation
        provenance = Provenance(
            ended.started_unix_s,
            ended.ended_unix_s,
            self._settings.model_dump(mode="json"),
            rotation.of(start),
            rotation.origin_of(start),
            ended.found,
            self._around.levels_since(ended.started_unix_s),
        )
        write_results(path, ended.store, provenance)

    def _complete_recording(self, recorder: Recorder, ended: Ended, results: Path | None) -> None:
        """The recording gets the scan's maps as well, by way of a results file."""
        start = ended.store.start
        with private_folder("maps") as folder:
            if results is None:
                results = folder / layout.RESULTS_NAME
                try:
                    self._write_results(results, ended)
                except FileFormatError as error:
                    event("recording_without_maps", logging.ERROR, scan_id=start.scan_id, reason=str(error))
                    results = None
            recorder.complete(start, self._around.rotation.of(start), results)
