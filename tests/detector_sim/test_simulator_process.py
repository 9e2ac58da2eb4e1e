"""The command as a process: binds, sends, waits for its peer, ends cleanly, says what is wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import zmq

from stream_rrvae.messages import Frame, Message, ScanEnd, ScanStart
from stream_rrvae.wire.registry import protocol

PATIENCE_MS = 60_000
SMALL = ("--detector", "24x24:uint16", "--dose", "300", "--scan-shape", "5x7")


class Simulator(Protocol):
    process: Any

    def endpoint(self) -> str: ...
    def ended(self) -> tuple[int, str]: ...


Start = Callable[..., Simulator]
Receiver = zmq.Socket[bytes]
Connect = Callable[[int, str], Receiver]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connects PULL or SUB sockets with little room, and closes them."""
    context, sockets = zmq.Context(), list[Receiver]()

    def connected(kind: int, endpoint: str) -> Receiver:
        socket = context.socket(kind)
        socket.rcvhwm, socket.rcvtimeo = 1, PATIENCE_MS
        if kind == zmq.SUB:
            socket.rcvhwm = 1000
            socket.subscribe(b"")
        socket.connect(endpoint)
        sockets.append(socket)
        return socket

    yield connected
    for socket in sockets:
        socket.close(linger=0)
    context.term()


def scans(name: str, socket: Receiver, count: int) -> list[Message]:
    """Everything up to the end of scan number `count`."""
    receiver, found = protocol(name, None, 1 << 24), list[Message]()
    while sum(isinstance(message, ScanEnd) for message in found) < count:
        found += receiver.decode([memoryview(part) for part in socket.recv_multipart()])
    return found


@pytest.mark.parametrize("name", ["native", "dectris-v2", "dectris-v1"])
@pytest.mark.parametrize("rate", ["max", "2000"])
def test_sends_whole_scans_in_order(name: str, rate: str, start_simulator: Start, connect: Connect) -> None:
    simulator = start_simulator("--protocol", name, "--scans", "2", "--rate", rate, *SMALL)
    found = scans(name, connect(zmq.PULL, simulator.endpoint()), 2)
    assert [message.number for message in found if isinstance(message, Frame)] == [*range(35), *range(35)]
    starts = [message for message in found if isinstance(message, ScanStart)]
    assert [(start.series, start.scan_shape) for start in starts] == [(1, (5, 7)), (2, (5, 7))]
    assert starts[0].scan_id != starts[1].scan_id
    assert simulator.ended() == (0, "")


@pytest.mark.parametrize("name", ["native", "dectris-v2", "dectris-v1"])
def test_sends_scan_after_scan_in_one_series(name: str, start_simulator: Start, connect: Connect) -> None:
    simulator = start_simulator("--protocol", name, "--scans", "3", "--endless", "--compression", "lz4", *SMALL)
    begin, *frames, _end = scans(name, connect(zmq.PULL, simulator.endpoint()), 1)
    assert isinstance(begin, ScanStart) and begin.path.endless
    assert (begin.frames_expected, begin.scan_shape) == (105, (5, 7))
    found = [frame for frame in frames if isinstance(frame, Frame)]
    assert [frame.number for frame in found] == list(range(105))
    assert [bytes(frame.payload) for frame in found[35:70]] == [bytes(frame.payload) for frame in found[:35]]
    assert simulator.ended() == (0, "")


def test_publisher_waits_for_its_subscriber(start_simulator: Start, connect: Connect) -> None:
    simulator = start_simulator("--socket", "pub", "--scans", "1", *SMALL)
    found = scans("native", connect(zmq.SUB, simulator.endpoint()), 1)
    assert isinstance(found[0], ScanStart)
    assert sum(isinstance(message, Frame) for message in found) == 35
    assert simulator.ended() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("socket", ["push", "pub"])
def test_ends_at_once_while_waiting_for_a_peer(number: int, socket: str, start_simulator: Start) -> None:
    simulator = start_simulator("--socket", socket, *SMALL)
    simulator.endpoint()
    simulator.process.send_signal(number)
    assert simulator.ended() == (0, "")


@pytest.mark.parametrize("rate", ["max", "1"])
def test_ends_at_once_while_its_peer_is_slow_or_it_is_pacing(
    rate: str, start_simulator: Start, connect: Connect
) -> None:
    simulator = start_simulator("--rate", rate, *SMALL)
    connect(zmq.PULL, simulator.endpoint()).recv_multipart()  # it sends; nobody takes the rest
    simulator.process.send_signal(signal.SIGTERM)
    assert simulator.ended() == (0, "")


def test_writes_truth_and_faults(tmp_path: Path, start_simulator: Start, connect: Connect) -> None:
    path = tmp_path / "truth.npz"
    simulator = start_simulator("--fault", "drop=0.3", "--seed", "4", "--scans", "1", "--truth", str(path), *SMALL)
    found = scans("native", connect(zmq.PULL, simulator.endpoint()), 1)
    assert simulator.ended() == (0, "")
    with np.load(path, allow_pickle=False) as truth:
        lost = set(truth["fault_frame"].tolist())
        assert truth["com_mrad"].shape == (5, 7, 2)
        assert np.isfinite(truth["com_mrad"]).all()
    assert {message.number for message in found if isinstance(message, Frame)} == set(range(35)) - lost
    assert lost


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--specimen", "unobtainium"), "graphene-vacancy"),
        (("--detector", "arena"), "arina"),
        (("--scan-shape", "64"), "64x64"),
        (("--dose", "many"), "--dose"),
        (("--rate", "0"), "max"),
        (("--fault", "drop"), "NAME=RATE"),
        (("--fault", "flood=0.1"), "reorder"),
        (("--bind", "tcp://0.0.0.0:*"), "--allow-remote"),
        (("--protocol", "dectris-v2", "--socket", "pub"), "push"),
        (("--protocol", "dectris-v2", "--simplon-port", "0"), "dectris-v1"),
        (("--protocol", "dectris-v1"), "--detector HxW:uint16"),  # the usual detector has floats
        (("--protocol", "dectris-v1", "--detector", "empad"), "--protocol dectris-v2"),
        (("--specimen", "absent.cif"), "absent.cif"),
        (("--endless", "--sent-times", "times.npy"), "--endless"),
        (("--endless", "--deal", "shards"), "--endless"),
    ],
)
def test_wrong_usage_ends_with_status_two_and_a_line_of_advice(
    options: tuple[str, ...], told: str, start_simulator: Start
) -> None:
    status, error = start_simulator(*options).ended()
    assert status == 2
    assert told in error
    assert "Traceback" not in error


def test_a_taken_port_ends_with_status_one(start_simulator: Start) -> None:
    taken = start_simulator(*SMALL).endpoint()
    status, error = start_simulator("--bind", taken, *SMALL).ended()
    assert status == 1
    assert len(error.splitlines()) == 1
    assert "cannot bind" in error
