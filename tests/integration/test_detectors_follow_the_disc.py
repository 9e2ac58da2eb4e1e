"""One scene at two camera lengths and two binnings: detectors in fractions of the semi-angle give the same maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.batch.measure import measured
from stream_rrvae.config import Settings
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.maps.products import scan_maps
from stream_rrvae.messages import Float32Array
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import open_frames

SHAPE = (8, 8)
DETECTORS = (
    {"name": "abf", "inner": 0.5, "outer": 1.0},
    {"name": "inner_bf", "outer": 0.6},
    {"name": "dark", "inner": 1.05, "outer": 1.5},
    {"name": "dpc", "shape": "quadrants", "outer": 1.0},
)
SEEN = {"as it is": ("128x128:float32", 51.2), "longer": ("128x128:float32", 64.0), "binned": ("64x64:float32", 51.2)}


def maps_of(folder: Path, detector: str, max_angle_mrad: float) -> dict[str, Float32Array]:
    """Its maps, analysed from a file that says nothing but the pixels."""
    simulation = Simulation(
        SimulationSettings(
            detector=detector_model(detector), scan_shape=SHAPE, step_nm=(0.03, 0.03), max_angle_mrad=max_angle_mrad
        )
    )
    frames = np.concatenate([block.frames for block in simulation.blocks()])
    path = folder / f"{detector.split(':')[0]}-{max_angle_mrad}.npy"
    np.save(path, frames.reshape(*SHAPE, *frames.shape[1:]))
    around = Surroundings(
        Settings(detectors=DETECTORS), Meter(new_metrics()), folder, lambda _store: None, lambda *_told: None
    )
    with open_frames(str(path)) as file, measured(file, around, lambda _done: None) as store:
        made = scan_maps(store)
        assert not made.not_made
        return {name: image / np.nanmean(made.maps["sum"]) for name, image in made.maps.items()}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Float32Array]]:
    folder = tmp_path_factory.mktemp("scenes")
    return {name: maps_of(folder, *how) for name, how in SEEN.items()}


@pytest.mark.parametrize("other", ["longer", "binned"])
@pytest.mark.parametrize("name", ["abf", "inner_bf", "dark", "dpc_1", "dpc_4", "dpc_x", "dpc_y"])
def test_the_maps_are_the_same(seen: dict[str, dict[str, Float32Array]], name: str, other: str) -> None:
    one, two = seen["as it is"][name].ravel(), seen[other][name].ravel()
    assert np.corrcoef(one, two)[0, 1] > 0.98
    if name not in ("dpc_x", "dpc_y"):
        assert abs(two.mean() / one.mean() - 1) < 0.08, "only pixels at the edges differ"


def test_quadrants_point_where_the_com_does(seen: dict[str, dict[str, Float32Array]]) -> None:
    maps = seen["as it is"]
    for axis in ("x", "y"):
        assert np.corrcoef(maps[f"dpc_{axis}"].ravel(), maps[f"com_{axis}"].ravel())[0, 1] > 0.9
