"""The derived maps of a simulated graphene scan, seen by a turned and mirrored detector, know where the atoms are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from detector_sim.specimen import named_specimen
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.scan_store import ScanStore

SHAPE = (48, 48)
Maps = dict[str, NDArray[np.floating]]


@pytest.fixture(params=[(0.0, False), (40.0, True)], ids=["straight", "turned and mirrored"])
def maps(request: pytest.FixtureRequest, make_store: Callable[..., ScanStore], tmp_path: Path) -> Maps:
    """Of the true COM on the detector."""
    rotation_deg, flip = request.param
    settings = SimulationSettings(
        detector=detector_model("32x32:float32"), scan_shape=SHAPE, rotation_deg=rotation_deg, flip=flip
    )
    simulation = Simulation(settings)
    for _ in simulation.blocks():
        pass
    truth = simulation.truth()
    store = make_store(SHAPE, calibration=truth.calibration)
    store.com_y[:], store.com_x[:] = truth.com_detector_px.reshape(-1, 2).T
    store.coverage[:] = 1
    with h5py.File(write_results(tmp_path / "a.h5", store, Provenance(1e9, 1e9 + 1, {}))) as file:
        found: Maps = {name: data[()] for name, data in file["entry/maps"].items()}
    positions = truth.positions_nm.reshape(*SHAPE, 2)
    atoms = np.concatenate(list(named_specimen("graphene").atoms_within(np.zeros(2), 30.0).values())) / 10
    return found | {"distance": np.linalg.norm(positions[:, :, None] - atoms, axis=-1).min(axis=-1)}


def test_charge_is_most_positive_at_atoms_and_negative_between(maps: Maps) -> None:
    charge, distance = maps["charge_density"], maps["distance"]
    strongest = charge > np.nanquantile(charge, 0.97)
    assert distance[strongest].max() < 0.05
    assert np.nanmax(charge[distance > 0.12]) < 0  # the middle of a ring
    divergence = maps["divergence"]
    assert distance[divergence < np.nanquantile(divergence, 0.03)].max() < 0.05
    # What is left is of the differences: lattice waves are but ten positions long.
    assert np.nanmean(np.abs(maps["curl"])) < 0.04 * np.nanmean(np.abs(divergence))


def test_the_phase_has_its_maxima_at_atoms(maps: Maps) -> None:
    phase, distance = maps["dpc_phase"], maps["distance"]
    assert phase[distance < 0.03].mean() > phase[distance > 0.11].mean() + phase.std()
