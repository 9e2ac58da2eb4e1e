"""While a scan is sent nothing is looked through for garbage; between scans it is."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import zmq

from detector_sim.detector import detector_model
from detector_sim.outlets import Outlets
from detector_sim.pacing import Pacer
from detector_sim.pool import FramePool
from detector_sim.send_dectris_v2 import DectrisV2Format
from detector_sim.sending import ScanSender
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from detector_sim.without_pauses import without_pauses
from stream_rrvae.scan_path import ScanPath

SCANS, SHAPE = 3, (40, 40)
PATIENCE_MS = 20_000


@contextmanager
def peer(endpoint: str, messages: int) -> Iterator[None]:
    """Somebody who takes so many messages."""

    def take() -> None:
        with zmq.Context() as context, context.socket(zmq.PULL) as socket:
            socket.rcvtimeo = PATIENCE_MS
            socket.connect(endpoint)
            for _ in range(messages):
                socket.recv()

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        thread.join()


class Tangle:
    """Refers to itself: only a collection takes it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collections() -> Iterator[list[int]]:
    """The generation of each collection from here on."""
    begun: list[int] = []

    def note(phase: str, told: dict[str, int]) -> None:
        if phase == "start":
            begun.append(told["generation"])

    gc.callbacks.append(note)
    yield begun
    gc.callbacks.remove(note)


def test_what_is_left_is_collected_at_the_end_and_not_before(collections: list[int]) -> None:
    with without_pauses():
        tangle = weakref.ref(Tangle())
        many = [[number] for number in range(10 * gc.get_threshold()[0])]
        assert not collections and tangle() is not None
    assert collections == [0] and tangle() is None
    assert gc.isenabled() and many


def test_who_had_it_switched_off_keeps_it_so() -> None:
    gc.disable()
    try:
        with without_pauses():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("endless", [False, True])
def test_a_scan_is_sent_without_a_collection(endless: bool, collections: list[int]) -> None:
    path = ScanPath(endless=endless)
    scene = SimulationSettings(detector=detector_model("8x8:uint16"), scan_shape=SHAPE, path=path)
    simulation = Simulation(scene)
    pool = FramePool(simulation, 1 << 24)
    sender = ScanSender(simulation, pool, DectrisV2Format(), Pacer(None))
    messages = SCANS * (SHAPE[0] * SHAPE[1]) + 2 * (1 if endless else SCANS)
    with Outlets(["tcp://127.0.0.1:*"], "push", 1152) as outlets, peer(outlets.endpoints[0], messages):
        collections.clear()
        sender.run(outlets, SCANS)
        assert collections.count(0) <= 2 * SCANS  # one behind each, and what comes between them
