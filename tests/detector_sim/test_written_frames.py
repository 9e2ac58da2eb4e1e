"""Simulated scans as files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation


def write(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "detector_sim.write_frames", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def test_a_file_holds_what_would_be_sent_and_its_truth(tmp_path: Path) -> None:
    out, truth = tmp_path / "scan.npy", tmp_path / "truth.npz"
    said = ("--detector", "32x32:uint16", "--scan-shape", "5x16", "--dose", "1e4", "--seed", "3", "--truth", str(truth))
    done = write(str(out), *said)
    assert done.returncode == 0, done.stderr
    settings = SimulationSettings(
        detector=detector_model("32x32:uint16"), scan_shape=(5, 16), dose_electrons=1e4, seed=3
    )
    expected = np.concatenate([block.frames for block in Simulation(settings).blocks()])
    frames = np.load(out)
    assert frames.dtype == np.uint16 and np.array_equal(frames, expected.reshape(5, 16, 32, 32))
    with np.load(truth) as known:
        assert known["com_mrad"].shape == (5, 16, 2)


def test_unknown_specimens_are_status_2(tmp_path: Path) -> None:
    ended = write(str(tmp_path / "scan.npy"), "--specimen", "unobtainium")
    assert ended.returncode == 2 and "unobtainium" in ended.stderr and "Traceback" not in ended.stderr
