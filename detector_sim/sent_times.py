"""When each frame of a scan was sent, for whoever measures how long it took to be seen."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from stream_rrvae.errors import StreamRrvaeError


class SentTimes:
    """Seconds on the system's monotonic clock, which all processes of a machine share."""

    def __init__(self, path: Path, frames: int) -> None:
        self._path = path
        self._sent_s = np.full(frames, np.nan)
        self._noted = 0

    def begin(self) -> None:
        """A scan begins; what was noted of the last one is forgotten."""
        self._sent_s[:] = np.nan
        self._noted = 0

    def note(self, upto: int) -> None:
        """The frames before number `upto` that were not noted yet are sent now."""
        if upto > self._noted:
            self._sent_s[self._noted : upto] = time.monotonic()
            self._noted = upto

    def write(self) -> None:
        """The scan's times as .npy [frames]. Raises StreamRrvaeError when it cannot be written."""
        part = self._path.with_name(self._path.name + ".part")
        try:
            with part.open("wb") as file:
                np.save(file, self._sent_s)
            part.replace(self._path)
        except OSError as error:
            raise StreamRrvaeError(f"cannot write the sending times to {self._path}: {error}") from error
