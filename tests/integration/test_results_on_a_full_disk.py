"""A disk that has no room for a scan's results costs these results: the service goes on, and writes the next scan's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from stream_rrvae.commands.children import Child

if TYPE_CHECKING:
    from tests.conftest import MountDisk
    from tests.integration.conftest import Detector, Specimen

APPENDIX = {"scan_shape": [16, 16], "calibration": {"semiangle_mrad": 27.0, "detector_rotation_rad": 0.0}}


@pytest.fixture
def full_disk(mount_disk: MountDisk) -> Path:
    """A file system of 2 MiB with a file `ballast` in it that takes all but a page."""
    disk = mount_disk(2)
    (disk / "ballast").write_bytes(bytes((2 << 20) - 4096))
    return disk


def send(detector: Detector, specimen: Specimen) -> None:
    """A whole scan."""
    detector.start(specimen.frames, user_data=APPENDIX)
    for number, frame in enumerate(specimen.frames):
        detector.image(number, frame)
    detector.end()


def told_of(service: Child, text: str) -> str:
    """Its next line with this in it."""
    return next(line for line in service.lines() if text in line)


def test_the_service_outlives_results_that_find_no_room(
    detector: Detector, specimen: Specimen, full_disk: Path, tmp_path: Path
) -> None:
    feed = f"ipc://{tmp_path}/feed"
    told = ("--feed", feed, "--out", str(full_disk), "--mode", "off", "--scans", "2", "--log-format", "json")
    with Child("service", "stream_rrvae", "serve", "--source", detector.url, *told, log=True) as service:
        service.line_with("ready")
        send(detector, specimen)
        assert "free some space" in told_of(service, '"results_not_written"')
        assert [path.name for path in full_disk.iterdir()] == ["ballast"]
        (full_disk / "ballast").unlink()
        send(detector, specimen)
        told_of(service, '"results_written"')
        assert any("No space left" in line for line in service.lines()), "it is told at the end as well"
        assert service.process.wait() == 1
    (results,) = full_disk.iterdir()
    with h5py.File(results, "r") as file:
        assert np.isfinite(file["entry/maps/sum"][()]).all()
