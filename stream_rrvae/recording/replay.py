"""Replay: a file of frames through the real protocol; whoever receives it cannot tell it from a detector."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.calibration.override import over_recorded, override
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import WireError
from stream_rrvae.messages import ScanStart
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.recording.replay_clock import ReplayClock
from stream_rrvae.recording.replay_messages import ReplayMessages
from stream_rrvae.recording.replay_outlet import ReplayOutlet
from stream_rrvae.recording.replay_pace import message_ends
from stream_rrvae.wire.start_limits import MAX_ID_CHARS, check_metadata

READ_BYTES = 4 << 20
READ_FRAMES = 1024


def start_again(frames: FrameFile, site: CalibrationSettings, series: int) -> ScanStart:
    """The announcement of `frames` under a new identity, its calibration as the site set it then, or sets it now."""
    start = frames.start
    scan_id = f"{start.scan_id[: MAX_ID_CHARS - 16]}-replay-{uuid.uuid4().hex[:8]}"
    metadata = {**start.metadata, "replayed_from": Path(frames.name).name, "replayed_scan": start.scan_id}
    try:
        check_metadata(metadata)
    except WireError:
        metadata = dict(start.metadata)  # it fills all the room there is
    calibration = override(start.calibration, over_recorded(frames.site, site))
    return replace(start, scan_id=scan_id, series=series, calibration=calibration, metadata=metadata)


class Replay:
    """Sends one scan, from the frame at which `clock` stands; frames are due `due_s` [n_arrivals] at speed 1."""

    def __init__(
        self,
        frames: FrameFile,
        outlet: ReplayOutlet,
        messages: ReplayMessages,
        due_s: NDArray[np.float64],
        clock: ReplayClock,
    ) -> None:
        self._frames = frames
        self._outlet = outlet
        self._messages = messages
        self._due_s = due_s
        self._clock = clock
        self.sent = 0

    def run(self) -> bool:
        """Send start, frames and end; False when it was stopped, or is to go on elsewhere, before its last frame."""
        outlet = self._outlet
        whole = outlet.send(self._messages.start()) and self._send_frames() and outlet.send(self._messages.end())
        if not whole:
            outlet.send_if_room(self._messages.end())
        return whole

    def _send_frames(self) -> bool:
        step = max(1, min(READ_FRAMES, READ_BYTES // self._frames.frame_bytes))
        n_frames, first = self._frames.n_arrivals, self._clock.state.frame
        self._clock.begin(float(self._due_s[first]) if first < n_frames else 0.0)
        for begin in range(first, n_frames, step):
            if not all(self._send(*part) for part in self._paced(begin, min(begin + step, n_frames))):
                return False
        return True

    def _paced(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The frames first <= i < last by when they are due."""
        ends = message_ends(self._due_s[first:last], self._clock.speed)
        return itertools.pairwise([first, *(first + ends).tolist(), last])

    def _send(self, begin: int, end: int) -> bool:
        frames = self._frames
        stored, numbers = frames.stored(begin, end), frames.numbers_of(np.arange(begin, end)).tolist()
        if not self._clock.wait(float(self._due_s[begin])):
            return False
        for parts, count in self._messages.frames(numbers, stored):
            if not self._outlet.send(parts):
                return False
            self.sent += count
        self._clock.passed(end)
        return True
