"""A folder of recordings as the service's recorder leaves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.messages import Calibration, ScanStart
from stream_rrvae.wire.pixels import encode_bslz4

SCAN_SHAPE, FRAME_SHAPE = (5, 6), (20, 24)
Record = Callable[..., Path]
RecordOne = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "recordings"
    made.mkdir()
    return made


@pytest.fixture
def record_one(folder: Path, record: Record) -> RecordOne:
    """Records frames of these numbers; `damaged` ones cannot be decoded."""

    def made(name: str, numbers: range | list[int] = range(30), damaged: tuple[int, ...] = ()) -> Path:
        frames = np.random.default_rng(0).poisson(3.0, (30, *FRAME_SHAPE)).astype(np.uint16)
        frames[:, 0, 0] = np.arange(30)
        calibration = Calibration(mrad_per_px=2.0, beam_center_px=(9.0, 11.0), scan_step_nm=(0.1, 0.2))
        start = ScanStart(name, 7, FRAME_SHAPE, "uint16", 30, SCAN_SHAPE, calibration=calibration,
                          metadata={"sample": "graphene <b>", "operator": "anna"})  # fmt: skip
        payloads = [encode_bslz4(frames[number % 30]) for number in numbers]
        for place in damaged:
            payloads[place] = payloads[place][:-6] + b"\xff" * 6
        return record(folder, start, payloads, list(numbers))

    return made
