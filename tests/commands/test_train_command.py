"""`train` and what its checkpoints are good for, with real processes on simulated scans."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.rrvae.checkpoint import load

GEOMETRY = ("--semiangle-mrad", "31")


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=110)


def simulated(path: Path, detector: str, *more: str) -> Path:
    arguments = ("--scan-shape", "24x24", "--step-nm", "0.02", "--detector", detector, *more)
    done = run("detector_sim.write_frames", str(path), *arguments)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("train")


@pytest.fixture(scope="module")
def scan(folder: Path) -> Path:
    return simulated(folder / "graphene.npy", "96x96:float32")


@pytest.fixture(scope="module")
def checkpoint(folder: Path, scan: Path) -> Path:
    noisy = simulated(folder / "noisy.npy", "64x64:uint16", "--dose", "1e5")
    out = folder / "model.safetensors"
    done = run("stream_rrvae", "train", str(scan), str(noisy), "--out", str(out), "--seconds", "6", *GEOMETRY)
    assert done.returncode == 0, done.stderr
    assert "graphene.npy: |r" in done.stdout and "nats a frame" in done.stdout
    return out


def test_a_checkpoint_says_what_it_was_trained_on(checkpoint: Path) -> None:
    stored = load(checkpoint)
    first, second = stored.provenance["scans"]
    assert (first["frames"], first["counts_per_frame"]) == (576, None)
    assert second["counts_per_frame"] == pytest.approx(1e5, rel=0.1)
    assert first["calibration"]["mrad_per_px"] == pytest.approx(102.4 / 96, rel=0.01)
    assert stored.provenance["settings"]["seed"] == 0 and stored.licence == ""


def applied(checkpoint: str, scan: Path, out: Path) -> dict[str, float]:
    done = run(
        "stream_rrvae",
        "analyse",
        str(scan),
        "--out",
        str(out),
        "--mode",
        "apply",
        "--checkpoint",
        checkpoint,
        *GEOMETRY,
    )
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as results:
        assert np.isfinite(results["entry/maps/rotation"][()]).all()
        quality = results["entry/quality"]
        assert "n_trained" not in quality
        return {"r": abs(quality["pearson_latent_com"][0]), "angle_deg": quality["angle_error_deg"][()]}


def test_it_is_applied_to_another_detector_as_well_as_to_its_own(checkpoint: Path, scan: Path, folder: Path) -> None:
    own = applied(str(checkpoint), scan, folder / "own.h5")
    other = applied(str(checkpoint), simulated(folder / "large.npy", "128x128:float32"), folder / "other.h5")
    assert own["r"] > 0.98 and own["angle_deg"] < 3.0
    assert other["r"] > own["r"] - 0.01 and other["angle_deg"] < own["angle_deg"] + 0.5


def test_the_packaged_model_is_applied_by_name(scan: Path, folder: Path) -> None:
    found = applied("pretrained", scan, folder / "packaged.h5")
    assert found["r"] > 0.98 and found["angle_deg"] < 3.0


def test_the_spatial_decoder_is_trained_from_one_file(scan: Path, folder: Path) -> None:
    out = folder / "spatial.safetensors"
    done = run(
        "stream_rrvae",
        "train",
        str(scan),
        "--out",
        str(out),
        "--decoder",
        "spatial",
        "--latents",
        "3",
        "--seconds",
        "1",
    )
    assert done.returncode == 0, done.stderr
    assert load(out).name == "spatial" and load(out).settings["spec"]["latents"] == 3


def test_the_spatial_decoder_learns_offline(scan: Path, folder: Path) -> None:
    out = folder / "spatial.h5"
    model = ("--decoder", "spatial", "--latents", "1", "--seconds", "8", "--context", "scan")
    done = run("stream_rrvae", "analyse", str(scan), "--out", str(out), *model, *GEOMETRY)
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as results:
        assert results["entry/process/model/decoder"][()] == b"spatial"
        assert results["entry/process/settings/context"][()] == b"scan"
        assert results["entry/quality/context_used"][()] == 0.0  # frames without noise need none
        assert abs(results["entry/quality/pearson_latent_com"][0]) > 0.9
        assert results["entry/quality/angle_error_deg"][()] < 10.0


def test_what_cannot_be_learnt_from_is_status_1_and_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "dark.npy", np.zeros((10, 10, 16, 16), np.uint16))
    for source, word in (("dark.npy", "nothing can be learnt"), ("absent.npy", "not there")):
        ended = run("stream_rrvae", "train", str(tmp_path / source), "--out", str(tmp_path / "m.safetensors"))
        assert ended.returncode == 1
        assert word in ended.stderr.splitlines()[-1] and "Traceback" not in ended.stderr
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize("wrong", [("--latents", "0"), ("--decoder", "other"), ("--seconds", "0")])
def test_wrong_usage_is_status_2(tmp_path: Path, wrong: tuple[str, str]) -> None:
    ended = run("stream_rrvae", "train", "x.npy", "--out", str(tmp_path / "m"), *wrong)
    assert ended.returncode == 2 and wrong[0] in ended.stderr
