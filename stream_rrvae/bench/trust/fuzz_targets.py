"""What is fuzzed: bytes of anybody go in, and nothing but the errors that are meant for them may come out.

An input is one message after the announcement of a scan: its parts, each behind two bytes of length (little-endian),
the last one to the end. Of the feed the parts are whole messages, of files it is the file.
"""

from __future__ import annotations

import os
import signal
import struct
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from detector_sim.encoding import encode_frame
from detector_sim.launch import FORMATS
from stream_rrvae.bench.trust.feed_target import feed_messages, feed_target
from stream_rrvae.config import RecordingSettings
from stream_rrvae.errors import FileFormatError, StreamRrvaeError, WireError
from stream_rrvae.messages import Calibration, Encoding, Frame, ReceivedFrames, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording import layout
from stream_rrvae.recording.journal import read_journal
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.recording.salvage import Mark, salvage
from stream_rrvae.recording.start_json import start_from_json
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.registry import protocol

LIMIT_BYTES = 1 << 20  # of a frame, so that what is more is a bomb
FRAME_SHAPE, N_FRAMES = (16, 12), 6
MOST_PARTS = 10
_LENGTH = struct.Struct("<H")

Target = Callable[[bytes], object]


def joined(parts: Sequence[bytes]) -> bytes:
    """A message as an input."""
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts[:-1]) + _LENGTH.pack(0xFFFF) + parts[-1]


def split(data: bytes) -> list[memoryview]:
    """An input as a message; any bytes are one."""
    parts: list[memoryview] = []
    view = memoryview(data)
    while len(view) >= _LENGTH.size and len(parts) < MOST_PARTS:
        (length,) = _LENGTH.unpack_from(view)
        parts.append(view[_LENGTH.size : _LENGTH.size + length] if length < 0xFFFF else view[_LENGTH.size :])
        view = view[_LENGTH.size + length :] if length < 0xFFFF else view[:0]
    return parts or [view]


def announced() -> ScanStart:
    """The scan that inputs belong to."""
    mask = np.ones(FRAME_SHAPE, np.bool_)
    mask[2, 3] = False
    known = Calibration(mrad_per_px=1.5, beam_center_px=(7.5, 5.5), disc_radius_px=4.0)
    return ScanStart(
        "fuzz", 7, FRAME_SHAPE, "uint16", N_FRAMES, (2, 3), 65534.0, ("threshold_1",), known, mask, metadata={"a": [1]}
    )


def wire_target(name: str) -> Target:
    """The decoder of a protocol, and of the pixels that it lets through."""
    announcement = FORMATS[name]().start(announced())

    def target(data: bytes) -> None:
        decoder = protocol(name, None, LIMIT_BYTES)
        decoder.decode([memoryview(part) for part in announcement])
        with suppress(WireError):
            for message in decoder.decode(split(data)):
                if isinstance(message, Frame):
                    decode_pixels(message)

    return target


def wire_seeds(name: str) -> list[bytes]:
    """Good messages of every kind and encoding."""
    form, start = FORMATS[name](), announced()
    messages = [form.start(start)]
    for encoding in Encoding:
        pixels = np.arange(FRAME_SHAPE[0] * FRAME_SHAPE[1], dtype=np.uint16).reshape(FRAME_SHAPE)
        messages.append(form.frames([encode_frame(3, pixels, encoding)]))
    return [joined(parts) for parts in (*messages, form.end())]


def journal_target(data: bytes) -> None:
    """What `recover` reads of a journal, and the announcement in it."""
    with tempfile.NamedTemporaryFile(dir=_quick_folder()) as file:
        file.write(data)
        file.flush()
        for line in read_journal(Path(file.name)):
            with suppress(FileFormatError):
                start_from_json(str(line.get("start", "")))


