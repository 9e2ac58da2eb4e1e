"""Two programs that have never met: LiberTEM-live's own receiver takes our Stream V1."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rrvae.bench import libertem_script

pytestmark = [pytest.mark.peers, pytest.mark.slow]
SIDE_PX, SCAN = 48, (16, 24)


@pytest.mark.parametrize("compression", ["bslz4", "lz4"])
def test_it_finds_the_centre_of_mass_that_was_simulated(
    compression: str, start_simulator: Callable[..., Any], libertem_python: str, tmp_path: Path
) -> None:
    told = ("--protocol", "dectris-v1", "--announce", "nothing", "--simplon-port", "0", "--scans", "1")
    scan = ("--detector", f"{SIDE_PX}x{SIDE_PX}:uint16", "--scan-shape", f"{SCAN[0]}x{SCAN[1]}")
    truth, com = tmp_path / "truth.npz", tmp_path / "com.npy"
    simulator = start_simulator(*told, *scan, "--compression", compression, "--truth", str(truth))
    while not (line := simulator.lines.get(timeout=60)).startswith("simplon "):
        assert line
    job = {
        "api_port": int(line.rpartition(":")[2]),
        "data_port": int(simulator.endpoint().rpartition(":")[2]),
        "scan_shape": SCAN,
        "center_px": [(SIDE_PX - 1) / 2] * 2,
        "workers": 1,
        "seconds": 0.0,
        "out": str(com),
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [libertem_python, str(libertem_script.__file__), str(tmp_path / "job.json")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert ended.returncode == 0, ended.stderr
    with np.load(truth, allow_pickle=False) as file:
        expected = file["com_detector_px"] + (SIDE_PX - 1) / 2
    np.testing.assert_allclose(np.load(com), expected, atol=2e-3)  # frames are rounded to whole counts
