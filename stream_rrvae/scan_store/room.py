"""The memory of a scan store before it is known what stands in its header: fetching it takes time, but no frame."""

from __future__ import annotations

import mmap
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream_rrvae.errors import StoreError
from stream_rrvae.scan_store.block import DEFAULT_FOLDER, new_block, new_path
from stream_rrvae.scan_store.layout import NAN_FIELDS, StoreShape, aligned, map_fields, total_bytes

PREAMBLE_BYTES = 16  # magic and the header's length
HEADER_BYTES = 32 << 10  # as long as a header usually is at most


@dataclass(frozen=True, slots=True)
class Room:
    """A block whose arrays are as those of a scan of which nothing was measured."""

    path: Path
    memory: mmap.mmap
    header_bytes: int

    @property
    def offset(self) -> int:
        """Where its arrays begin."""
        return aligned(PREAMBLE_BYTES + self.header_bytes)


def make_room(shape: StoreShape, folder: Path, header_bytes: int = HEADER_BYTES) -> Room:
    """Raises StoreError when memory is not to be had."""
    path, offset = new_path(folder), aligned(PREAMBLE_BYTES + header_bytes)
    room = Room(path, new_block(path, offset + total_bytes(shape)), header_bytes)
    views = map_fields(room.memory, offset, shape)
    for name in NAN_FIELDS:
        views[name].fill(np.nan)
    views["pattern_number"].fill(-1)
    return room


class RoomAhead:
    """The room of a scan of `shape`, made by a thread of its own from now on; to be taken or dropped, by one thread."""

    def __init__(self, shape: StoreShape, folder: Path = DEFAULT_FOLDER) -> None:
        self.shape, self._folder = shape, folder
        self._room: Room | None = None
        self._error: StoreError | None = None
        self._thread = threading.Thread(target=self._make, name="store", daemon=True)
        self._thread.start()

    def take(self) -> Room:
        """Wait for it. Raises StoreError when memory is not to be had."""
        self._thread.join()
        room, self._room = self._room, None
        if room is None:
            raise self._error or StoreError("the room was taken already")
        return room

    def drop(self) -> None:
        """Nobody needs it; does nothing when it was taken."""
        self._thread.join()
        if self._room is not None:
            self._room.path.unlink(missing_ok=True)
            self._room = None

    def _make(self) -> None:
        try:
            self._room = make_room(self.shape, self._folder)
        except StoreError as error:
            self._error = error
