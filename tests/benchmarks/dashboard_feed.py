"""A feed as of a 256 x 256 scan with a model of 65,536 latents that changes MODEL_HZ times a second (1); a process.

python -m tests.benchmarks.dashboard_feed RATE_HZ [MODEL_HZ]   (prints its address; publishes until it is ended)
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace

import numpy as np

from stream_rrvae.feed.publisher import Publisher
from stream_rrvae.messages import Calibration, Counters, Float32Array, Health, ModelStatus, ScanState, Snapshot

SIDE = 256
VARIANTS = 8  # of all images: what is pushed never equals what was pushed before
MODELLED = ("rotation", "rotation_confidence", "latent_1", "latent_2")
MEASURED = ("sum", "com_y", "com_x", "com_magnitude", "com_direction", "bright_field", "annular_dark_field", "coverage")


class ChangingScan:
    """A snapshot a call, each unlike the one before."""

    def __init__(self, rate_hz: float, model_hz: float) -> None:
        noise = np.random.default_rng(0)
        self._turns_a_model = max(1, round(rate_hz / model_hz))
        self._measured = [{name: _image(noise, name) for name in MEASURED} for _ in range(VARIANTS)]
        self._modelled = [{name: _image(noise, name) for name in MODELLED} for _ in range(VARIANTS)]
        self._patterns = [noise.poisson(5, (SIDE, SIDE)).astype(np.float32) for _ in range(VARIANTS)]
        names = (*MEASURED, *MODELLED)
        self._first = Snapshot(
            instrument="benchmark", serial=0, published_unix_s=0.0, state=ScanState.RUNNING, scan_id="benchmark",
            scan_shape=(SIDE, SIDE), calibration=Calibration(mrad_per_px=0.5, scan_step_nm=(0.02, 0.02)),
            counters=Counters(SIDE**2, SIDE**2, 0, SIDE**2), health=Health(8000.0, 0.01, 0.02, 0.0),
            model=ModelStatus(1, "training", "finetune"), axes="scan", maps={}, units=dict.fromkeys(names, "1"),
        )  # fmt: skip
        self._serial = 0

    def __call__(self) -> Snapshot:
        self._serial += 1
        version = 1 + self._serial // self._turns_a_model
        return replace(
            self._first,
            serial=self._serial,
            published_unix_s=time.time(),
            model=replace(self._first.model, version=version),
            maps=self._measured[self._serial % VARIANTS] | self._modelled[version % VARIANTS],
            pattern=self._patterns[self._serial % VARIANTS],
            pattern_position=(self._serial % SIDE, 0),
        )


def _image(noise: np.random.Generator, name: str) -> Float32Array:
    is_angle = name in ("com_direction", "rotation")
    image = noise.uniform(-np.pi, np.pi, (SIDE, SIDE)) if is_angle else noise.normal(0, 1, (SIDE, SIDE))
    return image.astype(np.float32)


def main() -> None:
    """Publish until ended."""
    rate_hz, model_hz = float(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    publisher = Publisher("tcp://127.0.0.1:*", "benchmark", rate_hz, ChangingScan(rate_hz, model_hz))
    publisher.start()
    print(f"publishes {publisher.url}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
