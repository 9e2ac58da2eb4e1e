"""`info` on files of ours, and on others'."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.messages import Calibration, Counters, ModelStatus, ScanStart, ScanState
from stream_rrvae.scan_store import Account, ScanStore, StoreShape

LINES_OF_A_SCREEN = 50


def info(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "stream_rrvae", "info", name], capture_output=True, text=True)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    start = ScanStart("scan-7", 1, (8, 8), "uint16", 12, (3, 4), calibration=Calibration(mrad_per_px=2.0))
    with ScanStore.create(start, StoreShape((3, 4), (8, 8), 78, 2), {}, folder=tmp_path) as store:
        store.sum[:] = np.arange(12)
        store.coverage[:] = 1
        store.write_account(Account(ScanState.COMPLETE, Counters(expected=12, received=12, processed=12)))
        store.write_status(ModelStatus(3, "ready", "finetune", "", {"pearson_latent_com": [-0.98, 0.01]}))
        settings = {"learn": {"decoder": "spatial", "seed": 5}}
        return write_results(tmp_path / "a.results.h5", store, Provenance(0.0, 1.0, settings))


def test_a_results_file_in_one_screen(results: Path) -> None:
    shown = info(str(results))
    assert shown.returncode == 0, shown.stderr
    for word in ("scan-7", "3x4", "complete", "12 received", "version 3", "decoder spatial", "-0.98", "mrad", "com_x"):
        assert word in shown.stdout
    assert "0 to 11 counts" in shown.stdout and "12 not measured" in shown.stdout
    assert len(shown.stdout.splitlines()) <= LINES_OF_A_SCREEN


def test_the_packaged_model_in_one_screen() -> None:
    shown = info("pretrained")
    assert shown.returncode == 0, shown.stderr
    for word in ("harmonic", "2 latents", "orders 0..12", "MIT", "graphene-silicon", "graphene-wall", "sha256"):
        assert word in shown.stdout
    assert len(shown.stdout.splitlines()) <= LINES_OF_A_SCREEN


def test_other_files_are_status_1_and_one_line(tmp_path: Path, results: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["entry/definition"] = "NXmx"
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    (tmp_path / "text").write_text("no model")
    (tmp_path / "cut.h5").write_bytes(results.read_bytes()[:600])
    for name in ("other.h5", "empty.h5", "text", "cut.h5", "absent", "."):
        shown = info(str(tmp_path / name))
        assert shown.returncode in (1, 2), name
        assert "Traceback" not in shown.stderr and shown.stdout == ""
