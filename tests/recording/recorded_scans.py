"""Frames given to a recorder as the receiver gives them; also run as a script, to be killed."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.calibration.override import NOTHING_SAID
from stream_rrvae.config import CalibrationSettings, RecordingSettings
from stream_rrvae.messages import Calibration, Encoding, ReceivedFrames, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.wire.pixels import encode_bslz4, encode_lz4, encode_raw

ENCODERS: dict[Encoding, Callable[[NDArray[Any]], bytes]] = {
    Encoding.BSLZ4: encode_bslz4,
    Encoding.LZ4: encode_lz4,
    Encoding.NONE: encode_raw,
}
SCAN_SHAPE, FRAME_SHAPE = (5, 6), (20, 24)
CALIBRATION = Calibration(mrad_per_px=2.0, beam_center_px=(9.0, 11.0), scan_step_nm=(0.1, 0.2))


def make_frames(n: int = 30, pixel_type: str = "uint16", seed: int = 0) -> NDArray[Any]:
    """Poisson frames [n, ky, kx], all different."""
    return np.random.default_rng(seed).poisson(3.0, (n, *FRAME_SHAPE)).astype(pixel_type)


def make_start(frames: NDArray[Any], scan_id: str = "scan", scan_shape: tuple[int, int] = SCAN_SHAPE) -> ScanStart:
    mask = np.ones(FRAME_SHAPE, np.bool_)
    mask[3, 4] = False
    n = scan_shape[0] * scan_shape[1]
    return ScanStart(
        scan_id, 7, FRAME_SHAPE, frames.dtype.name, n, scan_shape, calibration=CALIBRATION, pixel_mask=mask,
        metadata={"specimen": "graphene", "raw": b"\x00\xff"},
    )  # fmt: skip


@dataclass
class Giver:
    """Gives frames to a recorder; `let_go` counts what it released."""

    recorder: Recorder
    frames: NDArray[Any]
    let_go: int = 0
    given: list[tuple[int, float]] = field(default_factory=list)  # number and time of every frame

    def give(
        self, numbers: Sequence[int], encoding: Encoding = Encoding.BSLZ4, payloads: Sequence[bytes] | None = None
    ) -> None:
        """Frames of these numbers, or these bytes for them, in one batch."""
        if payloads is None:
            payloads = [ENCODERS[encoding](self.frames[number % len(self.frames)]) for number in numbers]
        kept = [np.frombuffer(payload, np.uint8) for payload in payloads]
        now_s = monotonic()
        self.given += [(number, now_s) for number in numbers]

        def release() -> None:
            self.let_go += len(kept)
            kept.clear()

        self.recorder.frames(
            ReceivedFrames(
                np.array([content.ctypes.data for content in kept], np.uint64),
                np.array([content.size for content in kept], np.int64),
                np.array(numbers, np.int64),
                np.full(len(kept), now_s),
                encoding,
                sum(content.size for content in kept),
                release,
            )
        )

    def wait_for(self, acknowledged: int) -> None:
        """Until so many frames are acknowledged; its flushes happen as time passes."""
        while self.recorder.acknowledged < acknowledged and not self.recorder.fault:
            time.sleep(0.001)


def record(
    folder: Path,
    give: Callable[[Giver], object],
    frames: NDArray[Any],
    start: ScanStart | None = None,
    site: CalibrationSettings = NOTHING_SAID,
    **settings: Any,
) -> Recorder:
    """One scan recorded to its end; the recorder has stopped."""
    recording = RecordingSettings(**{"keep_free_bytes": 0, **settings})
    recorder = Recorder(folder, recording, new_metrics(), lambda _start: site)
    recorder.start()
    announced = start or make_start(frames)
    recorder.opened(announced, announced.scan_shape or SCAN_SHAPE)
    give(Giver(recorder, frames))
    recorder.closed(ScanState.COMPLETE)
    recorder.complete(announced, CALIBRATION)
    recorder.stop()
    return recorder


def _record_for_ever(folder: Path, scan_id: str, segment_bytes: int) -> None:
    frames = make_frames(64)
    payloads = [encode_bslz4(frame) for frame in frames]
    start = make_start(frames, scan_id, (1000, 1000))
    settings = RecordingSettings(keep_free_bytes=0, segment_bytes=segment_bytes, flush_s=0.05)
    recorder = Recorder(folder, settings, new_metrics())
    recorder.start()
    recorder.opened(start, (1000, 1000))
    giver, rng, number = Giver(recorder, frames), random.Random(scan_id), 0
    while True:
        count = rng.randint(1, 60)
        numbers = [(number + i) % 1_000_000 for i in range(count)]
        giver.give(numbers, payloads=[payloads[i % 64] for i in numbers])
        giver.given.clear()
        number += count
        time.sleep(rng.random() * 0.004)


def main() -> None:
    """FOLDER KILLS SEED: record and be killed at a random moment, again and again."""
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    for kill in range(kills):
        child = os.fork()
        if child == 0:
            _record_for_ever(folder, f"kill-{kill:03d}", rng.choice((400_000, 1 << 30)))
        journal = folder / f"kill-{kill:03d}.part" / "journal.jsonl"
        # At the beginning too, but not before there is anything.
        while not journal.exists():
            time.sleep(0.001)
        time.sleep(rng.random() ** 2 * 0.4)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
