"""kill -9 of the whole service at any moment: what was acknowledged comes back, and nothing is left behind."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import psutil
import pytest
import zmq
from numpy.typing import NDArray

from stream_rrvae.commands.children import Child
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.messages import Calibration, Encoding, ScanEnd, ScanStart
from stream_rrvae.recording.journal import read_journal
from stream_rrvae.recording.recover import is_empty, recover
from stream_rrvae.scan_store import DEFAULT_FOLDER, sweep
from stream_rrvae.wire import native_encode
from stream_rrvae.wire.pixels import encode_bslz4

N_KINDS, FRAME_SHAPE = 64, (32, 32)
TOGETHER, PAUSE_S = 16, 0.004
WAIT_MS = 50
LONG = "STREAM_RRVAE_LONG_CHECKS" in os.environ
# Long scans are hit in the middle of learning, short ones also between their ends and the next beginnings.
WAYS = {"finetune": (300, 300), "off": (20, 24)}


@dataclass
class Sender:
    """A detector that goes on whatever becomes of its receiver; of each scan, frame n is of kind n % N_KINDS."""

    scan_shape: tuple[int, int]
    frames: NDArray[np.uint16]
    port: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.set(zmq.SNDHWM, 4)
        self.port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._context.destroy(0)

    def _run(self) -> None:
        payloads = [memoryview(encode_bslz4(frame)) for frame in self.frames]
        n = self.scan_shape[0] * self.scan_shape[1]
        known = Calibration(beam_center_px=(15.5, 15.5), disc_radius_px=9.0, mrad_per_px=3.0)
        series = 0
        while not self._over.is_set():
            series += 1
            start = ScanStart(f"scan-{series}", series, FRAME_SHAPE, "uint16", n, self.scan_shape, calibration=known)
            self._send(native_encode.encode_start(start))
            for seq, first in enumerate(range(0, n, TOGETHER)):
                numbers = range(first, first + TOGETHER)
                some = [payloads[number % N_KINDS] for number in numbers]
                self._send(
                    native_encode.encode_frames(series, numbers, some, FRAME_SHAPE, "uint16", Encoding.BSLZ4, seq)
                )
                self._over.wait(PAUSE_S)
            self._send(native_encode.encode_end(ScanEnd(series, start.scan_id)))

    def _send(self, parts: Any) -> None:
        while not self._over.is_set():
            try:
                self._socket.send_multipart(parts, zmq.NOBLOCK)
                return
            except zmq.Again:
                self._socket.poll(WAIT_MS, zmq.POLLOUT)


@pytest.fixture
def sender() -> Iterator[Callable[[tuple[int, int]], Sender]]:
    rng = np.random.default_rng(0)
    ky, kx = np.indices(FRAME_SHAPE) - 15.5
    frames = rng.poisson(5.0 * (np.hypot(ky, kx) < 9), (N_KINDS, *FRAME_SHAPE)).astype(np.uint16)
    made: list[Sender] = []

    def make(scan_shape: tuple[int, int]) -> Sender:
        made.append(Sender(scan_shape, frames))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _killed(source: str, records: Path, folder: Path, mode: str, rng: random.Random) -> int:
    """Run a service and kill it at a random moment; gives the most frames that it told of as acknowledged.

    Nothing of it is left in memory once another has started.
    """
    feed = f"ipc://{folder}/feed"
    told = ("--feed", feed, "--record", str(records), "--mode", mode, "--seed", str(rng.randrange(1000)))
    with Child("service", "stream_rrvae", "serve", "--source", source, *told) as service, Subscriber(feed) as viewer:
        service.line_with("ready")
        before = set(records.glob("*"))
        while not set(records.glob("*")) - before:
            time.sleep(0.001)
        acknowledged, until_s = 0, time.monotonic() + rng.random() ** 2 * 1.5
        while (left_s := until_s - time.monotonic()) > 0:
            snapshot = viewer.receive(left_s)
            acknowledged = max(acknowledged, snapshot.health.frames_recorded if snapshot else 0)
        started = psutil.Process(service.process.pid).children(recursive=True)
        assert bool(started) == (mode != "off")
        service.process.kill()
        service.process.wait()
        _gone, alive = psutil.wait_procs(started, timeout=10)
        assert not alive
        sweep()  # as the next service does when it starts
        assert not list(DEFAULT_FOLDER.glob(f"stream-rrvae-{service.process.pid}-*"))
        return acknowledged


def _promised(folder: Path) -> int:
    lines = [line for line in read_journal(folder / "journal.jsonl") if "segment" in line]
    return sum({line["segment"]: int(line["frames"]) for line in lines}.values())


def _check(part: Path, frames: NDArray[np.uint16]) -> None:
    """All that was promised, and what came besides, as it was sent."""
    if is_empty(part):
        return
    recovered = recover(part)
    assert (recovered.lost, recovered.damaged, recovered.unreadable) == (0, 0, ())
    assert recovered.frames >= recovered.acknowledged == _promised(part)
    with h5py.File(recovered.folder / "master.h5") as file:
        numbers = file["entry/frames/frame_number"][()]
        assert np.array_equal(numbers, np.arange(recovered.frames))
        assert np.array_equal(file["entry/frames/data"][()], frames[numbers % N_KINDS])


@pytest.mark.slow
@pytest.mark.timeout(1800 if LONG else 120)
@pytest.mark.parametrize("mode", WAYS)
def test_a_killed_service_loses_nothing_acknowledged_and_leaves_nobody(
    sender: Callable[[tuple[int, int]], Sender], tmp_path: Path, mode: str
) -> None:
    detector, records, rng = sender(WAYS[mode]), tmp_path / "records", random.Random(mode)
    source = f"native+pull://127.0.0.1:{detector.port}"
    done: set[Path] = set()
    for _ in range(30 if LONG else 1):
        acknowledged = _killed(source, records, tmp_path, mode, rng)
        new = set(records.iterdir()) - done
        assert max(_promised(folder) for folder in new if not is_empty(folder)) >= acknowledged
        for folder in new:
            if folder.suffix == ".part":
                _check(folder, detector.frames)
            else:
                with h5py.File(folder / "master.h5") as file:
                    assert file["entry/counts/positions_missing"][()] == 0
        done = set(records.iterdir())
