"""How fast a whole scan is encoded and a model trained, on each device that torch finds here.

Wall seconds, since a GPU's time is no CPU time; the first turn, which makes room and loads kernels, is not counted.
Frames are simulated features, not pixels: what is measured begins where the scan store ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from stream_rrvae.bench.rows import Row
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.harmonic import turned
from stream_rrvae.rrvae.leading import center_of_mass
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.rrvae.training import TrainSpec

SCAN_SHAPE = (512, 512)
BATCHES = (512, 4096, 32768)  # trained at once: the first is what the service does, the last fills a GPU
BASIS = BasisSpec()
TURNS = 3


def model_rows(seconds: float, scan_shape: tuple[int, int] | None = None) -> Iterator[Row]:
    """Encoding of a scan, and training for `seconds` with batches of several sizes; a GPU beside the CPU."""
    data = _scan(scan_shape or SCAN_SHAPE)
    on_cpu: dict[str, float] = {}
    with threadpool_limits(1):
        for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            for what, rate in _rates(data, device, seconds):
                reference = f"{what}, cpu" if device != "cpu" else None
                yield Row(f"{what}, {device}", rate, "frames/s", reference, on_cpu.get(what) if reference else None)
                on_cpu.setdefault(what, rate)


def model_lines(rows: list[Row]) -> list[str]:
    """The rows as text; where there is no GPU, it says so."""
    lines = [
        f"{row.name:36s} {row.value:14,.0f} frames/s" + (f"   {row.ratio:.1f} times the CPU" if row.ratio else "")
        for row in rows
    ]
    return lines if torch.cuda.is_available() else [*lines, "not run on a GPU: torch finds no CUDA device"]


def _scan(shape: tuple[int, int]) -> Prepared:
    """Shapes that lean by 0.5 to 6 of one frame's noise, in all directions, and counting noise."""
    random, n = np.random.default_rng(0), shape[0] * shape[1]
    angle, lean = random.uniform(-np.pi, np.pi, n).astype(np.float32), random.uniform(0.5, 6.0, (n, 1))
    upright = torch.from_numpy((lean * center_of_mass(BASIS).real).astype(np.float32))
    x: Float32Array = turned(upright, torch.from_numpy(angle), BASIS).numpy()
    x += random.standard_normal(x.shape, np.float32)
    return Prepared(x, np.arange(n), 1.0)


def _rates(data: Prepared, device: str, seconds: float) -> Iterator[tuple[str, float]]:
    n = len(data.x)
    for batch in BATCHES:
        model = HarmonicLearner.create(data, BASIS, 2, 0, device, train=TrainSpec(batch=batch))
        report = model.train(data, seconds, (0.0, 1.0))
        yield f"training, batches of {batch}", report.frames / report.seconds
    model.encode(data.x)
    yield f"encoding {n} frames", n / _quickest_s(lambda: model.encode(data.x))
    yield f"left over of {n} frames", n / _quickest_s(lambda: model.left_over(data.x))


def _quickest_s(work: Callable[[], object]) -> float:
    taken_s = []
    for _ in range(TURNS):
        begun_s = time.perf_counter()
        work()
        taken_s.append(time.perf_counter() - begun_s)
    return min(taken_s)
