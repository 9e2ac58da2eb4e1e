"""What the state machine knows of the scan that runs: which frames came, and when it is over if no more do."""

from __future__ import annotations

import numpy as np

from stream_rrvae.ingest.events import Accepted
from stream_rrvae.ingest.scan_rules import ScanRules
from stream_rrvae.messages import Frame, Refusal, ScanStart, ScanState
from stream_rrvae.wire.shards import own_frames


class RunningScan:
    """What is known of the running scan."""

    def __init__(self, start: ScanStart, scan_shape: tuple[int, int], first_number: int = 0) -> None:
        self.start = start
        self.first_number = first_number  # of its frames in an endless series
        self.n_frames = start.path.frames_due(scan_shape, start.frames_expected)
        self.last_frame_s: float | None = None
        self.end_s: float | None = None
        self.part_over_s: float | None = None
        self.end_announced = False  # by one of several endpoints
        self.more_announced = True
        self._told: set[Refusal] = set()
        self._marks = bytearray(self.n_frames)  # quicker than an array, one by one
        self.seen = np.frombuffer(self._marks, np.uint8)
        self._own = own_frames(start, scan_shape)
        if self._own is not None:
            self.seen[~self._own] = 1  # other shards' frames are nothing to wait for
        self.n_seen = int(self.seen.sum(dtype=np.int64))

    @property
    def is_whole(self) -> bool:
        return self.n_seen == self.n_frames

    @property
    def touched(self) -> bool:
        return self.last_frame_s is not None or self.end_s is not None

    def expects(self, number: int) -> bool:
        """Whether it is a frame of the scan, and of this shard."""
        return 0 <= number < self.n_frames and (self._own is None or bool(self._own[number]))

    def fits(self, frame: Frame, now_s: float) -> Accepted | None:
        """The frame as one of this scan's, were it not for its number."""
        alike = (frame.pixel_type, frame.shape) == (self.start.pixel_type, self.start.frame_shape)
        return Accepted(frame, now_s) if alike else None

    def misfit(self, reason: Refusal, frame: Frame) -> str:
        """Why a frame does not fit, once a scan: thousands like it cost nothing to tell of."""
        if reason in self._told:
            return ""
        self._told.add(reason)
        if reason is Refusal.PIXEL_TYPE:
            return f"its pixels are {frame.pixel_type}, {self.start.pixel_type} was announced"
        if reason is Refusal.SHAPE:
            return f"it is {_sides(frame.shape)} pixels, {_sides(self.start.frame_shape)} were announced"
        within = 0 <= frame.number < self.n_frames
        return "it belongs to another shard" if within else f"the scan has {self.n_frames} frames"

    def see(self, number: int) -> None:
        self.n_seen += not self._marks[number]
        self._marks[number] = 1

    def deadline_s(self, rules: ScanRules) -> tuple[float | None, ScanState]:
        """When the scan ends if nothing more comes, and as what."""
        if self.end_s is not None:
            return self.end_s + rules.end_grace_s, ScanState.COMPLETE
        heard_s = max((s for s in (self.last_frame_s, self.part_over_s) if s is not None), default=None)
        if heard_s is None:
            return None, ScanState.RUNNING
        if self.is_whole:
            return heard_s + rules.end_grace_s, ScanState.COMPLETE
        patience_s = rules.stall_timeout_s if self.more_announced else rules.end_grace_s
        return heard_s + patience_s, ScanState.COMPLETE if self.end_announced else ScanState.ABORTED


def _sides(shape: tuple[int, int]) -> str:
    return f"{shape[0]}x{shape[1]}"
