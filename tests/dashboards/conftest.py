"""A feed whose clock a test turns, and small snapshots for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dashboards.feeds.live_feed import LiveFeed
from stream_rrvae.messages import Calibration, Counters, Float32Array, Health, ModelStatus, ScanState, Snapshot

MakeSnapshot = Callable[..., Snapshot]


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(clock: Clock) -> LiveFeed:
    return LiveFeed("tcp://127.0.0.1:5556", clock)


@pytest.fixture
def make_snapshot() -> MakeSnapshot:
    """A scan of 4 x 6 positions, 3 of 4 rows measured; fields may be given."""

    def make(serial: int = 1, **fields: Any) -> Snapshot:
        shape = (4, 6)
        ramp = np.arange(24, dtype=np.float32).reshape(shape)
        ramp[3] = np.nan
        angle: Float32Array = (ramp / 24).astype(np.float32)
        names = ("sum", "com_x", "com_y", "com_magnitude", "rotation_confidence", "latent_1", "latent_2", "coverage")
        maps: dict[str, Float32Array] = {name: ramp for name in names}  # noqa: C420  # keeps the type
        maps |= {
            "com_direction": angle,
            "rotation": angle,
            "bright_field": ramp,
        }
        snapshot = Snapshot(
            instrument="ARM200",
            serial=serial,
            published_unix_s=1.7e9,
            state=ScanState.RUNNING,
            scan_id="run 42",
            scan_shape=shape,
            calibration=Calibration(mrad_per_px=2.0, scan_step_nm=(0.1, 0.1), detector_rotation_rad=0.5),
            counters=Counters(18, 18, 0, 18, 0, 0, 0),
            health=Health(1000.0, 0.01, 0.05, 0.1),
            model=ModelStatus(2, "training", "finetune"),
            axes="scan",
            maps=maps,
            units=dict.fromkeys(maps, "1") | {"com_magnitude": "mrad"},
            pattern=np.eye(8, dtype=np.float32),
            pattern_position=(2, 5),
        )
        return replace(snapshot, **fields)

    return make


@pytest.fixture
def unpacked() -> Callable[[bytes], tuple[int, dict[str, dict[str, Any]]]]:
    """Takes a message of the line apart as the page does: its number, and columns by source."""

    def unpack(message: bytes) -> tuple[int, dict[str, dict[str, Any]]]:
        begin = 4 + int.from_bytes(message[:4], "little")
        told = json.loads(message[4:begin])

        def one(value: Any) -> Any:
            if not isinstance(value, dict):
                return value
            count, dtype = int(np.prod(value["shape"])), np.dtype(value["dtype"])
            return np.frombuffer(message, dtype, count, begin + value["at"]).reshape(value["shape"])

        def columns(given: dict[str, Any]) -> dict[str, Any]:
            return {name: [one(each) for each in of] if isinstance(of, list) else one(of) for name, of in given.items()}

        return told["number"], {name: columns(given) for name, given in told["sources"].items()}

    return unpack
