"""Which messages belong to which scan: a state machine without sockets, threads or a clock.

Messages and the time go in, events come out. It waits for a start (whatever came before it is
rejected), takes the frames of that series in any order, and closes the scan: complete when all
positions were seen and the end was announced or nothing more came for a grace time, or when the
grace after the end is over; aborted when another start came or frames stopped coming. Until its
first frame a scan waits as long as it takes: a detector may be armed long before it is triggered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest.endless import EndlessSeries
from stream_rrvae.ingest.events import Accepted, Closed, Ended, Event, Opened, Refused, Rejected
from stream_rrvae.ingest.running_scan import RunningScan
from stream_rrvae.ingest.scan_rules import ScanRules, settle_scan_shape, with_path
from stream_rrvae.messages import Frame, Refusal, ScanEnd, ScanStart, ScanState


@dataclass(frozen=True, slots=True)
class OpenScan:
    """A running scan whose end was not announced: frames that fit it need no decision but to be noted."""

    start: ScanStart
    seen: NDArray[np.uint8]  # [n_frames] 1 = a frame came for it or none will; whoever takes frames marks them here
    first_number: int = 0  # of its frames, which an endless series counts on


class ScanMachine:
    """One connection's scans, one after another. Times are seconds of one monotonic clock."""

    def __init__(self, rules: ScanRules) -> None:
        self._rules = rules
        self._running: RunningScan | None = None
        self._closed_series: int | None = None
        self._announced: ScanStart | None = None  # the latest start as it came
        self._endless: EndlessSeries | None = None  # the series of it, if it is one

    @property
    def running(self) -> bool:
        return self._running is not None

    @property
    def touched(self) -> bool:
        """Whether anything has come of the running scan but its start."""
        return self._running is not None and self._running.touched

    @property
    def deadline_s(self) -> float | None:
        """When `on_tick` has something to decide at the latest; None = nothing to wait for."""
        return self._running.deadline_s(self._rules)[0] if self._running else None

    @property
    def open_scan(self) -> OpenScan | None:
        """What is needed to take frames in bulk and tell of them by `on_fitting`; None = ask for each."""
        scan = self._running
        if scan is None or scan.end_s is not None:
            return None
        return OpenScan(scan.start, scan.seen, scan.first_number)

    def would_cut_short(self, frame: Frame) -> bool:
        """Whether the frame would end the running scan of an endless series, of which frames are still wanting."""
        scan, endless = self._running, self._endless
        return scan is not None and endless is not None and not scan.is_whole and endless.is_of_another(frame)

    def on_fitting(self, first_seen: int, now_s: float) -> None:
        """Frames came that fit the open scan; they marked `first_seen` of its positions that were not yet."""
        if self._running is not None:
            self._running.last_frame_s = now_s
            self._running.n_seen += first_seen

    def on_start(self, start: ScanStart) -> Sequence[Event]:
        """A new scan, whatever state the old one is in; an announcement made twice is one."""
        scan = self._running
        if scan is not None and not scan.touched and self._announced and is_same_scan(self._announced, start):
            return ()
        events = self.close()
        self._announced = start
        told = replace(start, path=self._rules.scan.over(start.path))
        shape = settle_scan_shape(told, self._rules.scan_shape)
        start = with_path(start, self._rules.scan, shape)
        self._endless = EndlessSeries(start, shape) if start.path.endless else None
        start = start if self._endless is None else self._endless.latest()
        self._running = RunningScan(start, shape)
        return (*events, Opened(start, shape))

    def on_frame(self, frame: Frame, now_s: float) -> Sequence[Event]:
        """A frame; of an endless series it may begin the next scan."""
        if self._endless is None:
            return self._on_frame(frame, now_s)
        events, first = self._turned_over(self._endless, frame), self._endless.first_number
        if frame.series == self._endless.start.series and frame.number < first:
            return (*events, Rejected(Refusal.STALE))  # of a scan that is over
        return (*events, *self._on_frame(replace(frame, number=frame.number - first), now_s))

    def _turned_over(self, endless: EndlessSeries, frame: Frame) -> Sequence[Event]:
        """The detector went on to the next scan: what is wanting of the one before is missing."""
        if not endless.is_of_another(frame):
            return ()
        endless.go_on_to(frame)
        events = () if self._running is None else self._close(ScanState.COMPLETE)
        start = endless.latest()
        self._running = RunningScan(start, endless.scan_shape, endless.first_number)
        return (*events, Opened(start, endless.scan_shape))

    def _on_frame(self, frame: Frame, now_s: float) -> Sequence[Event]:
        scan = self._running
        if scan is None:
            return (Rejected(Refusal.STALE if frame.series == self._closed_series else Refusal.NO_SCAN),)
        if frame.series != scan.start.series:
            return (Rejected(Refusal.STALE),)
        scan.last_frame_s = now_s
        if not scan.expects(frame.number):
            overflow = scan.fits(frame, now_s)
            return (Refused(Refusal.NUMBER, frame.number, overflow, scan.misfit(Refusal.NUMBER, frame)),)
        if frame.pixel_type != scan.start.pixel_type:
            return (Refused(Refusal.PIXEL_TYPE, frame.number, None, scan.misfit(Refusal.PIXEL_TYPE, frame)),)
        if frame.shape != scan.start.frame_shape:
            return (Refused(Refusal.SHAPE, frame.number, None, scan.misfit(Refusal.SHAPE, frame)),)
        scan.see(frame.number)
        return self._closed_if_whole(Accepted(frame, now_s))

    def on_refused(self, reason: Refusal, number: int | None, now_s: float) -> Sequence[Event]:
        """A message that could not be read; within a scan it is taken for one of its frames."""
        scan = self._running
        if scan is None:
            return (Rejected(reason),)
        number = None if number is None else number - scan.first_number
        if number is not None and 0 <= number < scan.n_frames:
            scan.last_frame_s = now_s
        return (Refused(reason, number),)

    def on_end(self, end: ScanEnd, now_s: float) -> Sequence[Event]:
        scan = self._running
        known = "" if self._announced is None else self._announced.scan_id
        if scan is None or end.series != scan.start.series or end.scan_id not in ("", scan.start.scan_id, known):
            expected = end.series == self._closed_series
            return () if expected else (Rejected(Refusal.STALE if scan else Refusal.NO_SCAN),)
        if scan.end_s is not None:
            return ()
        scan.end_s = now_s
        return self._closed_if_whole(Ended())

    def on_part_over(self, now_s: float, announced: bool) -> Sequence[Event]:
        """One of several endpoints has nothing more of the running scan; `announced` = it said so by an end."""
        scan = self._running
        if scan is None:
            return ()
        scan.part_over_s = now_s
        scan.end_announced |= announced
        if scan.is_whole and scan.end_announced:
            return (Ended(), *self._close(ScanState.COMPLETE))
        return ()

    def expect_more(self, of_announced: bool) -> None:
        """Whether endpoints that announced the running scan have more of it; others may too, but not for long."""
        if self._running is not None:
            self._running.more_announced = of_announced

    def on_tick(self, now_s: float) -> Sequence[Event]:
        """Let the time pass; call it when `deadline_s` is reached, and only after all that waited was given in."""
        if self._running is None:
            return ()
        deadline_s, state = self._running.deadline_s(self._rules)
        return () if deadline_s is None or now_s < deadline_s else self._close(state)

    def close(self) -> Sequence[Event]:
        """End what is running, as complete if nothing is wanting."""
        scan = self._running
        if scan is None:
            return ()
        over = scan.end_s is not None or scan.end_announced or scan.is_whole
        return self._close(ScanState.COMPLETE if over else ScanState.ABORTED)

    def _closed_if_whole(self, event: Event) -> Sequence[Event]:
        scan = self._running
        if scan is not None and scan.is_whole and (scan.end_s is not None or scan.end_announced):
            return (event, *self._close(ScanState.COMPLETE))
        return (event,)

    def _close(self, state: ScanState) -> Sequence[Event]:
        if self._running is not None:
            self._closed_series = self._running.start.series
        self._running = None
        return (Closed(state),)


def is_same_scan(one: ScanStart, other: ScanStart) -> bool:
    """Whether two announcements speak of one scan (masks aside: they do not compare)."""
    return (one.series, one.scan_id, one.frames_expected) == (other.series, other.scan_id, other.frames_expected)
