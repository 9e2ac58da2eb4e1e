"""The real service under three times what it can compute, and beside a learner that does nothing at all."""

from __future__ import annotations

import itertools
import os
import signal
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

from stream_rrvae.config import load
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.kept.frames import KeptFrames
from stream_rrvae.messages import Calibration, DegradeLevel, Encoding, ScanEnd, ScanStart
from stream_rrvae.recording.journal import read_journal
from stream_rrvae.service import Service
from stream_rrvae.wire import native_encode

FRAME_SHAPE, SCAN_SHAPE = (20, 24), (120, 100)
FRAME_COST_S = 0.005  # of a computing thread: what the service can do is known, whatever the machine can
CAPACITY_FPS = 1 / FRAME_COST_S
BURST_S = 0.02


@dataclass
class PacedDetector:
    """Sends frames of one scan at `rate_fps`, which may be changed, until `finish`; `sent` is how many."""

    rate_fps: float
    sent: int = 0
    port: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self.port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        ky, kx = np.indices(FRAME_SHAPE) - np.array([[[9.5]], [[11.5]]])
        self._payload = np.random.default_rng(0).poisson(5.0 * (np.hypot(ky, kx) < 8)).astype(np.uint16).tobytes()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """End the scan, after the frames that are on their way."""
        self._over.set()
        self._thread.join()

    def close(self) -> None:
        if self._thread.is_alive():
            self.finish()
        self._context.destroy(0)

    def _run(self) -> None:
        known = Calibration(beam_center_px=(9.5, 11.5), disc_radius_px=8.0)
        n = SCAN_SHAPE[0] * SCAN_SHAPE[1]
        self._send(
            native_encode.encode_start(ScanStart("scan", 1, FRAME_SHAPE, "uint16", n, SCAN_SHAPE, calibration=known))
        )
        owed = 0.0
        while not self._over.wait(BURST_S) and self.sent < n:
            owed += self.rate_fps * BURST_S
            burst = range(self.sent, min(n, self.sent + int(owed)))
            owed -= int(owed)
            for number in burst:
                parts = native_encode.encode_frames(
                    1, [number], [self._payload], FRAME_SHAPE, "uint16", Encoding.NONE, number
                )
                if not self._send(parts):
                    return
                self.sent += 1
        self._send(native_encode.encode_end(ScanEnd(1, "scan")))

    def _send(self, parts: Any) -> bool:
        """Waits as long as the service holds us back."""
        while not self._over.is_set():
            try:
                self._socket.send_multipart(parts, zmq.NOBLOCK)
                return True
            except zmq.Again:
                self._socket.poll(50, zmq.POLLOUT)
        return False


@pytest.fixture
def detector() -> Iterator[PacedDetector]:
    made = PacedDetector(0.5 * CAPACITY_FPS)
    yield made
    made.close()


@pytest.fixture
def serve(detector: PacedDetector, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def start(**more: Any) -> Service:
        service = Service(load(None, {
            "source": f"native+pull://127.0.0.1:{detector.port}", "scans": 1, "out": tmp_path / "out",
            "feed": {"url": f"ipc://{tmp_path}/feed"}, **more,
        }))  # fmt: skip
        started.append(service)
        service.start()
        return service

    yield start
    for service in started:
        service.stop()


def until(condition: Callable[[], object], service: Service) -> None:
    """The suite's timeout ends a wait in vain."""
    while not condition():
        service.check()
        time.sleep(0.01)


def test_levels_go_down_in_order_and_all_the_way_back(
    detector: PacedDetector, serve: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeptFrames, "keep", lambda _self, *_frames: time.sleep(FRAME_COST_S * _frames[3].size))
    requests = {"url": f"ipc://{tmp_path}/requests", "key": tmp_path / "requests.key"}
    ingest = {"queue_bytes": 1 << 20, "batch_frames": 16, "compute_threads": 1}
    service = serve(record=tmp_path / "records", requests=requests, ingest=ingest, learn={"mode": "off"})
    detector.start()
    until(lambda: detector.sent > 0.25 * CAPACITY_FPS and service.level is DegradeLevel.ALL, service)
    detector.rate_fps = 3 * CAPACITY_FPS
    with Subscriber(f"ipc://{tmp_path}/feed") as viewer:
        while (snapshot := viewer.receive(1.0)) is None or snapshot.health.degrade_level < DegradeLevel.COM_EVERY_KTH:
            service.check()
    assert "queue" in snapshot.health.degrade_reason
    until(lambda: service.counters.skipped, service)
    detector.rate_fps = 0.5 * CAPACITY_FPS
    until(lambda: service.level is DegradeLevel.ALL, service)
    detector.finish()
    service.wait()
    service.stop()
    _check_results(tmp_path / "out" / "scan.results.h5", detector.sent)
    _check_recording(tmp_path / "records" / "scan", detector.sent)


def assert_in_order(levels: list[int]) -> None:
    assert levels[0] == 1 and max(levels) >= DegradeLevel.COM_EVERY_KTH
    assert all(abs(after - before) == 1 for before, after in itertools.pairwise(levels))


def _check_results(path: Path, sent: int) -> None:
    with h5py.File(path) as file:
        quality = {name: data[()] for name, data in file["entry/quality"].items() if isinstance(data, h5py.Dataset)}
        maps = {name: file[f"entry/maps/{name}"][()].ravel() for name in ("sum", "com_x")}
    levels = quality["degrade_levels"].tolist()
    assert levels[-1] == 0
    assert_in_order(levels)
    assert quality["degrade_level_highest"] == max(levels) >= DegradeLevel.COM_EVERY_KTH
    processed, skipped = int(quality["frames_processed"]), int(quality["frames_skipped"])
    assert skipped > 0 and processed + skipped == sent == quality["frames_received"]
    assert quality["frames_missing"] == maps["sum"].size - sent, "what was skipped is not missing"
    for values in maps.values():
        assert np.isfinite(values).sum() == processed, "NaN where nothing was computed"


def _check_recording(folder: Path, sent: int) -> None:
    with h5py.File(folder / "master.h5") as file:
        assert np.array_equal(file["entry/frames/frame_number"][()], np.arange(sent)), "everything is recorded"
        assert file["entry/quality/frames_skipped"][()] > 0
    noted = [line["degrade_level"] for line in read_journal(folder / "journal.jsonl") if "degrade_level" in line]
    assert_in_order(noted)


def test_a_learner_that_stands_still_costs_nothing(
    detector: PacedDetector, serve: Callable[..., Service], tmp_path: Path
) -> None:
    service = serve(learn={"mode": "finetune"}, http="127.0.0.1:0")
    learner = service.learner_pid
    assert learner is not None
    os.kill(learner, signal.SIGSTOP)
    detector.rate_fps = 10_000
    detector.start()
    detector._thread.join()
    until(lambda: service.counters.processed == detector.sent, service)
    service.request_stop()
    service.stop()
    assert not psutil.pid_exists(learner)
    with h5py.File(tmp_path / "out" / "scan.results.h5") as file:
        assert np.isfinite(file["entry/maps/sum"][()]).all()
