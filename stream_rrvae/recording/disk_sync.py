"""Has the disk itself take what a recording flushed, beside its writer, and then lets go of it in memory.

A recording is written once and seldom read soon: left alone, it pushes everything else out of the system's memory for
files, and every page of it is fetched anew, which costs more than to copy the frame into it (decision 030).
"""

from __future__ import annotations

import os
import threading
from time import monotonic

from stream_rrvae.recording.journal import Journal
from stream_rrvae.thread_names import show_name

STEP_BYTES = 32 << 20  # written between two times that memory is let go of
KEPT_BEGIN_BYTES = 1 << 20  # HDF5 writes the tables there anew at each flush
KEPT_END_BYTES = 16 << 20  # the same of its tables for the latest frames; these may be asked for, too
REMEMBERED = 0.8  # of the longest sync so far, with each one that is shorter
LEAST_PAUSE = 0.1  # between two syncs, of the time that is allowed


def next_sync_s(begun_s: float, takes_s: float, every_s: float) -> float:
    """When to begin again, so that what came just after `begun_s` is on the disk `every_s` later.

    A disk that takes more than half of that for one sync cannot keep it, and is not asked without a pause.
    """
    return begun_s + max(every_s - takes_s, takes_s + LEAST_PAUSE * every_s)


class DiskSync:
    """A thread that syncs the open segment and the journal: what was flushed is on the disk `every_s` later.

    0 = left to the system.
    """

    def __init__(self, journal: Journal, every_s: float) -> None:
        self._journal = journal
        self._every_s = every_s
        self._handle: int | None = None
        self._fault: OSError | None = None
        self._lock = threading.Lock()  # of the handle
        self._changed = threading.Condition()
        self._over = False
        self._unreleased_bytes = 0
        self._thread = threading.Thread(target=self._guarded, name="fsync", daemon=True)
        if every_s > 0:
            self._thread.start()

    def turn_to(self, handle: int) -> None:
        """From now on this file; the one before was synced when it was closed."""
        with self._lock:
            self._let_go()
            self._handle = handle

    def wrote(self, size_bytes: int) -> None:
        """So much more was written; never waits for the disk."""
        self._unreleased_bytes += size_bytes
        if self._unreleased_bytes >= STEP_BYTES:
            with self._changed:
                self._changed.notify()

    def raise_fault(self) -> None:
        """Raises the OSError that the disk gave."""
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """End the thread and forget the file."""
        with self._changed:
            self._over = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._let_go()

    def _guarded(self) -> None:
        show_name()
        try:
            self._run()
        except OSError as error:
            self._fault = error

    def _run(self) -> None:
        due_s, longest_s = monotonic() + self._every_s / 2, 0.0  # nobody knows yet how long one takes
        while self._wait_until(due_s):
            if (begun_s := monotonic()) >= due_s:
                self._sync()
                longest_s = max(monotonic() - begun_s, REMEMBERED * longest_s)
                due_s = next_sync_s(begun_s, longest_s, self._every_s)
            self._release()

    def _wait_until(self, due_s: float) -> bool:
        """For a step or the time to sync; whether to go on."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._over or self._unreleased_bytes >= STEP_BYTES, max(0.0, due_s - monotonic())
            )
            return not self._over

    def _sync(self) -> None:
        with self._lock:
            if self._handle is not None:
                os.fsync(self._handle)
        self._journal.sync()

    def _release(self) -> None:
        """Let go of what the disk has; what it has not yet is begun to be written."""
        self._unreleased_bytes = 0
        with self._lock:
            if self._handle is not None:
                size = os.fstat(self._handle).st_size - KEPT_BEGIN_BYTES - KEPT_END_BYTES
                if size > 0:
                    os.posix_fadvise(self._handle, KEPT_BEGIN_BYTES, size, os.POSIX_FADV_DONTNEED)

    def _let_go(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
