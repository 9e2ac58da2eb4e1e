"""A service that is told neither centre, scale nor rotation finds them while a simulated scan runs, and says so."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.calibration.site_file import load_site
from stream_rrvae.commands.children import Child
from tests.integration.conftest import Serving

ROTATION_DEG = 130.0


def simulator(rate: str) -> Child:
    return Child(
        "simulator", "detector_sim", "--protocol", "native", "--bind", "tcp://127.0.0.1:*",
        "--detector", "32x32:uint16", "--scan-shape", "48x48", "--dose", "10000", "--rate", rate,
        "--announce", "shape", "--scans", "1",
        "--rotation-deg", str(ROTATION_DEG), "--flip", "--descan-px", "0.6,-0.4", "--beam-offset-px", "1.3,-0.8",
    )  # fmt: skip


@pytest.mark.parametrize("wish", ["given", "find"])
def test_a_rotation_is_suggested_and_used_where_that_is_wished(serve: Callable[..., Serving], wish: str) -> None:
    with simulator("2000") as source:
        serving = serve(
            f"native+pull://{source.line_with('bound tcp://')}",
            *("--mode", "off", "--semiangle-mrad", "31", "--rotation", wish, "--descan", "plane"),
        )
        snapshot = serving.until(lambda seen: seen.found is not None and seen.found.positions == 48 * 48)
    assert snapshot.found is not None
    found = snapshot.found
    assert found.rotation is not None
    assert math.degrees(found.rotation.rotation_rad) == pytest.approx(ROTATION_DEG, abs=1.5)
    assert found.rotation.flip
    assert found.pattern is not None
    assert found.pattern.center_px == pytest.approx((15.5 + 1.3, 15.5 - 0.8), abs=0.1)
    assert found.descan is not None
    assert found.descan.terms_px == pytest.approx(np.array([(0.6, 0.0), (0.0, -0.4)]), abs=0.05)
    assert snapshot.descan_removed is not None
    assert snapshot.calibration_origin["semiangle_mrad"] == "settings"
    assert snapshot.calibration_origin["beam_center_px"] == "fitted"
    used = wish == "find"
    snapshot = serving.until(lambda seen: (seen.rotation_origin == "fitted") is used)
    assert snapshot.axes == ("scan" if used else "detector")
    path = _results_of(serving)
    with h5py.File(path) as file:
        assert file["entry/maps"].attrs["vector_axes"] == ("scan" if used else "detector")
        assert json.loads(file["entry/geometry/found"][()])["rotation"]["trusted"]


def test_calibrate_takes_a_scan_from_a_detector(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    with simulator("max") as source:
        endpoint = f"native+pull://{source.line_with('bound tcp://')}"
        arguments = ("--source", endpoint, "--semiangle-mrad", "31", "--camera-length", "80", "--out", str(site))
        with Child("calibrate", "stream_rrvae", "calibrate", *arguments) as calibrate:
            assert "picture:" in calibrate.line_with(str(site))
    entry = load_site(site).at(80.0)
    assert entry is not None
    assert entry.rotation_deg == pytest.approx(ROTATION_DEG, abs=1.5)
    assert entry.mrad_per_px == pytest.approx(3.2, rel=0.02)


def _results_of(serving: Serving) -> Path:
    """The results file, once it is written: the service's end waits for it."""
    serving.process.stop()
    (path,) = serving.out.glob("*.results.h5")
    return path
