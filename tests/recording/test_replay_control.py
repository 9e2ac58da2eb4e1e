"""A replay under the hands of who holds the key, and of who does not."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.messages import Calibration, Frame, Message, ScanEnd, ScanStart
from stream_rrvae.recording.frame_file import FrameFile, open_frames
from stream_rrvae.recording.replay import Replay, start_again
from stream_rrvae.recording.replay_clock import ReplayClock
from stream_rrvae.recording.replay_control import ReplayControl, control_key
from stream_rrvae.recording.replay_messages import messages_of
from stream_rrvae.recording.replay_outlet import ReplayOutlet
from stream_rrvae.recording.replay_pace import due_times_s
from stream_rrvae.wire.registry import protocol

KEY = "a key of many letters"
N_FRAMES = 20
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[FrameFile]:
    np.save(tmp_path / "frames.npy", np.ones((4, 5, 6, 7), np.uint8))
    with open_frames(str(tmp_path / "frames.npy")) as frames:
        yield frames


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(1.0, N_FRAMES)


@pytest.fixture
def ask(clock: ReplayClock) -> Iterator[Ask]:
    """Sends a request, or bytes as they are, and gives the answer."""
    control = ReplayControl("tcp://127.0.0.1:*", KEY, clock)
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(control.address)

        def request(do: str = "status", key: Any = KEY, raw: bytes | None = None, **value: Any) -> dict[str, Any]:
            socket.send(json.dumps({"key": key, "do": do, **value}).encode() if raw is None else raw)
            assert socket.poll(10_000)
            answer: dict[str, Any] = json.loads(socket.recv())
            return answer

        yield request
        control.close()


@pytest.fixture
def messages(file: FrameFile, clock: ReplayClock) -> Iterator[Iterator[Message]]:
    """What a receiver gets of the file, a frame of which is due every hundred seconds."""
    outlet = ReplayOutlet("tcp://127.0.0.1:*")
    scan = messages_of("native", start_again(file, Calibration(), 1))
    sender = threading.Thread(target=Replay(file, outlet, scan, due_times_s(file, 0.01), clock).run)

    def received(socket: zmq.Socket[bytes]) -> Iterator[Message]:
        sender.start()  # not before somebody looks: a test may pause it first
        decoder = protocol("native", None, 1 << 20)
        while socket.poll(10_000):
            yield from decoder.decode([memoryview(part.buffer) for part in socket.recv_multipart(copy=False)])

    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.connect(outlet.address)
        yield received(socket)
        outlet.stop()
        clock.stop()
        sender.join()
        outlet.close()


def test_paused_it_waits_and_set_going_it_sends_all(clock: ReplayClock, ask: Ask, messages: Iterator[Message]) -> None:
    assert ask("pause") == {"speed": 1.0, "paused": True, "frame": 0, "frames": N_FRAMES}
    assert isinstance(next(messages), ScanStart)
    assert ask("speed", value=0)["speed"] is None
    assert ask()["frame"] == 0
    assert ask("play")["paused"] is False
    got = [next(messages) for _ in range(N_FRAMES + 1)]
    assert [m.number for m in got if isinstance(m, Frame)] == list(range(N_FRAMES))
    assert isinstance(got[-1], ScanEnd)
    assert ask()["frame"] == N_FRAMES


def test_going_on_elsewhere_ends_the_scan_first(clock: ReplayClock, ask: Ask, messages: Iterator[Message]) -> None:
    assert [type(next(messages)) for _ in range(2)] == [ScanStart, Frame]
    assert "error" not in ask("seek", value=15)
    assert isinstance(next(messages), ScanEnd)
    assert (clock.take_sought(), clock.take_sought()) == (15, None)


@pytest.mark.parametrize(
    "request_",
    [
        {"key": "another"}, {"key": ""}, {"key": None}, {"key": ["a"]}, {"key": "\ud800"}, {"do": "stop"},
        {"do": "speed", "value": -1}, {"do": "speed", "value": float("nan")}, {"do": "speed"},
        {"do": "seek", "value": N_FRAMES}, {"do": "seek", "value": -1}, {"do": "seek", "value": float("inf")},
        {"raw": b""}, {"raw": b"\xff"}, {"raw": b"[1]"}, {"raw": b"[" * 1000},
    ],
)  # fmt: skip
def test_what_is_not_allowed_or_understood_changes_nothing(
    clock: ReplayClock, ask: Ask, request_: dict[str, Any]
) -> None:
    assert set(ask(**{"do": "pause", **request_})) == {"error"}
    assert ask() == {"speed": 1.0, "paused": False, "frame": 0, "frames": N_FRAMES}
    assert clock.take_sought() is None


def test_the_key_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "replay.key"
    key = control_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert control_key(path) == key and len(key) >= 32
    path.chmod(0o640)
    with pytest.raises(SecurityError, match="chmod 600"):
        control_key(path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(SecurityError, match="too short"):
        control_key(path)
    with pytest.raises(ConfigError, match="key file"):
        control_key(tmp_path / "nowhere" / "replay.key")


def test_it_answers_on_this_machine_only(clock: ReplayClock) -> None:
    with pytest.raises(SecurityError):
        ReplayControl("tcp://0.0.0.0:*", KEY, clock)
