"""What a crash left of one segment, put into a new file; run as a module by `salvage_process`.

The index is read from the damaged file by HDF5, the frames as plain bytes at the places that it names: a place
beyond the end of the file is a frame that is lost. The file itself is only read.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  the filters must be known to name them in the new file
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError, WireError
from stream_rrvae.messages import Encoding, Frame, ScanStart
from stream_rrvae.recording import layout
from stream_rrvae.recording.chunk_loop import Sums, add_frame, checksum_text
from stream_rrvae.recording.chunk_places import ChunkPlaces
from stream_rrvae.recording.layout import Flag
from stream_rrvae.recording.segment import FrameRun, Segment
from stream_rrvae.recording.start_json import start_from_json
from stream_rrvae.recording.unfinished_file import open_unfinished
from stream_rrvae.wire.pixels import decode_pixels

MEMORY_BYTES = 6 << 30  # of address space, most of which is libraries
RUN_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Mark:
    """A journal line: the segment's first `frames` frames have this checksum."""

    frames: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of a segment."""

    start: str  # the announcement, as JSON
    frames: int = 0  # in the new file, or in the old one when that is whole
    verified: int = 0  # of them, by the journal's checksums
    damaged: int = 0  # of them, flagged as undecodable since they are not what was written
    lost: int = 0  # acknowledged, and not there
    is_whole: bool = False  # nothing was written: the old file can be used as it is


class _Damaged:
    """The segment open for reading, whatever state it is in."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        self.size_bytes = os.fstat(self._handle).st_size
        self._file, self.was_closed = _open(path)
        self.frames: h5py.Dataset = self._file[layout.FRAMES]
        self.start_json = str(self._file[layout.START].asstr()[()])
        sides = {name: self._file[f"entry/data/{name}"][()].astype(dtype) for name, dtype in layout.SIDES.items()}
        self.count = min(int(self.frames.shape[0]), *(len(side) for side in sides.values()))
        self.sides: dict[str, NDArray[Any]] = {name: side[: self.count] for name, side in sides.items()}
        pipeline = self.frames.id.get_create_plist()
        self.filters = tuple(int(pipeline.get_filter(i)[0]) for i in range(pipeline.get_nfilters()))
        self._places = ChunkPlaces(self.count)
        with suppress(OSError, RuntimeError, ValueError, KeyError):  # the index is damaged from here on
            self._places.find(self.frames)

    def chunk(self, index: int) -> tuple[Encoding, bytes] | None:
        """A frame as it was received; None where it is not there."""
        offset, size = int(self._places.offset[index]), int(self._places.size[index])
        if not size or offset + size > self.size_bytes:
            return None
        return self._encoding(int(self._places.skipped[index])), os.pread(self._handle, size, offset)

    def _encoding(self, skipped: int) -> Encoding:
        used = [number for place, number in enumerate(self.filters) if not skipped >> place & 1]
        return {layout.BITSHUFFLE_LZ4: Encoding.BSLZ4, layout.LZ4: Encoding.LZ4}[used[0]] if used else Encoding.NONE

    def close(self) -> None:
        self._file.close()
        os.close(self._handle)


def salvage(source: Path, target: Path, marks: Sequence[Mark]) -> Salvaged:
    """Put every whole frame of `source` into a new segment `target`, unless `source` is whole.

    Raises FileFormatError when nothing can be had from it, OSError when `target` cannot be written.
    """
    try:
        damaged = _Damaged(source)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise FileFormatError(str(error)) from error
    with closing(damaged):
        start = start_from_json(damaged.start_json)
        checks = _Checks(marks)
        present = list(_present(damaged, checks))
        acknowledged = marks[-1].frames if marks else 0
        lost = acknowledged - sum(index < acknowledged for index, _ in present)
        is_whole = damaged.was_closed and not lost and not checks.failed and len(present) == damaged.count
        result = Salvaged(damaged.start_json, len(present), checks.verified, 0, lost, is_whole)
        if is_whole or not present:
            return result
        return replace(result, damaged=_write(damaged, start, target, present, checks))


