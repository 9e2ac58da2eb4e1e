"""Small recorded scans, and a cluster of two processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.batch.cluster import ClusterOptions, connected

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
def cluster() -> Iterator[Any]:
    """A `distributed.Client` of a local cluster."""
    pytest.importorskip("distributed", reason="NOT CHECKED on several processes: pip install 'stream-rrvae[dask]'")
    with connected(ClusterOptions(workers=2)) as client:
        yield client
