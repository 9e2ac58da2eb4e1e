"""A recorded scan whose disc nobody knows gives the same values to the bit, however fast it is sent again."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.calibration.override import NOTHING_SAID
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.recording.replay import Replay, start_again
from stream_rrvae.recording.replay_clock import ReplayClock
from stream_rrvae.recording.replay_messages import messages_of
from stream_rrvae.recording.replay_outlet import ReplayOutlet
from stream_rrvae.recording.replay_pace import due_times_s
from stream_rrvae.scan_store import ScanStore
from tests.ingest.conftest import Listener, Receive, make_specimen

MAPS = ("coverage", "sum", "com_y", "com_x", "bright_field", "annular_dark_field", "features")
FPS = 50.0  # so that at the lowest speed the frames that are looked at take more than a second
SPEEDS = (0.5, 4.0, math.inf)


@pytest.fixture
def scan_file(tmp_path: Path) -> Path:
    specimen = make_specimen((6, 8))
    np.save(tmp_path / "scan.npy", specimen.frames.reshape(*specimen.scan_shape, *specimen.frame_shape))
    return tmp_path / "scan.npy"


@pytest.mark.parametrize("path", ["compiled, 3 threads"], indirect=True)
def test_what_is_found_does_not_depend_on_the_pace(scan_file: Path, receive: Receive, listener: Listener) -> None:
    with open_frames(str(scan_file)) as frames:
        outlet = ReplayOutlet("tcp://127.0.0.1:*")
        receive(f"native+pull://{outlet.address.removeprefix('tcp://')}")
        for series, speed in enumerate(SPEEDS, 1):
            messages = messages_of("native", start_again(frames, NOTHING_SAID, series))
            clock = ReplayClock(speed, frames.n_arrivals)
            sender = threading.Thread(
                target=Replay(frames, outlet, messages, due_times_s(frames, FPS), clock).run, daemon=True
            )
            sender.start()
            listener.wait_closed(series)
            sender.join()
        outlet.close()
    slow, *others = listener.finished
    assert slow.read_account().counters.processed == 48
    for other in others:
        _require_same(slow, other)


def _require_same(one: ScanStore, other: ScanStore) -> None:
    assert one.start.calibration == other.start.calibration
    for name in MAPS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
