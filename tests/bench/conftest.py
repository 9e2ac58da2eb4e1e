"""A scan whose answer is known: a disc with one bright side that turns, brighter or fainter."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rrvae.bench.scan_frames import ScanFrames
from stream_rrvae.calibration.disc import Disc


@pytest.fixture
def turning_scan() -> ScanFrames:
    rng = np.random.default_rng(0)
    strength, angle = rng.uniform(0.01, 0.05, 200), rng.uniform(-np.pi, np.pi, 200)
    ky, kx = np.indices((24, 24)) - 11.5
    disc = (np.hypot(ky, kx) < 8).astype(np.float64)
    tilt = np.sin(angle)[:, None, None] * ky + np.cos(angle)[:, None, None] * kx
    frames = disc * (1 + strength[:, None, None] * tilt)
    frames /= frames.sum(axis=(1, 2), keepdims=True)
    com = np.stack([strength * np.sin(angle), strength * np.cos(angle)], 1)
    return ScanFrames(frames.astype(np.float32), Disc((11.5, 11.5), 8.0), com, "a disc that leans")
