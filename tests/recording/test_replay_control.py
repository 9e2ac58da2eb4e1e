"""A replay under the hands of who holds the key, and of who does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from stream_rrvae.calibration.override import NOTHING_SAID
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.asker import Asker
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.messages import Frame, Message, ScanEnd, ScanStart
from stream_rrvae.recording.frame_file import FrameFile, open_frames
from stream_rrvae.recording.replay import Replay, start_again
from stream_rrvae.recording.replay_clock import ReplayClock
from stream_rrvae.recording.replay_control import replay_answers
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
    """Sends a request and gives the answer."""
    server = RequestServer("tcp://127.0.0.1:*", KEY, replay_answers(clock))
    server.start()
    asker = Asker(server.url, KEY)

    def request(do: str = "status", **value: Any) -> dict[str, Any]:
        return asker.ask(do, value).result()

    yield request
    asker.close()
    server.stop()


@pytest.fixture
def messages(file: FrameFile, clock: ReplayClock) -> Iterator[Iterator[Message]]:
    """What a receiver gets of the file, a frame of which is due every hundred seconds."""
    outlet = ReplayOutlet("tcp://127.0.0.1:*")
    scan = messages_of("native", start_again(file, NOTHING_SAID, 1))
    sender = threading.Thread(target=Replay(file, outlet, scan, due_times_s(file, 0.01), clock).run, daemon=True)

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
    assert ask("seek", value=15)["frames"] == N_FRAMES
    assert isinstance(next(messages), ScanEnd)
    assert (clock.take_sought(), clock.take_sought()) == (15, None)


@pytest.mark.parametrize(
    ("do", "value"),
    [
        ("stop", None), ("speed", -1), ("speed", float("nan")), ("speed", None), ("speed", "2"), ("speed", 10**400),
        ("seek", N_FRAMES), ("seek", -1), ("seek", float("inf")), ("seek", 1.5), ("seek", None),
    ],
)  # fmt: skip
def test_what_is_not_allowed_or_understood_changes_nothing(clock: ReplayClock, ask: Ask, do: str, value: Any) -> None:
    with pytest.raises(RequestError):
        ask(do, value=value)
    assert ask() == {"speed": 1.0, "paused": False, "frame": 0, "frames": N_FRAMES}
    assert clock.take_sought() is None
