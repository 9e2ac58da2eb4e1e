from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zmq
from numpy.typing import NDArray

from stream_rrvae.calibration.override import NOTHING_SAID
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.messages import Frame, Message, ScanEnd, ScanStart
from stream_rrvae.recording.frame_file import FrameFile, open_frames
from stream_rrvae.recording.replay import Replay, start_again
from stream_rrvae.recording.replay_clock import ReplayClock
from stream_rrvae.recording.replay_messages import messages_of
from stream_rrvae.recording.replay_outlet import ReplayOutlet, protocol_and_address
from stream_rrvae.recording.replay_pace import due_times_s, message_ends, speed_of
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.registry import protocol

GIVEN = CalibrationSettings(mrad_per_px=1.5)


@pytest.fixture
def data() -> NDArray[np.uint16]:
    return np.random.default_rng(1).integers(0, 999, (6, 7, 9, 8), np.uint16)


@pytest.fixture
def file(tmp_path: Path, data: NDArray[np.uint16]) -> Iterator[FrameFile]:
    np.save(tmp_path / "frames.npy", data)
    with open_frames(str(tmp_path / "frames.npy")) as frames:
        yield frames


@contextmanager
def replaying(frames: FrameFile, name: str = "native", speed: str = "1") -> Iterator[tuple[Replay, ReplayOutlet]]:
    outlet = ReplayOutlet("tcp://127.0.0.1:*")
    messages, clock = messages_of(name, start_again(frames, GIVEN, 7)), ReplayClock(speed_of(speed), frames.n_arrivals)
    replay = Replay(frames, outlet, messages, due_times_s(frames, None), clock)
    sender = threading.Thread(target=replay.run, daemon=True)
    sender.start()
    try:
        yield replay, outlet
    finally:
        outlet.stop()
        clock.stop()
        sender.join()
        outlet.close()


def received(address: str, name: str) -> list[Message]:
    messages: list[Message] = []
    decoder = protocol(name, None, 1 << 20)
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.connect(address)
        while not any(isinstance(message, ScanEnd) for message in messages):
            assert socket.poll(10_000)
            parts = [memoryview(part.buffer) for part in socket.recv_multipart(copy=False)]
            messages.extend(decoder.decode(parts))
    return messages


@pytest.mark.parametrize("name", ["native", "dectris-v2"])
@pytest.mark.parametrize("speed", ["max", "100"])
def test_a_receiver_gets_every_frame_as_stored(
    file: FrameFile, data: NDArray[np.uint16], name: str, speed: str
) -> None:
    with replaying(file, name, speed) as (replay, outlet):
        messages = received(outlet.address, name)
    start = messages[0]
    assert isinstance(start, ScanStart)
    assert (start.scan_shape, start.frames_expected, start.calibration.mrad_per_px) == ((6, 7), 42, 1.5)
    assert start.metadata["replayed_from"] == "frames.npy"
    found = [(m.number, decode_pixels(m)) for m in messages if isinstance(m, Frame)]
    assert [number for number, _ in found] == list(range(42))
    np.testing.assert_array_equal([pixels for _, pixels in found], data.reshape(42, 9, 8))
    assert replay.sent == 42


def test_without_a_receiver_it_waits_and_can_be_stopped(file: FrameFile) -> None:
    with replaying(file) as (replay, outlet):
        outlet.stop()
    assert replay.sent == 0


def test_every_replay_is_a_scan_of_its_own(file: FrameFile) -> None:
    first, second = (start_again(file, NOTHING_SAID, series) for series in (1, 2))
    assert first.scan_id != second.scan_id and first.scan_id.startswith("frames-replay-")
    assert second.series == 2


def test_frames_come_when_they_came(file: FrameFile) -> None:
    np.testing.assert_allclose(np.diff(due_times_s(file, None)), 1e-3)
    np.testing.assert_allclose(np.diff(due_times_s(file, 50.0)), 2e-2)
    due_s = np.array([0.0, 0.004, 0.009, 0.011, 0.019, 0.5])
    assert message_ends(due_s, 1.0).tolist() == [3, 5]
    assert message_ends(due_s, 2.0).tolist() == [5]
    assert message_ends(due_s, np.inf).size == 0
    assert (speed_of("max"), speed_of("0.5")) == (np.inf, 0.5)
    for speed in ("0", "-1", "fast", "nan", "inf"):
        with pytest.raises(ConfigError, match="--speed"):
            speed_of(speed)


def test_only_addresses_of_this_machine_are_bound_unasked() -> None:
    assert protocol_and_address("native+pull://127.0.0.1:5555") == ("native", "tcp://127.0.0.1:5555")
    assert protocol_and_address("dectris-v2://127.0.0.1:1") == ("dectris-v2", "tcp://127.0.0.1:1")
    with pytest.raises(SecurityError):
        protocol_and_address("native+pull://0.0.0.0:5555")
    for url in ("dectris-v1://127.0.0.1:1", "native+pull://"):
        with pytest.raises(ConfigError, match=r"native\+pull"):
            protocol_and_address(url)


def test_an_address_that_is_taken_is_told(file: FrameFile) -> None:
    outlet = ReplayOutlet("tcp://127.0.0.1:*")
    with pytest.raises(ConfigError, match="cannot bind"):
        ReplayOutlet(outlet.address)
    outlet.close()
