"""How fast the simulator sends, against a bare ZeroMQ loop that sends ready bytes of the same sizes in the same run.

By hand: python tests/benchmarks/sender_rate.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from detector_sim.detector import detector_model
from detector_sim.message_format import MessageFormat
from detector_sim.outlets import Outlets
from detector_sim.pacing import Pacer
from detector_sim.pool import FramePool
from detector_sim.send_dectris_v2 import DectrisV2Format
from detector_sim.send_native import NativeFormat
from detector_sim.sending import ScanSender
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation

SETTINGS = SimulationSettings(detector=detector_model("192x192:uint8"), dose_electrons=2000.0, scan_shape=(64, 64))
TARGET_FPS = 200_000
SCANS = 40
REPEATS = 3
# A peer in a process of its own that does nothing with what it takes, until a message of one byte.
BARE_PULL = """
import sys, zmq
socket = zmq.Context().socket(zmq.PULL)
socket.connect(sys.argv[1])
while len(socket.recv(copy=False)) != 1:
    pass
"""


def rate_fps(send: Callable[[Outlets], int], message_bytes: int) -> float:
    """Frames/s that `send` (which returns their number) gets through to a bare PULL, best of `REPEATS`."""
    best = 0.0
    for _ in range(REPEATS):
        with Outlets(["tcp://127.0.0.1:*"], "push", message_bytes) as outlets:
            (outlet,) = outlets.outlets
            peer = subprocess.Popen([sys.executable, "-c", BARE_PULL, outlet.endpoint])
            outlet.send([b"ready"])  # blocks until the peer is there
            begun_s = time.perf_counter()
            frames = send(outlets)
            outlet.send([b"."])
            peer.wait()
            best = max(best, frames / (time.perf_counter() - begun_s))
    return best


def simulator(pool: FramePool, simulation: Simulation, form: MessageFormat) -> Callable[[Outlets], int]:
    """The simulator's own sending loop."""

    def send(outlets: Outlets) -> int:
        sender = ScanSender(simulation, pool, form, Pacer(None))
        sender.run(outlets, SCANS)
        return sender.sent.frames

    return send


def plain(pool: FramePool, largest_batch: int) -> Callable[[Outlets], int]:
    """Ready-made bytes of the same sizes, nothing computed or joined."""
    payloads = [frame.payload for frame in pool.frames()]
    ready = [b"".join(payloads[i : i + largest_batch]) for i in range(0, len(payloads), largest_batch)]

    def send(outlets: Outlets) -> int:
        (outlet,) = outlets.outlets
        for _ in range(SCANS):
            for message in ready:
                outlet.send([message])
        return SCANS * len(payloads)

    return send


def measure() -> list[dict[str, object]]:
    """One row a protocol."""
    simulation = Simulation(SETTINGS)
    pool = FramePool(simulation, 1 << 30)
    pool.fill()
    rows: list[dict[str, object]] = []
    for name, form in (("dectris-v2", DectrisV2Format()), ("native", NativeFormat())):
        message_bytes = 3000 * form.largest_batch
        reference = rate_fps(plain(pool, form.largest_batch), message_bytes)
        value = rate_fps(simulator(pool, simulation, form), message_bytes)
        rows.append({
            "name": f"sender {name}", "value": value, "unit": "frames/s",
            "reference": "zmq send of ready bytes", "reference_value": reference, "ratio": value / reference,
            "target": TARGET_FPS, "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        })  # fmt: skip
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    rows = measure()
    for row in rows:
        print(
            f"{row['name']}: {row['value']:,.0f} frames/s = {row['ratio']:.2f} of {row['reference']} "
            f"({row['reference_value']:,.0f}/s); target {TARGET_FPS:,}"
        )
    if (path := parser.parse_args().json) is not None:
        path.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
