"""Looks at a scan now and then, in a thread of its own, for what it shows of its calibration."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np

from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.found import CalibrationFound
from stream_rrvae.log import event
from stream_rrvae.maps.found_calibration import find_calibration
from stream_rrvae.messages import ScanState
from stream_rrvae.own_load import OwnLoad
from stream_rrvae.scan_store import ScanStore

SHORTEST_REST_S = 1.0
RESTS_PER_LOOK = 20.0  # so that a look takes a twentieth of one core at most
GROWTH = 1.1  # of what is measured, before it is looked at again
MOST_LOADED = 0.25  # of the processors, by this process: a look of 0.3 s would be felt by frames for seconds

OnFound = Callable[[ScanStore, CalibrationFound], None]


class Calibrator:
    """Keeps what was found last of the scan that it works on; `on_found` is told of it in its thread.

    `flip` is what the site knows of it. Nothing that happens here ends anything else. While acquisition
    `is_behind`, and while a running scan takes much of the processors, no look is begun: it can wait for the end.
    `load` tells what part of them the process takes.
    """

    def __init__(
        self,
        flip: bool | None,
        on_found: OnFound,
        is_behind: Callable[[], bool] = bool,
        load: Callable[[], float] | None = None,
    ) -> None:
        self._flip = flip
        self._on_found = on_found
        self._is_behind = is_behind
        self._load = load or OwnLoad().look
        self._store: ScanStore | None = None
        self._found: CalibrationFound | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="calibrate", daemon=True)

    def start(self) -> None:
        """Begin; scans may come from now on."""
        self._thread.start()

    def stop(self, patience_s: float | None = None) -> None:
        """End the thread, after the look that it is at, or without waiting for that longer than `patience_s`."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(patience_s)

    def work_on(self, store: ScanStore) -> None:
        """From now on, look at this scan."""
        with self._changed:
            self._store, self._found = store, None
            self._changed.notify_all()

    def found(self, store: ScanStore) -> CalibrationFound | None:
        """What was found last of `store`; None before the first look, or of another scan."""
        with self._changed:
            return self._found if store is self._store else None

    def last_word_on(self, store: ScanStore) -> CalibrationFound | None:
        """Look at the whole of `store` now; None where that cannot be."""
        found = self._look(store)
        if found is not None:
            self._keep(store, found)
        return found

    def _run(self) -> None:
        rest_s = SHORTEST_REST_S
        while (store := self._next(rest_s)) is not None:
            began_s = time.monotonic()
            found = self._look(store)
            if found is not None and self._keep(store, found):
                self._on_found(store, found)
            rest_s = max(SHORTEST_REST_S, RESTS_PER_LOOK * (time.monotonic() - began_s))

    def _next(self, rest_s: float) -> ScanStore | None:
        """The scan to look at, when it is time to; None = stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, rest_s)
            while not self._stopping:
                if self._store is not None and self._has_time_for(self._store) and self._has_grown(self._store):
                    return self._store
                self._changed.wait(SHORTEST_REST_S if self._store else None)
        return None

    def _has_time_for(self, store: ScanStore) -> bool:
        load = self._load()
        if self._is_behind():
            return False
        return load < MOST_LOADED or store.read_account().state is not ScanState.RUNNING

    def _has_grown(self, store: ScanStore) -> bool:
        before = self._found.positions if self._found else 0
        return int(np.count_nonzero(store.coverage)) > max(GROWTH * before, 0)

    def _look(self, store: ScanStore) -> CalibrationFound | None:
        try:
            return find_calibration(store, self._flip)
        except StreamRrvaeError as error:
            event("calibration_not_looked_for", logging.WARNING, scan_id=store.start.scan_id, reason=str(error))
        except Exception as error:
            # What a scan shows of its calibration is a help; acquiring and learning go on without it.
            event("calibration_failed", logging.ERROR, error=error, scan_id=store.start.scan_id)
        return None

    def _keep(self, store: ScanStore, found: CalibrationFound) -> bool:
        """Whether it is still the scan that is worked on."""
        with self._changed:
            if store is not self._store:
                return False
            self._found = found
            return True
