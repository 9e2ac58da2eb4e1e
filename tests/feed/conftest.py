"""Snapshots to send: every field set, of whatever shape a test asks for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stream_rrvae.messages import Calibration, Counters, Health, ModelStatus, ScanState, ShardStatus, Snapshot

MakeSnapshot = Callable[[int, tuple[int, int]], Snapshot]


@pytest.fixture
def make_snapshot() -> MakeSnapshot:
    def make(serial: int, shape: tuple[int, int]) -> Snapshot:
        values = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
        values[0, 0] = np.nan
        return Snapshot(
            instrument="ARM200 <µ>",
            serial=serial,
            published_unix_s=1.7e9,
            state=ScanState.RUNNING,
            scan_id="scan 7",
            scan_shape=shape,
            calibration=Calibration(mrad_per_px=0.5, scan_step_nm=(0.02, 0.03), detector_flip=True),
            counters=Counters(expected=9, received=8, missing=1, processed=7, refused=1, refusals={"size": 1}),
            health=Health(rate_fps=7980.0, latency_p95_s=0.084),
            model=ModelStatus(3, "training", "finetune", "", {"pearson": [0.5, 0.75]}),
            axes="scan",
            maps={"sum": values, "com_magnitude": values * 2},
            units={"sum": "counts", "com_magnitude": "mrad"},
            pattern=np.ones((5, 4), np.float32),
            pattern_position=(1, 0),
            metadata={"operator": "A", "dose": 30.0},
            shard_id=1,
            shard_count=2,
            mean_pattern=np.full((5, 4), 2, np.float32),
            mean_frames=7,
            shards=(ShardStatus(1, "running", Counters(2, 2, 0, 1, 1, refusals={"size": 1}), 0.5),),
        )

    return make
