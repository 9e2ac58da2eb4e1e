"""The recorder: what is received goes to disk in a thread of its own; only its full queue holds anybody up.

A recording that fails ends alone: the scan goes on, is measured and shown, and the fault is told.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import time

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.byte_queue import QueueClosedError
from stream_rrvae.calibration.override import NOTHING_SAID
from stream_rrvae.config import CalibrationSettings, RecordingSettings
from stream_rrvae.errors import FileFormatError
from stream_rrvae.kernels.frame_pass import despite_full_disk
from stream_rrvae.log import event
from stream_rrvae.messages import BoolArray, Calibration, Frame, ReceivedFrames, ScanStart, ScanState
from stream_rrvae.metrics import Metrics
from stream_rrvae.recording.chunk_loop import warm_up_chunks
from stream_rrvae.recording.finish import finish
from stream_rrvae.recording.frame_queue import FrameQueue, Item, ScanClosed, ScanOpened
from stream_rrvae.recording.gathering_driver import gathering_driver
from stream_rrvae.recording.layout import Flag
from stream_rrvae.recording.master import Facts
from stream_rrvae.recording.scan_recording import ClosedRecording, ScanRecording
from stream_rrvae.recording.segment import FrameRun
from stream_rrvae.recording.undecodable import UndecodableFrames
from stream_rrvae.thread_names import show_name

MOST_LEVELS = 256  # between two flushes


class Recorder:
    """Records every scan into a folder of its own in `folder`. Raises FileFormatError when that cannot be.

    `opened`, `frames` and `closed` are called in the order in which it was received, by one thread;
    `complete` when a scan's results are known, in the order of the scans.
    `site` and `usable` give what the site says of a scan, settings and pixel mask, which is kept with its recording.
    """

    def __init__(
        self,
        folder: Path,
        settings: RecordingSettings,
        metrics: Metrics,
        site: Callable[[ScanStart], CalibrationSettings] = lambda _start: NOTHING_SAID,
        usable: Callable[[ScanStart], BoolArray | None] = lambda _start: None,
    ) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileFormatError(f"cannot record into {folder}: {error}; choose another --record") from error
        self._folder = folder
        self._settings = settings
        self._site, self._usable = site, usable
        self._metrics = metrics
        self._queue = FrameQueue(settings.queue_bytes, metrics.recording_queue_bytes.set)
        metrics.recording_queue_limit_bytes.set(settings.queue_bytes)
        self._thread = threading.Thread(target=self._guarded, name="record", daemon=True)
        self._recording: ScanRecording | None = None
        self._latest: ScanRecording | None = None  # which may be closed
        self._seen: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._closed: deque[ClosedRecording | ScanStart] = deque()
        self._undecodable = UndecodableFrames()
        self._levels: deque[tuple[int, float]] = deque(maxlen=MOST_LEVELS)  # to be noted in the journal
        self._acknowledged = 0
        self._journaled = 0  # of the running scan's undecodable frames
        self._changed = threading.Condition()
        self._is_over = False
        self.error: FileFormatError | None = None
        self.has_failed = False  # the latest scan's recording, if there was one

    def start(self) -> None:
        """Begin; scans may come from now on."""
        despite_full_disk(warm_up_chunks)
        gathering_driver()
        self._thread.start()

    def opened(self, start: ScanStart, scan_shape: tuple[int, int]) -> None:
        """A scan begins."""
        if not self._is_over:
            self._undecodable.expect(start)
        self._queue.give(ScanOpened(start, scan_shape))

    def frames(self, frames: ReceivedFrames) -> None:
        """Frames of the open scan; waits while too many are not on the disk yet, and lets them go when they are."""
        self._queue.give(frames)

    def closed(self, state: ScanState) -> None:
        """The scan takes no more frames."""
        self._queue.give(ScanClosed(state))

    def undecodable(self, start: ScanStart, number: int, received_s: float) -> None:
        """A frame that came at this time (monotonic) turned out to be damaged; from any thread.

        `start` is the very announcement that `opened` was called with.
        """
        self._undecodable.add(start, number, received_s)

    def note_level(self, level: int) -> None:
        """From now on so much is left out of what is computed; from any thread, and it never waits."""
        self._levels.append((level, time()))

    def complete(self, start: ScanStart, calibration: Calibration, results: Path | None = None) -> Path | None:
        """Finish the recording of a scan that was measured, with its maps; gives its folder, None if there is none.

        Waits until its last frame is on the disk. Scans before it that were never measured are finished too.
        """
        while (closed := self._next_closed()) is not None:
            if isinstance(closed, ScanStart):
                if _same(closed, start):
                    return None
                continue
            mine = _same(closed.start, start)
            folder = self._finish(closed, calibration if mine else None, results if mine else None)
            if mine:
                return folder
        return None

    def recorded(self, start: ScanStart, number: int) -> Frame | None:
        """The acknowledged frame of a position in the recording of the running or last scan. From any thread."""
        latest = self._latest
        return latest.frame(number) if latest is not None and _same(latest.start, start) else None

    def stop(self) -> None:
        """Record what was given and finish what was not; nothing may be given any more."""
        self._queue.finish()
        self._thread.join()
        while self._closed:
            closed = self._closed.popleft()
            if isinstance(closed, ClosedRecording):
                self._finish(closed, None, None)

    @property
    def acknowledged(self) -> int:
        """Frames of the latest recording that no crash takes away."""
        return self._acknowledged

    @property
    def fault(self) -> str:
        """What ended a recording early, the first time."""
        return str(self.error or "")

    @property
    def keeps_notes(self) -> bool:
        """Whether damaged frames of any scan are kept for its recording."""
        return bool(self._undecodable)

    def _next_closed(self) -> ClosedRecording | ScanStart | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_over)
            return self._closed.popleft() if self._closed else None

    def _guarded(self) -> None:
        """Whatever happens here, nobody waits for this thread for ever."""
        show_name()
        try:
            self._run()
        except BaseException as error:
            event("recorder_failed", logging.ERROR, error=error, reason=repr(error))
            self.error = self.error or FileFormatError(f"recording ended by a fault of the program: {error!r}")
        finally:
            self._queue.abandon()
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def _run(self) -> None:
        with suppress(QueueClosedError):
            while True:
                self._take(self._queue.get(self._recording.deadline_s if self._recording else None))
        self._close(ScanState.ABORTED)

    def _take(self, item: Item | None) -> None:
        if isinstance(item, ScanOpened):
            self._close(ScanState.ABORTED)
            self._open(item)
        elif isinstance(item, ReceivedFrames):
            self._write(item)
        elif isinstance(item, ScanClosed):
            self._acknowledge_rest()
            self._close(item.state)
        else:
            self._flush()

    def _open(self, opened: ScanOpened) -> None:
        start = opened.start
        try:
            said = self._site(start), self._usable(start)
            self._recording = ScanRecording(self._folder, start, opened.scan_shape, self._settings, *said)
            self._latest = self._recording
            self.has_failed = False
            while len(self._levels) > 1:
                self._levels.popleft()  # what was before this scan
        except OSError as error:
            self._undecodable.take(start)
            self._tell_fault(start, str(error))
            self._hand_on(start)
            return
        self._seen = np.zeros(start.path.frames_due(opened.scan_shape, start.frames_expected), np.bool_)
        self._journaled = 0
        self._set_acknowledged(0)
        event("recording_begun", path=str(self._recording.part))

    def _write(self, frames: ReceivedFrames) -> None:
        recording = self._recording
        try:
            if recording is None:
                self._metrics.frames_not_recorded.inc(frames.sizes.size)
                return
            before = recording.acknowledged
            flags = self._flags(frames.numbers)
            recording.write(
                FrameRun(frames.addresses, frames.sizes, frames.numbers, frames.received_s, flags, frames.encoding)
            )
            self._metrics.recorded_bytes.inc(int(frames.sizes.sum()))
            self._tell_acknowledged(before)
        except OSError as error:
            self._fail(error)
        finally:
            frames.release()

    def _flush(self) -> None:
        if self._recording is not None:
            before = self._recording.acknowledged
            try:
                self._recording.flush_if_due()
                self._tell_acknowledged(before)
            except OSError as error:
                self._fail(error)

    def _acknowledge_rest(self) -> None:
        """The last frames of a scan, before closing waits for the disk."""
        recording = self._recording
        if recording is not None:
            before = recording.acknowledged
            with suppress(OSError):  # closing meets it again, and tells
                recording.flush()
            self._tell_acknowledged(before)

    def _tell_acknowledged(self, before: int) -> None:
        recording = self._recording
        if recording is None or recording.acknowledged == before:
            return
        while self._levels:
            recording.note_level(*self._levels.popleft())
        self._metrics.frames_recorded.inc(recording.acknowledged - before)
        self._set_acknowledged(recording.acknowledged)
        if noted := self._undecodable.behind(recording.start, self._journaled):
            recording.note_undecodable(noted)
            self._journaled += len(noted)

    def _set_acknowledged(self, count: int) -> None:
        self._acknowledged = count
        self._metrics.recording_acknowledged_frames.set(count)

    def _fail(self, error: OSError) -> None:
        """End the recording with what it has; the scan goes on without."""
        if self._recording is not None:
            self._tell_fault(self._recording.start, str(error))
            self._close(ScanState.ABORTED, str(error))

    def _close(self, state: ScanState, fault: str = "") -> None:
        recording, self._recording = self._recording, None
        if recording is None:
            return
        before = recording.acknowledged
        closed = recording.close(state, fault)
        if closed.fault and not fault:
            self._tell_fault(recording.start, closed.fault)
        self._metrics.frames_recorded.inc(closed.frames - before)
        self._set_acknowledged(closed.frames)
        self._hand_on(closed)

    def _hand_on(self, closed: ClosedRecording | ScanStart) -> None:
        with self._changed:
            self._closed.append(closed)
            self._changed.notify_all()

    def _flags(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Second copies and frames outside the scan, as far as it is known when they come."""
        flags = np.zeros(numbers.size, np.uint8)
        if self._are_next(numbers):
            return flags
        inside = (numbers >= 0) & (numbers < self._seen.size)
        flags[~inside] = Flag.OVERFLOW
        at = np.flatnonzero(inside)
        _, first = np.unique(numbers[at], return_index=True)
        again = np.ones(at.size, np.bool_)
        again[first] = False
        flags[at[again | self._seen[numbers[at]]]] |= np.uint8(Flag.COPY)
        self._seen[numbers[at]] = True
        return flags

    def _are_next(self, numbers: NDArray[np.int64]) -> bool:
        """Whether they are a row of frames of the scan that never came before; then they are noted as seen."""
        if not numbers.size:
            return True
        first, last = int(numbers[0]), int(numbers[-1])
        if not (first >= 0 and last < self._seen.size and last - first + 1 == numbers.size):
            return False
        row = self._seen[first : last + 1]
        if row.any() or not (numbers[1:] - numbers[:-1] == 1).all():
            return False
        row[:] = True
        return True

    def _finish(self, closed: ClosedRecording, calibration: Calibration | None, results: Path | None) -> Path:
        noted = self._undecodable.take(closed.start)
        facts = Facts(
            closed.start, closed.scan_shape, closed.state, closed.fault, closed.opened_unix_s, closed.closed_unix_s,
            calibration, [(number, at_s + closed.since_monotonic_s) for number, at_s in noted], site=closed.site,
        )  # fmt: skip
        try:
            folder = finish(closed.part, facts, results)
        except OSError as error:
            self._tell_fault(closed.start, f"{closed.part} could not be finished: {error}; `stream-rrvae recover` can")
            folder = closed.part
        else:
            event("recording_finished", path=str(folder), frames=closed.frames, state=str(closed.state))
        self._metrics.recordings.labels("failed" if closed.fault or folder == closed.part else "complete").inc()
        if self._latest is not None and self._latest.part == closed.part:
            self._latest.folder = folder
        return folder

    def _tell_fault(self, start: ScanStart, reason: str) -> None:
        event("recording_failed", logging.ERROR, scan_id=start.scan_id, reason=reason)
        self.has_failed = True
        self.error = self.error or FileFormatError(f"recording {start.scan_id}: {reason}")


def _same(one: ScanStart, other: ScanStart) -> bool:
    return (one.scan_id, one.series) == (other.scan_id, other.series)