class _Checks:
    """Compares what is read with the journal, from one of its lines to the next."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self._marks = list(marks)
        self._begin = 0
        self._sums: Sums = np.zeros(2, np.uint64)
        self.verified = 0
        self.failed: list[tuple[int, int]] = []  # first and last + 1 of frames that are not what was written

    def add(self, index: int, content: bytes) -> None:
        """Frame `index` is this; frames come in order, missing ones do not come."""
        add_frame(np.frombuffer(content, np.uint8).ctypes.data, len(content), self._sums)
        if self._marks and index + 1 == self._marks[0].frames:
            self._next()

    def skip_to(self, index: int) -> None:
        """Frames before this one do not come any more."""
        while self._marks and self._marks[0].frames <= index:
            self._next()

    def is_dubious(self, index: int) -> bool:
        """Whether nothing vouches for this frame."""
        return index >= self._begin or any(begin <= index < end for begin, end in self.failed)

    def _next(self) -> None:
        mark = self._marks.pop(0)
        if checksum_text(self._sums) == mark.checksum:
            self.verified += mark.frames - self._begin
        else:
            self.failed.append((self._begin, mark.frames))
        # From what the journal says on, so that one bad frame does not spoil those behind it.
        self._begin = mark.frames
        self._sums[:] = [int(mark.checksum[:16], 16), int(mark.checksum[16:], 16)]


def _present(damaged: _Damaged, checks: _Checks) -> Iterator[tuple[int, Encoding]]:
    for index in range(damaged.count):
        checks.skip_to(index)
        try:
            chunk = damaged.chunk(index)
        except (OSError, RuntimeError, ValueError, KeyError):
            continue  # its bytes cannot be read, or nobody knows what they are packed in
        if chunk is not None:
            checks.add(index, chunk[1])
            yield index, chunk[0]
    checks.skip_to(damaged.count)


def _write(
    damaged: _Damaged, start: ScanStart, target: Path, present: Sequence[tuple[int, Encoding]], checks: _Checks
) -> int:
    encodings = {encoding for _, encoding in present}
    mixed = len(damaged.filters) > 1 or len(encodings) > 1
    with closing(Segment(target, 0, start, present[0][1], mixed)) as segment:
        n_damaged = 0
        for run in _runs(damaged, present):
            for place, (index, encoding) in enumerate(run.entries):
                if checks.is_dubious(index) and not _is_good(run.contents[place], start, encoding):
                    run.flags[place] |= np.uint8(Flag.UNDECODABLE)
                    n_damaged += 1
            segment.append(run.frames(damaged))
            segment.flush()
    return n_damaged


@dataclass(frozen=True, slots=True)
class _Run:
    entries: list[tuple[int, Encoding]]  # of one encoding
    contents: list[bytes]
    flags: NDArray[np.uint8]

    def frames(self, damaged: _Damaged) -> FrameRun:
        at = np.array([index for index, _ in self.entries])
        return FrameRun(
            np.array([np.frombuffer(content, np.uint8).ctypes.data for content in self.contents], np.uint64),
            np.array([len(content) for content in self.contents], np.int64),
            damaged.sides["frame_number"][at],
            damaged.sides["received_s"][at],
            self.flags,
            self.entries[0][1],
        )


def _runs(damaged: _Damaged, present: Sequence[tuple[int, Encoding]]) -> Iterator[_Run]:
    """The frames again, as many at a time as memory should hold."""
    entries: list[tuple[int, Encoding]] = []
    contents: list[bytes] = []
    size_bytes = 0
    for index, encoding in present:
        chunk = damaged.chunk(index)
        if chunk is None:
            continue
        if entries and (size_bytes >= RUN_BYTES or encoding is not entries[-1][1]):
            yield _run(damaged, entries, contents)
            entries, contents, size_bytes = [], [], 0
        entries.append((index, encoding))
        contents.append(chunk[1])
        size_bytes += len(chunk[1])
    if entries:
        yield _run(damaged, entries, contents)


def _run(damaged: _Damaged, entries: list[tuple[int, Encoding]], contents: list[bytes]) -> _Run:
    return _Run(entries, contents, damaged.sides["flags"][[index for index, _ in entries]])


def _is_good(content: bytes, start: ScanStart, encoding: Encoding) -> bool:
    try:
        decode_pixels(Frame(start.series, 0, start.frame_shape, start.pixel_type, encoding, memoryview(content)))
    except WireError:
        return False
    return True


def _open(path: Path) -> tuple[h5py.File, bool]:
    """The file, and whether it was closed properly."""
    try:
        return h5py.File(path, "r", locking=False), True
    except OSError:
        return open_unfinished(path), False


def main() -> None:
    """Tasks [source, target, marks] as JSON in the open file whose number is told; a line of JSON for each answers."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(int(sys.argv[1])) as told:
        tasks = json.load(told)
    for source, target, marks in tasks:
        try:
            answer = asdict(salvage(Path(source), Path(target), [Mark(*mark) for mark in marks]))
        except (FileFormatError, OSError, MemoryError) as error:
            answer = {"error": str(error) or type(error).__name__}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
