from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.maps.statistics import angle_agreement, pearson


@pytest.mark.timeout(300)
def test_one_noise_free_scan_gives_the_promised_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stream_rrvae", "demo", "--headless", "--scans", "1", "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "4096 frames received, 0 missing" in ended.stdout
    with h5py.File(tmp_path / "results.h5") as file:
        maps = {name: data[()] for name, data in file["entry/maps"].items()}
        assert file["entry/process/state"][()] == b"ready"
    magnitude = maps["com_magnitude"].ravel()
    assert magnitude.shape == (64 * 64,)
    assert magnitude.max() == pytest.approx(0.77, abs=0.05)  # mrad; the literature's and abTEM's largest COM
    assert abs(pearson(maps["latent_1"].ravel(), magnitude)) >= 0.98
    agreement = angle_agreement(maps["rotation"].ravel(), maps["com_direction"].ravel(), magnitude)
    assert agreement.sense == 1
    assert np.degrees(agreement.error_rad) <= 2
    assert abs(np.degrees(agreement.offset_rad)) <= 2
