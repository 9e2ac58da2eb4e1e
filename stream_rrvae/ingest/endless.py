"""A series that is scan after scan, its frames counted on: a detector that was armed once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stream_rrvae.messages import Frame, ScanStart


@dataclass(slots=True)
class EndlessSeries:
    """Which of its scans is on; without sockets, threads or a clock, as the state machine that has it."""

    start: ScanStart  # as announced: of all of its scans
    scan_shape: tuple[int, int]
    index: int = 0  # of the latest scan

    @property
    def frames_in_scan(self) -> int:
        return self.start.path.frames_due(self.scan_shape)

    @property
    def first_number(self) -> int:
        """Of the latest scan's frames."""
        return self.index * self.frames_in_scan

    def is_of_another(self, frame: Frame) -> bool:
        """Whether the frame is of a later scan than the latest: not if it does not fit, or was not announced."""
        start = self.start
        if (frame.series, frame.shape, frame.pixel_type) != (start.series, start.frame_shape, start.pixel_type):
            return False
        return self.first_number + self.frames_in_scan <= frame.number < start.frames_expected

    def go_on_to(self, frame: Frame) -> None:
        """The frame's scan is the latest from now on."""
        self.index = frame.number // self.frames_in_scan

    def latest(self) -> ScanStart:
        """The announcement of the latest scan alone; the first has the series' own identity."""
        scan_id = self.start.scan_id if self.index == 0 else f"{self.start.scan_id}.{self.index + 1}"
        path = replace(self.start.path, endless=False)
        return replace(self.start, scan_id=scan_id, path=path, frames_expected=self.frames_in_scan)
