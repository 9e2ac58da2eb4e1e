"""Small recorded scans, and a cluster of two processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.batch.cluster import ClusterOptions, connected
from stream_rrvae.messages import ScanStart
from stream_rrvae.wire.pixels import encode_bslz4

SCAN_SHAPE, FRAME_SHAPE = (16, 20), (32, 32)


def disc_frames(seed: int) -> NDArray[np.uint16]:
    """Counted frames [y, x, ky, kx] of a disc with a gradient that turns over the scan."""
    rng = np.random.default_rng(seed)
    ky, kx = np.indices(FRAME_SHAPE)
    inside = np.hypot(ky - 15.3, kx - 15.8) < 10.4
    turn = np.linspace(0, 12, SCAN_SHAPE[0] * SCAN_SHAPE[1]).reshape(*SCAN_SHAPE, 1, 1)
    tilt = 0.03 * (np.sin(turn) * (ky - 15.3) + np.cos(turn) * (kx - 15.8))
    return np.asarray(rng.poisson(6.0 * inside * (1 + tilt)), np.uint16)


@pytest.fixture(scope="session")
def scan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "first.npy"
    np.save(path, disc_frames(1))
    return path


@pytest.fixture(scope="session")
def disorderly_recording(tmp_path_factory: pytest.TempPathFactory, record: Callable[..., Path]) -> Path:
    """A compressed recording with everything that may happen on the way: late, twice, missing, outside, damaged."""
    frames = disc_frames(2).reshape(-1, *FRAME_SHAPE)
    numbers = np.arange(len(frames))
    numbers[100:300] = np.random.default_rng(0).permutation(numbers[100:300])
    numbers = np.concatenate((numbers[:250], [7, 120, 120, 5000], numbers[251:]))
    payloads = [encode_bslz4(frames[number % len(frames)]) for number in numbers]
    payloads[180] = payloads[180][:-9] + b"\xff" * 9
    start = ScanStart("disorder", 1, FRAME_SHAPE, "uint16", len(frames), SCAN_SHAPE)
    return record(tmp_path_factory.mktemp("recordings"), start, payloads, numbers)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A `distributed.Client` of a local cluster."""
    pytest.importorskip("distributed", reason="NOT CHECKED on several processes: pip install 'stream-rrvae[dask]'")
    with connected(ClusterOptions(workers=2)) as client:
        yield client
