"""A file through the socket and the same file read directly: the same code, so the same numbers."""

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

if TYPE_CHECKING:
    from tests.integration.conftest import Serving, Specimen

GEOMETRY = ("--semiangle-mrad", "27", "--mrad-per-px", "2.077")


@pytest.fixture
def file(tmp_path: Path, specimen: Specimen) -> Path:
    path = tmp_path / "frames.npy"
    np.save(path, specimen.frames.reshape(*specimen.scan_shape, 40, 40))
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "stream_rrvae", *arguments], capture_output=True, text=True)


def test_live_and_offline_maps_are_bit_identical(file: Path, tmp_path: Path, serve: Callable[..., Serving]) -> None:
    offline = tmp_path / "offline.h5"
    done = run("analyse", str(file), "--out", str(offline), "--mode", "off", *GEOMETRY)
    assert done.returncode == 0, done.stderr
    assert "256 frames received, 0 missing" in done.stdout
    to = ("--to", "native+pull://127.0.0.1:*", "--speed", "max")
    with Child("replay", "stream_rrvae", "replay", str(file), *to, *GEOMETRY) as replay:
        port = replay.line_with("bound").rpartition(":")[2]
        serving = serve(f"native+pull://127.0.0.1:{port}", "--mode", "off", "--scans", "1")
        replay.line_with("sent 256 of 256 frames")
        assert serving.process.process.wait(60) == 0
    (live,) = serving.out.glob("*.results.h5")
    with h5py.File(offline) as first, h5py.File(live) as second:
        assert set(first["entry/maps"]) == set(second["entry/maps"])
        for name in first["entry/maps"]:
            np.testing.assert_array_equal(first[f"entry/maps/{name}"], second[f"entry/maps/{name}"], err_msg=name)


def test_learning_offline_finds_the_rotation(file: Path, tmp_path: Path, specimen: Specimen) -> None:
    out = tmp_path / "learnt.h5"
    done = run("analyse", str(file), "--out", str(out), "--seconds", "4", "--latents", "1", *GEOMETRY)
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as results:
        assert "latent_2" not in results["entry/maps"]
        rotation = results["entry/maps/rotation"][()].ravel()
    error = np.angle(np.exp(1j * (rotation - specimen.direction)))
    assert np.degrees(np.average(np.abs(error), weights=specimen.strength)) < 15


def test_a_file_that_is_none_is_status_1_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_text("no")
    ended = run("analyse", str(tmp_path / "x.npy"), "--out", str(tmp_path / "o.h5"))
    assert ended.returncode == 1
    assert ended.stderr.startswith("stream-rrvae: ") and ended.stderr.count("\n") == 1
