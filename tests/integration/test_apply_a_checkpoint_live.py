"""The service with a model from a file: encoded during the scan, never trained, on either decoder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from stream_rrvae.commands.children import Child
from stream_rrvae.config import DECODERS

if TYPE_CHECKING:
    from tests.integration.conftest import Serving, Specimen

GEOMETRY = ("--semiangle-mrad", "27", "--mrad-per-px", "2.077")
SECONDS = {"harmonic": "4", "exact": "6", "spatial": "10"}


def turned_by_half(frames: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frames[:, ::-1, ::-1])


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_checkpoint_is_applied_live_to_a_scan_it_never_saw(
    tmp_path: Path, specimen: Specimen, serve: Callable[..., Serving], decoder: str
) -> None:
    frames = specimen.frames.reshape(*specimen.scan_shape, 40, 40)
    np.save(tmp_path / "seen.npy", frames)
    np.save(tmp_path / "unseen.npy", turned_by_half(specimen.frames).reshape(frames.shape))
    model = tmp_path / "model.safetensors"
    said = ("--out", str(model), "--decoder", decoder, "--seconds", SECONDS[decoder], "--latents", "1", *GEOMETRY)
    command = [sys.executable, "-m", "stream_rrvae", "train", str(tmp_path / "seen.npy"), *said]
    trained = subprocess.run(command, capture_output=True, text=True)
    assert trained.returncode == 0, trained.stderr
    to = ("--to", "native+pull://127.0.0.1:*", "--speed", "max")
    with Child("replay", "stream_rrvae", "replay", str(tmp_path / "unseen.npy"), *to, *GEOMETRY) as replay:
        port = replay.line_with("bound").rpartition(":")[2]
        apply = ("--mode", "apply", "--checkpoint", str(model), "--latents", "1", "--scans", "1")
        serving = serve(f"native+pull://127.0.0.1:{port}", *apply)
        replay.line_with("sent 256 of 256 frames")
        assert serving.process.process.wait(60) == 0
    (found,) = serving.out.glob("*.results.h5")
    with h5py.File(found) as results:
        assert "n_trained" not in results["entry/quality"]
        rotation = results["entry/maps/rotation"][()].ravel()
    error = np.angle(np.exp(1j * (rotation - specimen.direction - np.pi)))
    assert np.degrees(np.average(np.abs(error), weights=specimen.strength)) < 15
