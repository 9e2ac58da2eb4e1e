"""Structures from files: clear words without abTEM, agreement with our own optics with it."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from detector_sim.crystal_frames import CrystalFrames
from detector_sim.geometry import Mounting, centred_grid
from detector_sim.optics import Optics
from detector_sim.specimen import LATTICE_A, graphene
from detector_sim.structure_frames import StructureFrames, read_structure
from stream_rrvae.errors import ConfigError

BOND = LATTICE_A / math.sqrt(3)
GRAPHENE_XYZ = f"""4
Lattice="{LATTICE_A} 0 0 0 {3 * BOND} 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"
C 0 0 1
C 0 {BOND} 1
C {LATTICE_A / 2} {1.5 * BOND} 1
C {LATTICE_A / 2} {2.5 * BOND} 1
"""


@pytest.fixture
def structure(tmp_path: Path) -> Path:
    path = tmp_path / "graphene.xyz"
    path.write_text(GRAPHENE_XYZ)
    return path


def test_without_abtem_it_says_what_to_install(structure: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "abtem", None)
    with pytest.raises(ConfigError, match=r"pip install 'stream-rrvae\[simulate\]'"):
        read_structure(structure)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.cif"):
        read_structure(tmp_path / "absent.cif")


@pytest.mark.skipif(importlib.util.find_spec("abtem") is None, reason="NOT CHECKED: abTEM is not installed")
@pytest.mark.filterwarnings("ignore")  # abTEM's and its libraries' own
def test_multislice_agrees_with_our_own_optics(structure: Path) -> None:
    optics, mounting, grid = Optics(defocus_nm=3.0), Mounting(0.4, True), centred_grid((32, 32), 51.2, (0.0, 0.0))
    places = np.array([[0.3, 0.2], [0.9, -0.4], [-0.5, 0.6]])
    from_middle = places - np.array([1.5 * BOND, LATTICE_A / 2])  # our atom at the origin is the cell's corner
    theirs = StructureFrames(structure, 0.0, optics, mounting, grid).frames(from_middle)
    ours = CrystalFrames(graphene(), optics, mounting, grid).frames(places)
    assert np.linalg.norm(theirs - ours) < 0.05 * np.linalg.norm(ours)
    com, expected = (grid.first_moment_px(frames) * grid.mrad_per_px for frames in (theirs, ours))
    assert np.abs(com - expected).max() < 0.03
