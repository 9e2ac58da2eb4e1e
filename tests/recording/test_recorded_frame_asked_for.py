"""One frame of a recording is to be had while it runs, when it is closed and when it is finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.config import RecordingSettings
from stream_rrvae.messages import Encoding, ReceivedFrames, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.wire.pixels import decode_pixels, encode_bslz4, encode_raw

START = ScanStart("scan-1", 1, (20, 24), "uint16", 36, (6, 6))
AT_ONCE = RecordingSettings(segment_bytes=1 << 12, flush_s=0.01)


@pytest.fixture
def frames() -> NDArray[np.uint16]:
    return np.random.default_rng(2).poisson(9, (36, 20, 24)).astype(np.uint16)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path, AT_ONCE, new_metrics())
    recorder.start()
    yield recorder
    recorder.stop()


def give(recorder: Recorder, frames: NDArray[np.uint16], numbers: Sequence[int], encoding: Encoding) -> None:
    pack = encode_raw if encoding is Encoding.NONE else encode_bslz4
    payloads = [np.frombuffer(pack(frames[n]), np.uint8) for n in numbers]
    recorder.frames(
        ReceivedFrames(
            np.array([payload.ctypes.data for payload in payloads], np.uint64),
            np.array([payload.size for payload in payloads], np.int64),
            np.array(numbers, np.int64),
            np.full(len(numbers), monotonic()),
            encoding,
            sum(payload.size for payload in payloads),
            payloads.clear,
        )
    )


def wait_for(recorder: Recorder, acknowledged: int) -> None:
    while recorder.acknowledged < acknowledged:
        assert not recorder.fault
        sleep(0.005)  # of what it acknowledges it tells nobody


def check(recorder: Recorder, frames: NDArray[np.uint16], there: Sequence[int]) -> None:
    for number in range(36):
        frame = recorder.recorded(START, number)
        assert (frame is not None) == (number in there)
        if frame is not None:
            np.testing.assert_array_equal(decode_pixels(frame), frames[number])


def test_a_frame_is_found_in_any_segment_and_packing(recorder: Recorder, frames: NDArray[np.uint16]) -> None:
    assert recorder.recorded(START, 0) is None
    recorder.opened(START, (6, 6))
    order = [3, 1, 0, 7, 20, 35]
    give(recorder, frames, order, Encoding.BSLZ4)
    wait_for(recorder, 6)
    check(recorder, frames, order)
    give(recorder, frames, range(8, 20), Encoding.BSLZ4)
    give(recorder, frames, [21, 22], Encoding.NONE)
    give(recorder, frames, [23], Encoding.BSLZ4)
    there = [*order, *range(8, 20), 21, 22, 23]
    wait_for(recorder, len(there))
    check(recorder, frames, there)
    recorder.closed(ScanState.COMPLETE)
    folder = recorder.complete(START, START.calibration)
    assert folder is not None and len(list(folder.glob("segment-*.h5"))) == 2
    check(recorder, frames, there)


def test_of_copies_the_first_is_given_and_of_other_scans_none(recorder: Recorder, frames: NDArray[np.uint16]) -> None:
    recorder.opened(START, (6, 6))
    give(recorder, frames, [4], Encoding.NONE)
    give(recorder, frames[::-1], [4], Encoding.NONE)
    wait_for(recorder, 2)
    check(recorder, frames, [4])
    assert recorder.recorded(ScanStart("scan-1", 2, (20, 24), "uint16", 36, (6, 6)), 4) is None
    assert recorder.recorded(START, 36) is None
    recorder.closed(ScanState.COMPLETE)
