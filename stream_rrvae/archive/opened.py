"""Recordings that are open at the moment: a few, the one that was used longest ago is closed for the next."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import ExitStack

import numpy as np

from stream_rrvae.archive.course import Course, course_of
from stream_rrvae.archive.listing import Entry
from stream_rrvae.recording.frame_file import FrameFile, open_frames

OPEN_LIMIT = 6


class Opened:
    """One recording with its frames at hand."""

    def __init__(self, entry: Entry) -> None:
        """Raises FileFormatError."""
        self._stack = ExitStack()
        self.entry = entry
        self.frames: FrameFile = self._stack.enter_context(open_frames(str(entry.path)))
        self._course: Course | None = None

    def course(self) -> Course:
        """How it went; made at its first use."""
        if self._course is None:
            frames = self.frames
            numbers = np.arange(frames.n_arrivals) if frames.numbers is None else frames.numbers
            self._course = course_of(frames.positions_of(numbers), frames.received_s, frames.flags, frames.scan_shape)
        return self._course

    def close(self) -> None:
        self._stack.close()


class OpenedRecordings:
    """Used by one thread."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Opened] = OrderedDict()

    def get(self, entry: Entry) -> Opened:
        """The recording as it is now: one that has grown since is opened again. Raises FileFormatError."""
        known = self._open.get(entry.id)
        if known is not None and known.entry == entry:
            self._open.move_to_end(entry.id)
            return known
        if known is not None:
            self._open.pop(entry.id).close()
        while len(self._open) >= OPEN_LIMIT:
            self._open.popitem(last=False)[1].close()
        self._open[entry.id] = Opened(entry)
        return self._open[entry.id]

    def close(self) -> None:
        """Let go of all of them."""
        while self._open:
            self._open.popitem()[1].close()
