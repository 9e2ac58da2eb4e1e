"""A stream with faults, recorded; the recording sent again, or analysed: the same maps to the last bit."""

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
from stream_rrvae.recording.frame_file import open_frames

if TYPE_CHECKING:
    from tests.integration.conftest import Serving

FAULTS = ("drop", "duplicate", "reorder", "truncate", "corrupt", "wrong_shape", "nodata")
SCAN = ("--scan-shape", "24x20", "--detector", "32x32:uint16", "--dose", "2000", "--scans", "1", "--seed", "5")
QUICK = ("--mode", "off", "--scans", "1")
# Given to the live service alone: the recording knows it.
GEOMETRY = ("--semiangle-mrad", "27", "--detector-rotation-deg", "30", "--detector-flip")


@pytest.mark.parametrize(
    ("protocol", "again_as"),
    [("dectris-v2", "native+pull"), pytest.param("native", "dectris-v2", marks=pytest.mark.slow)],
)
def test_replayed_and_analysed_maps_are_those_of_the_live_scan(
    tmp_path: Path, serve: Callable[..., Serving], protocol: str, again_as: str
) -> None:
    source = "native+pull" if protocol == "native" else protocol
    records = tmp_path / "records"
    faults = [argument for name in FAULTS for argument in ("--fault", f"{name}=0.03")]
    # Nothing is announced: where the disc is found depends on which frames came first.
    settings = ("--protocol", protocol, "--bind", "tcp://127.0.0.1:*", "--announce", "shape", *SCAN, *faults)
    with Child("simulator", "detector_sim", *settings) as simulator:
        url = f"{source}://127.0.0.1:{_port(simulator)}"
        live = serve(url, *QUICK, *GEOMETRY, "--record", str(records))
        assert live.process.process.wait(90) == 0
    (first,) = live.out.glob("*.results.h5")
    (recording,) = records.iterdir()

    to = ("--to", f"{again_as}://127.0.0.1:*", "--speed", "max")
    with Child("replay", "stream_rrvae", "replay", str(recording), *to) as replay:
        again = serve(f"{again_as}://127.0.0.1:{_port(replay)}", *QUICK)
        assert again.process.process.wait(90) == 0
        replay.line_with("sent")
    (second,) = set(again.out.glob("*.results.h5")) - {first}
    _same_maps(first, second)

    offline = tmp_path / "offline.h5"
    command = [sys.executable, "-m", "stream_rrvae", "analyse", str(recording), "--out", str(offline), "--mode", "off"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _same_maps(first, offline)
    with open_frames(str(recording)) as frames, h5py.File(first) as file:
        assert file["entry/maps"].attrs["vector_axes"] == "scan"
        quality = file["entry/quality"]
        # What was no frame of this scan (too short, of another shape) is refused live and not recorded.
        assert 0 < frames.n_arrivals <= quality["frames_received"][()]
        assert quality["frames_missing"][()] > 0 and quality["frames_refused"][()] > 0
        assert np.isfinite(file["entry/maps/sum"][()]).sum() <= frames.present.sum() < frames.n_frames


def _port(child: Child) -> str:
    return child.line_with("bound").rpartition(":")[2]


def _same_maps(first: Path, second: Path) -> None:
    with h5py.File(first) as one, h5py.File(second) as other:
        assert set(one["entry/maps"]) == set(other["entry/maps"])
        for name in one["entry/maps"]:
            np.testing.assert_array_equal(one[f"entry/maps/{name}"], other[f"entry/maps/{name}"], err_msg=name)
        for name in ("processed", "duplicate", "reordered"):
            path = f"entry/quality/frames_{name}"
            assert one[path][()] == other[path][()], name
