"""Frames per second of the frame pass on one core, beside a plain read of the same bytes in the same run.

Run by hand: python tests/benchmarks/kernel_rate.py [--frames N] [--rounds N] [--electrons N]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec, inside_disc
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames, warm_up
from stream_rrvae.kernels.plan import FramePlan, make_plan

CASES = ((96, "uint16"), (192, "uint8"), (192, "uint16"), (256, "uint16"))
RADIUS = 0.302  # of the frame's side, as in the reference data
BATCH = 64


def frames_of(plan: FramePlan, pixel_type: str, count: int, electrons: float) -> NDArray[Any]:
    """Evenly lit discs with counting noise [count, ky, kx]."""
    disc = inside_disc(plan.frame_shape, plan.disc_center_px, plan.disc_radius_px)
    expected = np.where(disc, electrons / disc.sum(), 0.0)
    return np.random.default_rng(0).poisson(expected, (count, *plan.frame_shape)).astype(pixel_type)


def read_all(frames: NDArray[Any]) -> Any:
    """Every byte once, as wide as NumPy reads."""
    return frames.reshape(-1).view(np.uint64).sum()


def measure_all(frames: NDArray[Any], plan: FramePlan, results: FrameResults) -> None:
    """The frame pass over batches, as ingest calls it."""
    for first in range(0, len(frames), BATCH):
        batch = frames[first : first + BATCH]
        reduce_frames(batch, plan, results, len(batch))


def in_turn(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each, one after the other in every round, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begin)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


def report(side: int, pixel_type: str, options: argparse.Namespace) -> str:
    """One line of the table."""
    center = ((side - 1) / 2, (side - 1) / 2)
    with_features, without = (make_plan((side, side), center, RADIUS * side, spec) for spec in (BasisSpec(), None))
    frames = frames_of(with_features, pixel_type, options.frames, options.electrons)
    results, narrow = FrameResults.empty(BATCH, with_features.n_features), FrameResults.empty(BATCH, 0)
    taken = in_turn(
        {
            "read": lambda: read_all(frames),
            "sums": lambda: measure_all(frames, without, narrow),
            "all": lambda: measure_all(frames, with_features, results),
        },
        options.rounds,
    )
    rate = {name: len(frames) / seconds for name, seconds in taken.items()}
    gigabytes = frames.nbytes / taken["read"] / 1e9
    return (
        f"{side:4d} {pixel_type:7s} {rate['read']:9.0f} ({gigabytes:4.1f} GB/s) "
        f"{rate['sums']:9.0f} {rate['sums'] / rate['read']:6.2f} {rate['all']:9.0f} {rate['all'] / rate['read']:6.2f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--electrons", type=float, default=2000.0)
    options = parser.parse_args()
    begin = time.perf_counter()
    warm_up({pixel_type for _, pixel_type in CASES})
    print(f"start-up (compile or load) {time.perf_counter() - begin:.2f} s")
    print("side type    plain read, frames/s        sums  ratio  +features  ratio")
    for side, pixel_type in CASES:
        print(report(side, pixel_type, options))


if __name__ == "__main__":
    main()
