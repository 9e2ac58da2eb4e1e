"""How measuring a file on Dask grows from one process to two, and what gathering costs the process that does it.

By hand, on a machine that does nothing else: python tests/benchmarks/analyse_workers.py [--input FILE] [--rounds N]

Without an input: discs of counts as `.npy`, then as a recording of bitshuffled LZ4. The rounds are interleaved and the
fastest of each counts: other work on the same cores makes none of them faster.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.batch.cluster import ClusterOptions, connected
from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.spread import Spread
from stream_rrvae.config import LearnSettings, RecordingSettings, Settings
from stream_rrvae.messages import Encoding, ReceivedFrames, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.wire.pixels import encode_bslz4

OFF = Settings(learn=LearnSettings(mode="off"))
SCAN_SHAPE, FRAME_SHAPE = (96, 512), (192, 192)
WORKERS = (1, 2)


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """One scan measured: seconds on the wall, of CPU in all workers, of CPU here."""

    wall_s: float
    workers_s: float
    here_s: float
    frames: int


def cpu_s() -> float:
    """CPU seconds of this process so far."""
    times = os.times()
    return times.user + times.system


def turn(client: Any, source: Path) -> Turn:
    """Measure `source` on the cluster of `client`."""
    done: list[int] = []
    here_s, workers_s, begun_s = cpu_s(), sum(client.run(cpu_s).values()), time.perf_counter()
    for outcome in Spread(client, OFF, done.append).outcomes([Input.of(str(source))]):
        if outcome.store is None:
            raise SystemExit(str(outcome.error))
        outcome.store.close()
    wall_s = time.perf_counter() - begun_s
    return Turn(wall_s, sum(client.run(cpu_s).values()) - workers_s, cpu_s() - here_s, sum(done))


def line_of_discs() -> NDArray[np.uint8]:
    """[x, ky, kx], 2,000 counts a frame."""
    rng = np.random.default_rng(0)
    ky, kx = np.indices(FRAME_SHAPE)
    discs = rng.poisson(0.4 * (np.hypot(ky - 95.3, kx - 96.1) < 40), (SCAN_SHAPE[1], *FRAME_SHAPE))
    return np.asarray(discs, np.uint8)


def recorded(folder: Path) -> Path:
    """The same as a recording of bitshuffled LZ4, 0.1 GB."""
    payloads = [np.frombuffer(encode_bslz4(frame), np.uint8) for frame in line_of_discs()]
    width, n = SCAN_SHAPE[1], SCAN_SHAPE[0] * SCAN_SHAPE[1]
    start = ScanStart("discs", 1, FRAME_SHAPE, "uint8", n, SCAN_SHAPE)
    recorder = Recorder(folder, RecordingSettings(), new_metrics())
    recorder.start()
    recorder.opened(start, SCAN_SHAPE)
    addresses = np.array([payload.ctypes.data for payload in payloads], np.uint64)
    sizes = np.array([payload.size for payload in payloads])
    for y in range(SCAN_SHAPE[0]):
        numbers, times_s = np.arange(y * width, (y + 1) * width), np.full(width, time.monotonic())
        recorder.frames(
            ReceivedFrames(
                np.roll(addresses, y), np.roll(sizes, y), numbers, times_s, Encoding.BSLZ4, int(sizes.sum()), int
            )
        )
    recorder.closed(ScanState.COMPLETE)
    path = recorder.complete(start, start.calibration)
    recorder.stop()
    if path is None:
        raise SystemExit(recorder.fault)
    return path


def simulated(folder: Path) -> Path:
    """A file of counted discs, 1.8 GB."""
    lines = line_of_discs()
    data = np.lib.format.open_memmap(folder / "scan.npy", "w+", np.uint8, (*SCAN_SHAPE, *FRAME_SHAPE))
    for y in range(SCAN_SHAPE[0]):
        data[y] = np.roll(lines, y, axis=0)
    data.flush()
    return folder / "scan.npy"


def main() -> None:
    """Print the fastest turn of each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for make in (simulated, recorded):
            source = options.input or make(Path(folder))
            print(source)
            measure(source, options.rounds)
            if options.input:
                return


def measure(source: Path, rounds: int) -> None:
    """Print the fastest turn of each number of workers on `source`."""
    best: dict[int, Turn] = {}
    for _ in range(rounds):
        for workers in WORKERS:
            with connected(ClusterOptions(workers=workers)) as client:
                turn(client, source)  # kernels and caches
                best[workers] = min(turn(client, source), best.get(workers, Turn(1e9, 0, 0, 0)))
    for workers, fastest in best.items():
        ratio = best[1].wall_s / fastest.wall_s
        print(
            f"{workers} workers: {fastest.frames / fastest.wall_s:,.0f} frames/s, {ratio:.2f} times one; "
            f"CPU {1e6 * fastest.workers_s / fastest.frames:.1f} us a frame in the workers, "
            f"{1e6 * fastest.here_s / fastest.frames:.1f} here"
        )


if __name__ == "__main__":
    main()
