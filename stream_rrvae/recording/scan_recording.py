"""One scan's recording while it runs: a `.part` folder of segments and a journal, and what of it is acknowledged.

A frame is acknowledged when it was flushed and the journal says so: from then on the death of this process
cannot take it away. It is durable when the disk itself has it, so that a power cut cannot either.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

from stream_rrvae import __version__
from stream_rrvae.calibration.override import NOTHING_SAID, given
from stream_rrvae.config import CalibrationSettings, RecordingSettings
from stream_rrvae.messages import BoolArray, Frame, ScanStart, ScanState
from stream_rrvae.recording import layout
from stream_rrvae.recording.chunk_loop import checksum_text
from stream_rrvae.recording.disk_sync import DiskSync
from stream_rrvae.recording.journal import Journal
from stream_rrvae.recording.one_frame import read_closed
from stream_rrvae.recording.places import Places
from stream_rrvae.recording.segment import FrameRun, Segment
from stream_rrvae.recording.start_json import mask_to_plain, start_to_json
from stream_rrvae.wire.shards import name_of_files

log = logging.getLogger(__name__)

FLUSH_FRAMES = 64
FLUSH_LEAST_S = 0.1  # between two flushes, however many frames came


class DiskFullError(OSError):
    """Too little space is left to go on."""


@dataclass(frozen=True, slots=True)
class ClosedRecording:
    """What became of a recording that takes no more frames; its folder still has the suffix."""

    part: Path
    start: ScanStart
    scan_shape: tuple[int, int]
    state: ScanState
    opened_unix_s: float
    closed_unix_s: float
    since_monotonic_s: float  # unix time minus the monotonic clock
    frames: int  # acknowledged
    fault: str  # why it ended early; empty if it did not
    site: CalibrationSettings  # what the site said over the announcement


class ScanRecording:
    """Raises OSError from any method when the disk does not take what it should."""

    def __init__(
        self,
        folder: Path,
        start: ScanStart,
        scan_shape: tuple[int, int],
        settings: RecordingSettings,
        site: CalibrationSettings = NOTHING_SAID,
        usable: BoolArray | None = None,
    ) -> None:
        self.start, self.scan_shape = start, scan_shape
        self._settings = settings
        self._site = site
        self._opened_unix_s = time()
        self._since_monotonic_s = self._opened_unix_s - monotonic()
        self._check_space(folder)
        self.part = _new_folder(folder, name_of_files(start))
        self._journal = Journal(self.part / layout.JOURNAL_NAME)
        self.folder = self.part  # where it is now
        self._places = Places(start.path.frames_due(scan_shape, start.frames_expected))
        self._segment: Segment | None = None
        self._n_segments = 0
        self._in_earlier = 0  # frames in segments that were closed
        self._unflushed = 0
        self._flushed_s = monotonic()
        self.acknowledged = 0
        self._journal.write({
            "opened": {"format_version": layout.FORMAT_VERSION, "program": f"stream-rrvae {__version__}"},
            "unix_s": self._opened_unix_s, "scan_shape": list(scan_shape), "start": start_to_json(start),
            "site": given(site), "site_mask": None if usable is None else mask_to_plain(usable),
        })  # fmt: skip
        self._sync = DiskSync(self._journal, settings.fsync_s)

    def write(self, run: FrameRun) -> None:
        """Append frames, whose `received_s` is on the monotonic clock here."""
        if len(run):
            unix_s = run.received_s + self._since_monotonic_s
            segment = self._segment_for(run)
            segment.append(FrameRun(run.addresses, run.sizes, run.numbers, unix_s, run.flags, run.encoding))
            encoding = None if segment.mixed else segment.encoding
            self._places.note(self._n_segments - 1, encoding, segment.count - len(run), run)
            self._unflushed += len(run)
            self._sync.wrote(int(run.sizes.sum()))
            self._check_space(self.part)  # between two flushes much may come
        self.flush_if_due()

    def frame(self, number: int) -> Frame | None:
        """The acknowledged frame of a position, or None. From any thread, also when the recording is closed."""
        place, segment = self._places.of(number), self._segment
        if place is None:
            return None
        if segment is not None and place[0] == self._n_segments - 1:
            found = segment.frame(place[1])
        else:
            try:
                path = self.folder / layout.segment_name(place[0])
                found = read_closed(path, place[1], self._places.encodings[place[0]])
            except OSError as error:
                log.debug("%s", error)  # it is just being closed, or moved away
                return None
        if found is None:
            return None
        start, (encoding, content) = self.start, found
        return Frame(start.series, number, start.frame_shape, start.pixel_type, encoding, memoryview(content))

    @property
    def deadline_s(self) -> float | None:
        """When `flush_if_due` has something to do if nothing more comes (monotonic)."""
        return self._flushed_s + self._settings.flush_s if self._unflushed else None

    def flush_if_due(self) -> None:
        """Acknowledge what was written, if it is enough or waited long enough."""
        waited_s = monotonic() - self._flushed_s
        enough = self._unflushed >= FLUSH_FRAMES and waited_s >= FLUSH_LEAST_S
        if self._unflushed and (enough or waited_s >= self._settings.flush_s):
            self.flush()

    def flush(self) -> None:
        """Acknowledge what was written. Raises DiskFullError when there is no room for more."""
        self._sync.raise_fault()
        segment = self._segment
        if segment is not None and self._unflushed:
            segment.flush()
            self._journal.write({
                "segment": self._n_segments - 1, "frames": segment.flushed, "bytes": segment.payload_bytes,
                "checksum": checksum_text(segment.sums), "unix_s": time(),
            })  # fmt: skip
            self.acknowledged = self._in_earlier + segment.flushed
        self._unflushed, self._flushed_s = 0, monotonic()
        self._check_space(self.part)

    def note_undecodable(self, frames: Sequence[tuple[int, float]]) -> None:
        """Frames of these numbers that came at these times (monotonic) turned out to be damaged."""
        unix = [[number, received_s + self._since_monotonic_s] for number, received_s in frames]
        self._journal.write({"undecodable": unix})

    def note_level(self, level: int, unix_s: float) -> None:
        """From then on so much is left out of what is computed (`messages.DegradeLevel`); frames are not."""
        self._journal.write({"degrade_level": level, "unix_s": unix_s})

    def close(self, state: ScanState, fault: str = "") -> ClosedRecording:
        """Flush and close everything, as far as the disk lets us; `fault` of what this gives says if it did not."""
        faults = [fault] if fault else []
        try:
            self._finish_segment()
        except OSError as error:
            faults.append(str(error))
        try:
            told = "; ".join(faults)
            self._journal.write({"closed": str(state), "fault": told, "frames": self.acknowledged, "unix_s": time()})
            self._journal.sync()
        except OSError as error:
            faults.append(str(error))
        self._sync.stop()
        self._journal.close()
        return ClosedRecording(
            self.part, self.start, self.scan_shape, state, self._opened_unix_s, time(), self._since_monotonic_s,
            self.acknowledged, "; ".join(faults), self._site,
        )  # fmt: skip

    def _finish_segment(self) -> None:
        """Acknowledge the segment's last frames and close it."""
        segment = self._segment
        if segment is None:
            return
        try:
            self.flush()
        except DiskFullError as error:
            log.debug("%s; it is being closed", error)
        except OSError:
            self._segment = None
            segment.abandon()
            raise
        self._segment = None
        handle = segment.duplicate_handle()
        try:
            segment.close()
            os.fsync(handle)
        finally:
            os.close(handle)
        self._in_earlier += segment.count

    def _segment_for(self, run: FrameRun) -> Segment:
        segment = self._segment
        mixed = False
        if segment is not None:
            mixed = not segment.takes(run.encoding)
            if not mixed and segment.payload_bytes < self._settings.segment_bytes:
                return segment
            mixed = mixed or segment.mixed
            self._finish_segment()
        path = self.part / layout.segment_name(self._n_segments)
        self._segment = Segment(path, self._n_segments, self.start, run.encoding, mixed)
        self._n_segments += 1
        self._sync.turn_to(self._segment.duplicate_handle())
        return self._segment

    def _check_space(self, folder: Path) -> None:
        free = os.statvfs(folder)
        free_bytes = free.f_bavail * free.f_frsize
        if free_bytes < self._settings.keep_free_bytes:
            raise DiskFullError(f"only {free_bytes >> 20} MiB are free in {folder}: recording keeps a reserve")


def _new_folder(folder: Path, name: str) -> Path:
    """`folder/name.part`, numbered when that name is taken: nothing is ever overwritten."""
    if name.endswith(layout.PART_SUFFIX):
        name += "_"  # or its folder would never look complete
    number, stem = 1, name
    while True:
        part = folder / f"{stem}{layout.PART_SUFFIX}"
        if not (folder / stem).exists():
            try:
                part.mkdir()
            except FileExistsError:
                pass
            else:
                return part
        number += 1
        stem = f"{name}-{number}"
