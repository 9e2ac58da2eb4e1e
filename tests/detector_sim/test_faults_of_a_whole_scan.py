"""Stall, restart and a second consumer happen to the stream itself: looked at from a socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import zmq

from detector_sim.detector import detector_model
from detector_sim.faults import FaultInjector
from detector_sim.outlets import Outlets
from detector_sim.pacing import Pacer
from detector_sim.pool import FramePool
from detector_sim.send_native import NativeFormat
from detector_sim.sending import ScanSender
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.messages import Frame, Message, ScanEnd, ScanStart
from stream_rrvae.wire.registry import protocol

PATIENCE_MS = 20_000
STALL_S = 0.3


@dataclass
class Receiver:
    """Takes whatever comes until the end of series 2."""

    endpoint: str
    messages: list[Message] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.PULL)
        self.socket.connect(self.endpoint)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        decoder = protocol("native")
        while self.socket.poll(PATIENCE_MS):
            self.messages += decoder.decode([memoryview(part) for part in self.socket.recv_multipart()])
            self.times_s.append(time.monotonic())
            if self.messages[-1] == ScanEnd(2, self.scan_id(2)):
                return

    def scan_id(self, series: int) -> str:
        return next((m.scan_id for m in self.messages if isinstance(m, ScanStart) and m.series == series), "?")

    def numbers(self, series: int) -> list[int]:
        return [m.number for m in self.messages if isinstance(m, Frame) and m.series == series]

    def close(self) -> None:
        self.thread.join()
        self.context.destroy(0)


@pytest.fixture
def outlets() -> Iterator[Outlets]:
    made = Outlets(("tcp://127.0.0.1:*",), "push", 1 << 10)
    yield made
    made.__exit__(KeyboardInterrupt, None, None)


def beset(outlets: Outlets, fault: str) -> tuple[Receiver, int]:
    """Two scans of 100 frames, the first with the fault; what came, and the frame after which it happened."""
    simulation = Simulation(SimulationSettings(detector=detector_model("8x8:uint16"), scan_shape=(10, 10)))
    pool, form = FramePool(simulation, 1 << 20), NativeFormat()
    injector = FaultInjector({fault: 1.0}, form, 5)
    receiver = Receiver(outlets.endpoints[0])
    try:
        ScanSender(simulation, pool, form, Pacer(5000.0), injector, stall_s=STALL_S).run(outlets, 1)
        ScanSender(simulation, pool, form, Pacer(None)).run(outlets, 1, first=2)
    finally:
        receiver.close()
    return receiver, injector.injected[0].number


def test_a_stalled_scan_comes_whole_and_late(outlets: Outlets) -> None:
    receiver, after = beset(outlets, "stall")
    assert receiver.numbers(1) == receiver.numbers(2) == list(range(100))
    pauses_s = [later - earlier for earlier, later in zip(receiver.times_s, receiver.times_s[1:], strict=False)]
    longest = max(range(len(pauses_s)), key=pauses_s.__getitem__)
    assert pauses_s[longest] >= STALL_S / 2
    assert longest == after + 1  # the start comes first


def test_a_restarted_detector_leaves_its_scan_unfinished_and_sends_the_next(outlets: Outlets) -> None:
    receiver, after = beset(outlets, "restart")
    assert after < 99
    came = receiver.numbers(1)
    assert came == list(range(len(came)))
    assert len(came) <= after + 1  # what was queued went with it
    assert ScanEnd(1, receiver.scan_id(1)) not in receiver.messages
    assert receiver.numbers(2) == list(range(100))


def test_a_second_consumer_takes_its_share_and_leaves(outlets: Outlets) -> None:
    receiver, after = beset(outlets, "second_consumer")
    came = receiver.numbers(1)
    assert came[: after + 1] == list(range(after + 1))
    shared = came[after + 1 :]
    assert shared == list(range(shared[0], shared[0] + 2 * len(shared), 2))
    assert receiver.numbers(2) == list(range(100))
