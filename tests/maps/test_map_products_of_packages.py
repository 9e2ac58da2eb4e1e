"""A package that is installed beside ours adds its maps by the entry-point group, to the results file too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

CODE = """
from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    name: str
    reason: str = ""
    results_only: bool = True

    def unit(self, values):
        return "counts"

    def compute(self, values):
        return 2 * values.sum

    def why_not(self, values):
        return self.reason

    def note(self, values):
        return f"of {values.sum.size} positions"


doubled = Product("doubled_sum")
impossible = Product("impossible", "the moon is not full")
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    described = folder / "their_maps-1.0.dist-info"
    described.mkdir(parents=True)
    (folder / "their_maps.py").write_text(CODE)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: their-maps\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[stream_rrvae.map_products]\ndoubled = their_maps:doubled\nimpossible = their_maps:impossible\n"
    )
    return folder


def test_maps_of_an_installed_package_are_in_the_results_file(packages: Path, tmp_path: Path) -> None:
    source, results = tmp_path / "frames.npy", tmp_path / "results.h5"
    np.save(source, np.random.default_rng(0).poisson(20, (5, 6, 16, 16)).astype(np.uint16))
    command = [sys.executable, "-m", "stream_rrvae", "analyse", str(source), "--mode", "off", "--out", str(results)]
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(filter(None, [str(packages), inherited]))
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    with h5py.File(results) as file:
        maps = file["entry/maps"]
        np.testing.assert_array_equal(maps["doubled_sum"][()], 2 * maps["sum"][()])
        assert maps["doubled_sum"].attrs["note"] == "of 30 positions"
        assert file["entry/maps_not_made/impossible"][()] == b"the moon is not full"
        assert "impossible" not in maps
