from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.errors import FileFormatError
from stream_rrvae.maps.results import Provenance, free_name, summary, write_results
from stream_rrvae.maps.results_summary import results_lines
from stream_rrvae.messages import Counters, ModelStatus, ScanState
from stream_rrvae.scan_store import Account, LearnerMaps, ScanStore

PROVENANCE = Provenance(
    1e9,
    1e9 + 5,
    {
        "source": "native+pull://127.0.0.1:1",
        "seed": 3,
        "learn": {"latents": 3, "decoder": "harmonic", "seed": 5, "checkpoint": None},
    },
)

MODEL: dict[str, str | int] = {"decoder": "spatial", "latents": 2, "began_with": "checkpoint", "sha256": "ab12"}


@pytest.fixture
def written(filled_store: ScanStore, tmp_path: Path) -> Path:
    n = filled_store.shape.n_positions
    filled_store.write_account(
        Account(ScanState.COMPLETE, Counters(expected=20, received=19, missing=1, processed=19, refusals={"decode": 0}))
    )
    quality: dict[str, float | list[float]] = {"pearson_latent_com": [-0.99, 0.1], "angle_error_deg": 0.7}
    status = ModelStatus(version=4, state="ready", mode="finetune", quality=quality, model=MODEL)
    filled_store.write_maps(
        LearnerMaps(status, np.zeros(n, "f4"), np.ones(n, "f4"), np.arange(2 * n, dtype="f4").reshape(2, n))
    )
    return write_results(tmp_path / "new" / "a.results.h5", filled_store, PROVENANCE)


def test_layout_is_nexus_with_units_and_axes(written: Path) -> None:
    with h5py.File(written) as file:
        entry = file["entry"]
        assert file.attrs["default"] == "entry"
        assert entry.attrs["NX_class"] == "NXentry"
        assert entry["maps"].attrs["NX_class"] == "NXdata"
        assert list(entry["maps"].attrs["axes"]) == ["scan_y", "scan_x"]
        assert entry["maps"].attrs["vector_axes"] == "scan"
        np.testing.assert_allclose(entry["maps/scan_x"], 0.2 * np.arange(5), rtol=1e-6)
        assert json.loads(entry["configuration"][()])["seed"] == 3
        assert entry["start_time"][()].startswith(b"2001-09-09T01:46:40")


def test_every_map_of_the_interface_is_there(written: Path) -> None:
    names = {
        "sum": "counts", "com_x": "mrad", "com_y": "mrad", "com_magnitude": "mrad", "com_direction": "rad",
        "rotation": "rad", "rotation_confidence": "1", "misfit": "1", "latent_1": "1", "latent_2": "1",
        "bright_field": "counts", "annular_dark_field": "counts", "dpc_phase": "rad", "coverage": "1",
    }  # fmt: skip
    with h5py.File(written) as file:
        for name, unit in names.items():
            data = file[f"entry/maps/{name}"]
            assert data.shape == (4, 5), name
            assert data.dtype == (np.uint8 if name == "coverage" else np.float32), name
            assert data.attrs["units"] == unit, name
        assert np.isnan(file["entry/maps/sum"][3, 4])


def test_quality_and_process(written: Path) -> None:
    with h5py.File(written) as file:
        quality = file["entry/quality"]
        assert quality["frames_expected"][()] == 20
        assert quality["frames_missing"][()] == 1
        np.testing.assert_allclose(quality["pearson_latent_com"], [-0.99, 0.1])
        assert file["entry/model_version"][()] == 4
        assert file["entry/process/mode"][()] == b"finetune"
        assert {n: d[()] for n, d in file["entry/process/settings"].items()} == {"seed": 5}


def test_the_model_that_made_the_maps_is_recorded_and_not_the_setting(written: Path) -> None:
    with h5py.File(written) as file:
        told = {name: item[()] for name, item in file["entry/process/model"].items()}
    assert told == {"decoder": b"spatial", "latents": 2, "began_with": b"checkpoint", "sha256": b"ab12"}
    assert any("made by" in line and "decoder spatial" in line for line in results_lines(written))


def test_summary_is_one_line_with_the_figures(written: Path, tmp_path: Path) -> None:
    assert summary(written) == (
        "19 frames received, 1 missing, model version 4, r(latent 1, |COM|) = -0.9900, "
        "angle between rotation and COM 0.70 degrees"
    )
    (tmp_path / "no.h5").write_text("not HDF5")
    with pytest.raises(FileFormatError, match="no results file"):
        summary(tmp_path / "no.h5")


def test_a_failing_write_leaves_nothing_behind(filled_store: ScanStore, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(FileFormatError, match="--out"):
        write_results(tmp_path / "taken" / "a.results.h5", filled_store, PROVENANCE)


def test_names_are_never_taken_twice(tmp_path: Path) -> None:
    first = free_name(tmp_path, "run")
    first.touch()
    second = free_name(tmp_path, "run")
    second.touch()
    assert [first.name, second.name, free_name(tmp_path, "run").name] == [
        "run.results.h5", "run-2.results.h5", "run-3.results.h5",
    ]  # fmt: skip
