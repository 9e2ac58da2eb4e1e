"""One file of a recording while it is written: frames as HDF5 chunks in the detector's own packing, readable always.

HDF5's single-writer-multiple-readers mode keeps what was flushed readable whatever becomes of the writer.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  the filters take down the pixel size when a dataset is made
import numpy as np
from h5py._objects import phil
from numpy.typing import NDArray

from stream_rrvae.messages import Encoding, ScanStart
from stream_rrvae.recording import layout
from stream_rrvae.recording.chunk_loop import Sums, add_frame, write_chunks, write_chunks_together
from stream_rrvae.recording.gathering_driver import GatheringDriver, create_file
from stream_rrvae.recording.h5_calls import DATASET, MOST_NOTED, N_ENTRIES, SKIPPED_FILTERS, find_write_chunk
from stream_rrvae.recording.one_frame import chunk_of
from stream_rrvae.recording.start_json import start_to_json

# Readable by HDF5 1.10 and later; it is the oldest with this mode.
FORMAT_BOUNDS = ("v110", "v110")


@dataclass(frozen=True, slots=True)
class FrameRun:
    """Frames [n] of one encoding, as they came; the bytes lie at their addresses until whoever gave them takes them."""

    addresses: NDArray[np.uint64]
    sizes: NDArray[np.int64]  # bytes
    numbers: NDArray[np.int64]
    received_s: NDArray[np.float64]  # unix time
    flags: NDArray[np.uint8]
    encoding: Encoding

    def __len__(self) -> int:
        return int(self.sizes.size)


class Segment:
    """A new file at `path`, never an old one. Any method raises OSError when the disk does not take it."""

    def __init__(self, path: Path, index: int, start: ScanStart, encoding: Encoding, mixed: bool = False) -> None:
        self.path = path
        self.encoding = encoding
        self.mixed = mixed  # takes any encoding
        self.count = 0  # frames written
        self.flushed = 0  # frames that any reader finds
        self.payload_bytes = 0
        self.sums: Sums = np.zeros(2, np.uint64)  # checksum of all its frames
        with _disk_errors(path):
            self._file, self._driver = create_file(path)
        try:
            with _disk_errors(path):
                self._frames = _create_frames(self._file, start, encoding, mixed)
                self._sides = {name: _create_side(self._file, name) for name in layout.SIDES}
                _describe(self._file, index, start)
                self._file.swmr_mode = True
        except BaseException:
            _give_up(self._file)
            path.unlink(missing_ok=True)
            raise
        self._waiting: list[FrameRun] = []  # their bytes are written, what is known of them not yet
        self._table, self._pieces = np.zeros(N_ENTRIES, np.int64), np.empty(2 * MOST_NOTED, np.int64)
        self._table[DATASET] = self._frames.id.id

    def takes(self, encoding: Encoding) -> bool:
        """Whether frames in this encoding can be written here."""
        return self.mixed or encoding is self.encoding

    def append(self, run: FrameRun) -> None:
        """Write frames behind the others, all or none; they are no reader's until `flush`."""
        before = self.count, self.payload_bytes, self.sums.copy()
        try:
            with _disk_errors(self.path):
                self._append(run, layout.MIXED_SKIPPED[run.encoding] if self.mixed else 0)
        except OSError:
            self.count, self.payload_bytes, self.sums = before
            with suppress(OSError, RuntimeError, ValueError):
                self._resize(self.count)
            raise
        self._waiting.append(run)

    def flush(self) -> None:
        """Make everything written readable, and certain to outlive this process."""
        if self.flushed == self.count:
            return
        with _disk_errors(self.path):
            for name, side in self._sides.items():
                values = np.concatenate([getattr(run, _FIELDS[name]) for run in self._waiting])
                side.resize((self.count,))
                side[self.flushed : self.count] = values
            for dataset in (self._frames, *self._sides.values()):
                dataset.flush()
        self._waiting.clear()
        self.flushed = self.count

    def frame(self, index: int) -> tuple[Encoding, bytes] | None:
        """A flushed frame as it was received; None when it is not flushed, or the file closed. From any thread."""
        with phil:
            if not self._file or index >= self.flushed:
                return None
            return chunk_of(self._frames, index, None if self.mixed else self.encoding)

    def duplicate_handle(self) -> int:
        """A handle of the file for `os.fsync` in another thread; whoever asks closes it."""
        return os.dup(self._file.id.get_vfd_handle())

    def close(self) -> None:
        """Flush and leave a file that any reader of HDF5 opens."""
        try:
            self.flush()
            with _disk_errors(self.path):
                self._file.flush()  # what is left for closing takes no more room
                self._file.close()
        except OSError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Close without a last flush, when the disk takes nothing more: what was flushed stays readable."""
        self._waiting.clear()
        if self._file:
            _give_up(self._file)

    def _append(self, run: FrameRun, skipped: int) -> None:
        self._resize(self.count + len(run))
        written = self._write(run, skipped)
        self.count += written
        self.payload_bytes += int(run.sizes[:written].sum())
        if written < len(run):
            self._write_slowly(run, written, skipped)

    def _resize(self, count: int) -> None:
        shape = self._frames.shape
        self._frames.id.set_extent((count, *shape[1:]))

    def _write(self, run: FrameRun, skipped: int) -> int:
        function = find_write_chunk()
        if function is None:
            return 0
        self._table[SKIPPED_FILTERS] = skipped
        with phil:
            if self._driver is None:
                return write_chunks(function, self._table, self.count, run.addresses, run.sizes, self.sums)
            return self._write_together(self._driver, function, run)

    def _write_together(self, driver: GatheringDriver, function: int, run: FrameRun) -> int:
        handle = self._file.id.get_vfd_handle()
        done = write_chunks_together(
            function, self._table, self.count, run.addresses, run.sizes, self.sums,
            driver.pwritev, handle, driver.table, self._pieces,
        )  # fmt: skip
        if done < 0:
            driver.write_left(handle)
            done = -1 - done
        return done

    def _write_slowly(self, run: FrameRun, begin: int, skipped: int) -> None:
        """One by one through h5py, which says why one cannot be written."""
        for index in range(begin, len(run)):
            address, size = int(run.addresses[index]), int(run.sizes[index])
            content = (ctypes.c_ubyte * size).from_address(address)
            self._frames.id.write_direct_chunk((self.count, 0, 0), memoryview(content), skipped)
            add_frame(address, size, self.sums)
            self.count += 1
            self.payload_bytes += size


_FIELDS = {"frame_number": "numbers", "received_s": "received_s", "flags": "flags"}


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Whatever HDF5 says when the disk does not take something, as an OSError."""
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        raise OSError(f"{path}: {str(error).partition(': time')[0]}") from error