class SegmentTarget:
    """`salvage` of a damaged segment, in a process of its own as `recover` has it; the scan's own journal vouches.

    HDF5 is a C parser: what kills that process is contained, and counted in `died`. A Python error that is not meant
    to come out of it, or a hang, is a failure.
    """

    PATIENCE_S = 20

    def __init__(self, marks: Sequence[Mark]) -> None:
        self._marks = marks
        self.died = 0

    def __call__(self, data: bytes) -> None:
        """Raises AssertionError when `salvage` failed in a way that it may not."""
        with tempfile.TemporaryDirectory(dir=_quick_folder()) as folder:
            source = Path(folder) / "segment-0000.h5"
            source.write_bytes(data)
            child = os.fork()
            if child == 0:
                self._in_child(source)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status != -signal.SIGALRM, f"it did not end within {self.PATIENCE_S} s"
        assert status <= 0, "it failed with an error that is not meant for files"
        self.died += status < 0

    def _in_child(self, source: Path) -> None:
        status = 1
        try:
            signal.alarm(self.PATIENCE_S)
            with suppress(FileFormatError, OSError, MemoryError):
                salvage(source, source.with_name("new.h5"), self._marks)
            status = 0
        finally:
            os._exit(status)


def recorded() -> tuple[bytes, bytes]:
    """A segment that its writer did not close, and its journal."""
    start = announced()
    rng = np.random.default_rng(0)
    payloads = [
        encode_frame(n, rng.poisson(3.0, FRAME_SHAPE).astype("uint16"), Encoding.BSLZ4) for n in range(N_FRAMES)
    ]
    kept = [np.frombuffer(frame.payload, np.uint8) for frame in payloads]
    with tempfile.TemporaryDirectory(dir=_quick_folder()) as folder:
        recorder = Recorder(Path(folder), RecordingSettings(keep_free_bytes=0, flush_s=0.01), new_metrics())
        recorder.start()
        try:
            recorder.opened(start, (2, 3))
            recorder.frames(_received(kept))
            while recorder.acknowledged < N_FRAMES:
                if recorder.fault:
                    raise StreamRrvaeError(recorder.fault)
            part = Path(folder) / f"{start.scan_id}{layout.PART_SUFFIX}"
            return (part / "segment-0000.h5").read_bytes(), (part / layout.JOURNAL_NAME).read_bytes()
        finally:
            recorder.closed(ScanState.ABORTED)
            recorder.stop()


def _received(kept: Sequence[np.typing.NDArray[np.uint8]]) -> ReceivedFrames:
    sizes = np.array([content.size for content in kept], np.int64)
    addresses = np.array([content.ctypes.data for content in kept], np.uint64)
    numbers, times_s = np.arange(len(kept)), np.zeros(len(kept))
    return ReceivedFrames(addresses, sizes, numbers, times_s, Encoding.BSLZ4, int(sizes.sum()), lambda: None)


def marks_of(journal: bytes) -> list[Mark]:
    """What a journal promises of its first segment."""
    with tempfile.NamedTemporaryFile(dir=_quick_folder()) as file:
        file.write(journal)
        file.flush()
        lines = read_journal(Path(file.name))
    return [Mark(int(line["frames"]), str(line["checksum"])) for line in lines if line.get("segment") == 0]


def _quick_folder() -> str | None:
    """Memory, where there is some: a file for each input would wear a disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def target_of(name: str) -> tuple[Target, list[bytes]]:
    """What to call and what to begin with, by the name of a protocol, `feed`, `journal` or `segment`."""
    if name in FORMATS:
        return wire_target(name), wire_seeds(name)
    if name == "feed":
        first, *changes, last = feed_messages(announced())
        return feed_target(first, split), [joined(parts) for parts in ([first], changes, [*changes, last], [last])]
    segment, journal = recorded()
    if name == "journal":
        return journal_target, [journal]
    return SegmentTarget(marks_of(journal)), [segment]


TARGETS = (*FORMATS, "feed", "journal", "segment")
