from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import zmq

from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.messages import Calibration, Frame, Message, ScanEnd, ScanStart
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.recording.replay import Replay, bind_address
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.registry import protocol


def test_a_receiver_gets_every_frame_as_stored(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 999, (6, 7, 9, 8), np.uint16)
    np.save(tmp_path / "frames.npy", data)
    messages: list[Message] = []
    decoder = protocol("native", None, 1 << 20)
    with open_frames(str(tmp_path / "frames.npy")) as frames, zmq.Context() as context:
        replay = Replay(frames, "tcp://127.0.0.1:*", None, Calibration(mrad_per_px=1.5))
        sender = threading.Thread(target=replay.run)
        sender.start()
        with context.socket(zmq.PULL) as socket:
            socket.connect(replay.address)
            while not any(isinstance(message, ScanEnd) for message in messages):
                assert socket.poll(10_000)
                parts = [memoryview(part.buffer) for part in socket.recv_multipart(copy=False)]
                messages.extend(decoder.decode(parts))
        sender.join()
    start = messages[0]
    assert isinstance(start, ScanStart)
    assert (start.scan_shape, start.frames_expected, start.calibration.mrad_per_px) == ((6, 7), 42, 1.5)
    received = {m.number: decode_pixels(m) for m in messages if isinstance(m, Frame)}
    assert sorted(received) == list(range(42))
    for number, pixels in received.items():
        np.testing.assert_array_equal(pixels, data.reshape(42, 9, 8)[number])


def test_without_a_receiver_it_waits_and_can_be_stopped(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.ones((2, 2, 4, 4), np.uint8))
    with open_frames(str(tmp_path / "frames.npy")) as frames:
        replay = Replay(frames, "tcp://127.0.0.1:*", 1000.0)
        sender = threading.Thread(target=replay.run)
        sender.start()
        replay.stop()
        sender.join(20)
        assert not sender.is_alive()
        assert replay.sent == 0


def test_only_addresses_of_this_machine_are_bound_unasked() -> None:
    assert bind_address("native+pull://127.0.0.1:5555") == "tcp://127.0.0.1:5555"
    with pytest.raises(SecurityError):
        bind_address("native+pull://0.0.0.0:5555")
    with pytest.raises(ConfigError, match=r"native\+pull"):
        bind_address("dectris-v2://127.0.0.1:1")