def _give_up(file: h5py.File) -> None:
    """Close a file that the disk takes no more of, without a change to what is there.

    HDF5 cannot: where its last writes fail, it leaves things behind on which the process crashes later. So these go
    elsewhere.
    """
    elsewhere = os.memfd_create("abandoned")
    try:
        os.dup2(elsewhere, file.id.get_vfd_handle())
        file.close()
    except (RuntimeError, OSError):
        _NOT_GIVEN_UP.append(file)
    finally:
        os.close(elsewhere)


_NOT_GIVEN_UP: list[h5py.File] = []  # to be collected would crash


def _create_frames(file: h5py.File, start: ScanStart, encoding: Encoding, mixed: bool) -> h5py.Dataset:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, *start.frame_shape))
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    for number, values in layout.MIXED_FILTERS if mixed else layout.FILTERS[encoding]:
        properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL, values)
    space = h5py.h5s.create_simple((0, *start.frame_shape), (h5py.h5s.UNLIMITED, *start.frame_shape))
    kind = h5py.h5t.py_create(np.dtype(start.pixel_type).newbyteorder("<"))
    no_cache = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    no_cache.set_chunk_cache(1, 0, 1.0)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    name = layout.FRAMES.encode()
    return h5py.Dataset(h5py.h5d.create(file.id, name, kind, space, properties, lcpl=links, dapl=no_cache))


def _create_side(file: h5py.File, name: str) -> h5py.Dataset:
    dtype = layout.SIDES[name].newbyteorder("<")
    group = file["entry/data"]
    return group.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(layout.SIDE_CHUNK_FRAMES,))


def _describe(file: h5py.File, index: int, start: ScanStart) -> None:
    file.attrs["default"] = "entry"
    file["entry"].attrs.update({
        "NX_class": "NXentry", "default": "data", "format_version": layout.FORMAT_VERSION,
        "scan_id": start.scan_id, "segment": index,
    })  # fmt: skip
    file["entry/data"].attrs.update({"NX_class": "NXdata", "signal": "frames"})
    file["entry/data/received_s"].attrs["units"] = "s"
    file[layout.START] = start_to_json(start)
