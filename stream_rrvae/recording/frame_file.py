"""One scan's frames out of a file, whatever its kind: read lazily, numbered, with what the file says of the scan."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.config import AS_TOLD, CalibrationSettings, ScanSettings
from stream_rrvae.errors import FileFormatError, WireError
from stream_rrvae.log import event
from stream_rrvae.messages import BoolArray, Frame, ScanStart
from stream_rrvae.recording.announced import announced, recorded_site
from stream_rrvae.recording.description import Description
from stream_rrvae.recording.npy_file import described_npy, is_npy
from stream_rrvae.recording.reader import described_by_reader
from stream_rrvae.recording.stored_frames import PackedFrames, Stored, StoredFrames
from stream_rrvae.wire.limits import ITEM_BYTES
from stream_rrvae.wire.pixels import decode_pixels


@dataclass(frozen=True)
class FrameFile:
    """Frames of one scan. They are stored as they arrived: `numbers` says which in the order of exposure each is.

    `start` is what a detector would have announced, with the scan's shape; `notes` is what the user should be told.
    """

    name: str
    kind: str
    start: ScanStart
    site: CalibrationSettings  # the geometry that was set over the announcement when it was recorded
    notes: tuple[str, ...]
    numbers: NDArray[np.int64] | None  # [n_arrivals]; None = all of them, in order
    received_s: NDArray[np.float64] | None  # [n_arrivals] unix time, or from the first frame on
    flags: NDArray[np.uint8] | None  # [n_arrivals]
    n_arrivals: int  # frames stored: second copies too, and none for what is missing
    _stored: StoredFrames

    @property
    def scan_shape(self) -> tuple[int, int]:
        """(y, x)."""
        assert self.start.scan_shape is not None
        return self.start.scan_shape

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(ky, kx)."""
        return self.start.frame_shape

    @property
    def pixel_type(self) -> str:
        return self.start.pixel_type

    @property
    def n_frames(self) -> int:
        """Positions of the scan."""
        return self.scan_shape[0] * self.scan_shape[1]

    @property
    def n_numbers(self) -> int:
        """Frames of the scan, with those that lie nowhere and those of every pass."""
        return self.start.path.frames_due(self.scan_shape, self.start.frames_expected)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame."""
        return self.frame_shape[0] * self.frame_shape[1] * ITEM_BYTES[self.pixel_type]

    @cached_property
    def present(self) -> BoolArray:
        """[n_frames] whether the file holds a frame for the position."""
        there = np.zeros(self.n_frames, np.bool_)
        places = self._places
        there[places[(places >= 0) & (places < self.n_frames)]] = True
        return there

    def positions_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where frames of these numbers lie in the scan; outside it for those that lie nowhere."""
        path = self.start.path
        return numbers if path.is_raster else path.positions(numbers, self.scan_shape)

    def stored(self, first: int, last: int) -> Sequence[Stored]:
        """Stored frames first <= i < last as they are. Raises FileFormatError when the file cannot be read."""
        return self._stored.take(first, min(last, self.n_arrivals))

    def packed(self, first: int, last: int) -> PackedFrames:
        """Stored frames first <= i < last by where their bytes lie. Raises FileFormatError."""
        return self._stored.packed(first, min(last, self.n_arrivals))

    def arrivals(self, first: int, last: int) -> Sequence[Frame]:
        """Stored frames first <= i < last as messages, still encoded, in the order in which they arrived."""
        start, stored = self.start, self.stored(first, last)
        numbers = range(first, first + len(stored)) if self.numbers is None else self.numbers[first:last].tolist()
        return [
            Frame(start.series, number, start.frame_shape, start.pixel_type, one.encoding, one.payload)
            for number, one in zip(numbers, stored, strict=True)
        ]

    def arrivals_at(self, first: int, last: int) -> NDArray[np.intp]:
        """Which stored frames belong to positions first <= position < last, in the order in which they arrived."""
        if self.start.path.is_raster:
            return self.arrivals_for(first, last)
        return np.flatnonzero((self._places >= first) & (self._places < last))

    def arrivals_for(self, first: int, last: int) -> NDArray[np.intp]:
        """Which stored frames have first <= number < last, in the order in which they arrived."""
        if self.numbers is None:
            return np.arange(first, min(last, self.n_arrivals))
        return np.flatnonzero((self.numbers >= first) & (self.numbers < last))

    def numbers_of(self, arrivals: NDArray[np.intp]) -> NDArray[np.int64]:
        """The numbers that the stored frames of these indices have."""
        return arrivals.astype(np.int64) if self.numbers is None else self.numbers[arrivals]

    def frames(self, first: int, last: int) -> NDArray[Any]:
        """Positions first <= position < last as [count, ky, kx] of `pixel_type`; 0 where there is no (good) frame.

        Of several copies the first good one counts.
        """
        last = min(last, self.n_frames)
        out = np.zeros((max(0, last - first), *self.frame_shape), self.pixel_type)
        filled = np.zeros(len(out), np.bool_)
        for begin, end in runs(self.arrivals_at(first, last)):
            places = self.positions_of(self.numbers_of(np.arange(begin, end)))
            for frame, at in zip(self.arrivals(begin, end), (places - first).tolist(), strict=True):
                if not filled[at]:
                    filled[at] = self._decoded(frame, out[at])
        return out

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """[n_arrivals] position of every stored frame."""
        return self.positions_of(self.numbers_of(np.arange(self.n_arrivals)))

    def _decoded(self, frame: Frame, out: NDArray[Any]) -> bool:
        try:
            decode_pixels(frame, out)
        except WireError as error:
            event("frame_damaged", logging.WARNING, path=self.name, seq=frame.number, reason=error.detail)
            out[...] = 0
            return False
        return True


