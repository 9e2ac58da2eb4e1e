"""A computed scan that is sent several times beside itself, and when its frames were sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from detector_sim.detector import detector_model
from detector_sim.pool import FramePool
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.messages import Frame, ScanEnd, ScanStart
from stream_rrvae.wire.registry import protocol

SMALL = ("--detector", "24x24:uint16", "--scan-shape", "3x4")


def test_every_copy_has_the_frames_and_the_truth_of_the_first() -> None:
    simulation = Simulation(
        SimulationSettings(detector=detector_model("16x16:uint8"), scan_shape=(3, 4), repeat=(2, 3))
    )
    assert simulation.start(1, "a").scan_shape == (6, 12)
    assert simulation.start(1, "a").frames_expected == 72
    frames = list(FramePool(simulation, 1 << 20).frames())
    assert [frame.number for frame in frames] == list(range(72))
    payloads = np.array([hash(frame.payload) for frame in frames]).reshape(6, 12)
    assert len(np.unique(payloads)) == 12
    np.testing.assert_array_equal(payloads, np.tile(payloads[:3, :4], (2, 3)))
    com = simulation.truth().com_mrad
    np.testing.assert_array_equal(com, np.tile(com[:3, :4], (2, 3, 1)))


def test_the_times_of_sending_are_written(tmp_path: Path, start_simulator: Callable[..., Any]) -> None:
    path = tmp_path / "sent.npy"
    simulator = start_simulator("--repeat", "2x2", "--sent-times", str(path), "--scans", "1", "--rate", "2000", *SMALL)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    before_s = time.monotonic()
    with context, context.socket(zmq.PULL) as socket:
        socket.rcvtimeo = 60_000
        socket.connect(simulator.endpoint())
        receiver, found = protocol("native"), list[Any]()
        while not found or not isinstance(found[-1], ScanEnd):
            found += receiver.decode([memoryview(part) for part in socket.recv_multipart()])
    assert simulator.ended() == (0, "")
    assert isinstance(found[0], ScanStart) and found[0].scan_shape == (6, 8)
    assert sum(isinstance(message, Frame) for message in found) == 48
    sent_s = np.load(path)
    assert sent_s.shape == (48,)
    assert (np.diff(sent_s) >= 0).all()
    assert before_s <= sent_s[0] <= sent_s[-1] <= time.monotonic()


def test_times_and_faults_do_not_go_together(tmp_path: Path, start_simulator: Callable[..., Any]) -> None:
    status, error = start_simulator("--sent-times", str(tmp_path / "a"), "--fault", "drop=0.1", *SMALL).ended()
    assert status == 2
    assert "--fault" in error
