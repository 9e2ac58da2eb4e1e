"""Replay: a file of frames through the real protocol; whoever receives it cannot tell it from a detector."""

from __future__ import annotations

import itertools
import time
import uuid
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Calibration, ScanStart
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.recording.replay_messages import messages_of
from stream_rrvae.recording.replay_outlet import ReplayOutlet
from stream_rrvae.recording.replay_pace import message_ends
from stream_rrvae.wire.start_limits import MAX_ID_CHARS, check_metadata

READ_BYTES = 4 << 20
READ_FRAMES = 1024
LOOK_AHEAD_S = 0.002  # waits shorter than this are not worth it


def start_again(frames: FrameFile, given: Calibration, series: int) -> ScanStart:
    """The announcement of `frames` under a new identity, with what is `given` over its calibration."""
    start = frames.start
    known = {f.name: getattr(given, f.name) for f in fields(Calibration) if getattr(given, f.name)}
    scan_id = f"{start.scan_id[: MAX_ID_CHARS - 16]}-replay-{uuid.uuid4().hex[:8]}"
    metadata = {**start.metadata, "replayed_from": Path(frames.name).name, "replayed_scan": start.scan_id}
    try:
        check_metadata(metadata)
    except WireError:
        metadata = dict(start.metadata)  # it fills all the room there is
    calibration = replace(start.calibration, **known)
    return replace(start, scan_id=scan_id, series=series, calibration=calibration, metadata=metadata)


class Replay:
    """Sends one scan; frames come `due_s` [n_arrivals] after the first, None = as fast as it goes."""

    def __init__(
        self,
        frames: FrameFile,
        outlet: ReplayOutlet,
        protocol: str,
        start: ScanStart,
        due_s: NDArray[np.float64] | None,
    ) -> None:
        self._frames = frames
        self._outlet = outlet
        self._messages = messages_of(protocol, start)
        self._due_s = due_s
        self._began_s = 0.0
        self.sent = 0

    def run(self) -> bool:
        """Send start, frames and end; False when the outlet was stopped before all was handed over."""
        outlet = self._outlet
        whole = outlet.send(self._messages.start()) and self._send_frames() and outlet.send(self._messages.end())
        if not whole:
            outlet.send_if_room(self._messages.end())
        return whole

    def _send_frames(self) -> bool:
        step = max(1, min(READ_FRAMES, READ_BYTES // self._frames.frame_bytes))
        self._began_s = time.monotonic()
        for first in range(0, self._frames.n_arrivals, step):
            last = min(first + step, self._frames.n_arrivals)
            for begin, end in self._paced(first, last):
                if not self._send(begin, end):
                    return False
        return True

    def _paced(self, first: int, last: int) -> list[tuple[int, int]]:
        """The frames first <= i < last by when they are due."""
        if self._due_s is None:
            return [(first, last)]
        cuts = [first, *(first + message_ends(self._due_s[first:last])).tolist(), last]
        return list(itertools.pairwise(cuts))

    def _send(self, begin: int, end: int) -> bool:
        frames = self._frames
        stored, numbers = frames.stored(begin, end), frames.numbers_of(np.arange(begin, end)).tolist()
        if self._due_s is not None:
            wait_s = self._began_s + float(self._due_s[begin]) - time.monotonic()
            if wait_s > LOOK_AHEAD_S:
                self._outlet.wait(wait_s)
        for parts, count in self._messages.frames(numbers, stored):
            if not self._outlet.send(parts):
                return False
            self.sent += count
        return True
