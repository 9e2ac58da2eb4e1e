"""How measuring a file on Dask grows from one process to two, and what gathering costs the process that does it.

By hand: python tests/benchmarks/analyse_workers.py [--input FILE] [--rounds N]

The rounds are interleaved and the fastest of each counts: other work on the same cores makes none of them faster.
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

from stream_rrvae.batch.cluster import ClusterOptions, connected
from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.spread import Spread
from stream_rrvae.config import LearnSettings, Settings

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


def simulated(folder: Path) -> Path:
    """A file of counted discs, 1.8 GB."""
    rng = np.random.default_rng(0)
    ky, kx = np.indices(FRAME_SHAPE)
    lines = rng.poisson(0.4 * (np.hypot(ky - 95.3, kx - 96.1) < 40), (SCAN_SHAPE[1], *FRAME_SHAPE)).astype(np.uint8)
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
        source = options.input or simulated(Path(folder))
        best: dict[int, Turn] = {}
        for _ in range(options.rounds):
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