@contextmanager
def open_frames(
    source: str,
    scan_shape: tuple[int, int] | None = None,
    channel: str | None = None,
    scan: ScanSettings = AS_TOLD,
) -> Iterator[FrameFile]:
    """A recording, a DECTRIS master, `file.h5[::/dataset]`, `.npy`, `.mib` or EMPAD `.xml`, recognised by its content.

    `channel` is wanted of files with several, `scan` is the site's word on which way the scan goes.

    Raises FileFormatError that says what is wrong or missing.
    """
    with described(source, scan_shape, channel) as (description, stored):
        yield _frame_file(source.partition("::")[0], description, stored, scan_shape, scan)


@contextmanager
def described(
    source: str, scan_shape: tuple[int, int] | None, channel: str | None
) -> Iterator[tuple[Description, StoredFrames]]:
    """What a file holds as it says it itself, before its scan's shape is settled. Raises FileFormatError."""
    name, _, _dataset = source.partition("::")
    if not Path(name).exists():
        raise FileFormatError(f"{name} is not there")
    with described_npy(name) if is_npy(name) else described_by_reader(source, channel, scan_shape) as opened:
        yield opened


def _frame_file(
    name: str,
    description: Description,
    stored: StoredFrames,
    scan_shape: tuple[int, int] | None,
    scan: ScanSettings,
) -> FrameFile:
    start, notes = announced(name, description, scan_shape, scan)
    site, site_notes = recorded_site(name, description, start)
    assert start.scan_shape is not None
    n_stored = int(np.prod(description.shape[:-2]))
    due = start.path.frames_due(start.scan_shape, start.frames_expected)
    return FrameFile(
        name=name,
        kind=description.kind,
        start=start,
        site=site,
        notes=(*notes, *site_notes),
        numbers=description.numbers,
        received_s=description.received_s,
        flags=description.flags,
        n_arrivals=n_stored if description.numbers is not None else min(n_stored, due),
        _stored=stored,
    )


def runs(indices: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Ascending `indices` as ranges begin <= i < end."""
    if indices.size:
        breaks = np.flatnonzero(np.diff(indices) != 1) + 1
        for run in np.split(indices, breaks):
            yield int(run[0]), int(run[-1]) + 1
