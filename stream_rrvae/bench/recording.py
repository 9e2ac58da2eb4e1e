"""How fast frames are recorded: the recorder beside plain `write()` of the same bytes to the same disk, in turn."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from stream_rrvae.bench.rows import Row
from stream_rrvae.config import RecordingSettings
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.messages import Encoding, ReceivedFrames, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.recorder import Recorder

BATCH_FRAMES = 2048
TARGET = 0.8  # of plain write()


@dataclass(frozen=True, slots=True)
class Case:
    """So many frames of so many bytes; `synced` = until the disk itself has them."""

    name: str
    frame_bytes: int
    frames: int
    synced: bool


CASES = (
    Case("4 kB a frame", 4000, 131_072, synced=False),
    Case("32 KiB a frame", 32 << 10, 16_384, synced=False),
    Case("4 kB a frame, synced", 4000, 131_072, synced=True),
)


class Payloads:
    """A batch of frames of sizes as different as compressed ones are, given again and again."""

    def __init__(self, case: Case) -> None:
        self.case = case
        rng = np.random.default_rng(0)
        self.content = rng.integers(0, 256, (BATCH_FRAMES, case.frame_bytes), np.uint8)
        self.sizes = rng.integers(case.frame_bytes * 9 // 10, case.frame_bytes + 1, BATCH_FRAMES)

    def received(self, begin: int) -> ReceivedFrames:
        """A batch of frames from this number on, as the receiver gives them."""
        count = min(BATCH_FRAMES, self.case.frames - begin)
        at = self.content.ctypes.data + np.arange(count, dtype=np.uint64) * np.uint64(self.case.frame_bytes)
        return ReceivedFrames(
            addresses=at,
            sizes=self.sizes[:count],
            numbers=np.arange(begin, begin + count),
            received_s=np.full(count, time.monotonic()),
            encoding=Encoding.BSLZ4,
            size_bytes=int(self.sizes[:count].sum()),
            release=lambda: None,
        )


def recording_rows(folder: Path, rounds: int, cases: tuple[Case, ...] = CASES) -> list[Row]:
    """Both in turn, `rounds` times; medians. Raises StreamRrvaeError when the disk does not take it."""
    rows = []
    for case in cases:
        payloads = Payloads(case)
        plain_fps, recorded_fps = [], []
        for _ in range(rounds):
            plain_fps.append(_rate(write_plainly, payloads, folder))
            recorded_fps.append(_rate(record, payloads, folder))
        ours, plain = median(recorded_fps), median(plain_fps)
        spread = (min(recorded_fps), max(recorded_fps))
        rows.append(Row(f"recording {case.name}", ours, "frames/s", "plain write()", plain, TARGET * plain, spread))
    return rows


def _rate(work: Callable[[Path, Payloads], float], payloads: Payloads, folder: Path) -> float:
    place = folder / "turn"
    place.mkdir()
    try:
        return payloads.case.frames / work(place, payloads)
    finally:
        shutil.rmtree(place)


def write_plainly(folder: Path, payloads: Payloads) -> float:
    """Seconds for one `write()` a frame into one file."""
    case = payloads.case
    contents = [memoryview(frame[:size]) for frame, size in zip(payloads.content, payloads.sizes, strict=True)]
    handle = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    begun_s = time.perf_counter()
    for begin in range(0, case.frames, BATCH_FRAMES):
        for content in contents[: case.frames - begin]:
            os.write(handle, content)
    if case.synced:
        os.fsync(handle)
    taken_s = time.perf_counter() - begun_s
    os.close(handle)
    return taken_s


def record(folder: Path, payloads: Payloads) -> float:
    """Seconds from the announcement until every frame is acknowledged; `synced`: and the recording complete.

    The scan is closed behind its last frame: else that would wait for the next flush, which comes by the clock.
    """
    case = payloads.case
    start = ScanStart("bench", 1, (64, 64), "uint8", case.frames, (case.frames, 1))
    settings = RecordingSettings(fsync_s=1.0 if case.synced else 0.0, keep_free_bytes=0)
    recorder = Recorder(folder, settings, new_metrics())
    recorder.start()
    begun_s = time.perf_counter()
    recorder.opened(start, (case.frames, 1))
    for begin in range(0, case.frames, BATCH_FRAMES):
        recorder.frames(payloads.received(begin))
    recorder.closed(ScanState.COMPLETE)
    if case.synced:
        recorder.complete(start, start.calibration)
    else:
        while recorder.acknowledged < case.frames and not recorder.fault:
            time.sleep(0.0005)
    taken_s = time.perf_counter() - begun_s
    recorder.stop()
    if recorder.fault:
        raise StreamRrvaeError(recorder.fault)
    return taken_s
