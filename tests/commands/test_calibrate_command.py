"""`calibrate` makes a site file that gives the true geometry, and a picture; `analyse` finds and uses a rotation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.calibration.site_file import load_site

SETTINGS = SimulationSettings(
    detector=detector_model("48x48:uint16"), scan_shape=(48, 48), rotation_deg=-70.0, flip=True, dose_electrons=1e4
)


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("calibrate") / "frames.npy"
    stored = np.concatenate([block.frames for block in Simulation(SETTINGS).blocks()])
    np.save(path, stored.reshape(*SETTINGS.scan_shape, 48, 48))
    return path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream_rrvae", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def test_a_site_file_is_made_and_used(frames: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    made = run("calibrate", frames, "--semiangle-mrad", "31", "--camera-length", "100", "--out", site)
    assert made.returncode == 0, made.stderr
    entry = load_site(site).at(100.0)
    assert entry is not None
    assert entry.mrad_per_px == pytest.approx(SETTINGS.grid.mrad_per_px, rel=0.01)
    assert entry.rotation_deg == pytest.approx(-70.0, abs=1.5)
    assert entry.flip is True
    assert site.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    results = tmp_path / "results.h5"
    used = run("analyse", frames, "--mode", "off", "--site", site, "--camera-length", "100", "--out", results)
    assert used.returncode == 0, used.stderr
    with h5py.File(results) as file:
        entry_group = file["entry"]
        assert json.loads(entry_group["calibration"][()])["detector_flip"] is True
        assert entry_group["maps"].attrs["vector_axes"] == "scan"
        assert entry_group["geometry/origin/detector_rotation_rad"][()].decode() == "site file"
        assert entry_group["geometry/site_file"][()].decode() == site.read_text()
        assert entry_group["geometry/site_file"].attrs["camera_length_mm"] == 100.0


@pytest.mark.parametrize("wish", ["given", "find"])
def test_a_rotation_is_used_only_where_it_is_asked_for(frames: Path, tmp_path: Path, wish: str) -> None:
    results = tmp_path / "results.h5"
    done = run("analyse", frames, "--mode", "off", "--rotation", wish, "--descan", "plane", "--out", results)
    assert done.returncode == 0, done.stderr
    with h5py.File(results) as file:
        found = json.loads(file["entry/geometry/found"][()])["rotation"]
        assert np.degrees(found["rotation_rad"]) == pytest.approx(-70.0, abs=1.5)
        assert found["trusted"]
        used = wish == "find"
        assert file["entry/maps"].attrs["vector_axes"] == ("scan" if used else "detector")
        assert file["entry/rotation_origin"][()].decode() == ("fitted" if used else "")
        assert (json.loads(file["entry/calibration"][()])["detector_rotation_rad"] is not None) is used
        assert "plane surface was taken out" in file["entry/geometry/descan"][()].decode()
        assert file["entry/geometry/mean_pattern"].shape == (48, 48)


def test_what_is_missing_is_said_plainly(frames: Path, tmp_path: Path) -> None:
    for arguments, said in (
        ((frames, "--semiangle-mrad", "31"), "--camera-length"),
        ((frames, "--camera-length", "100"), "--semiangle-mrad"),
        (("--camera-length", "100"), "either INPUT"),
    ):
        done = run("calibrate", *arguments, "--out", tmp_path / "site.toml")
        assert done.returncode == 2
        assert said in done.stderr
    assert not list(tmp_path.iterdir())
