"""A scan with flyback, serpentine and in two passes, measured in chunks in any order: the maps of one machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.batch.begun_scan import BegunScan
from stream_rrvae.batch.chunk import measure_chunk
from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.measure import measured
from stream_rrvae.config import ScanSettings, Settings
from stream_rrvae.errors import FileFormatError
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.scan_path import NOWHERE, ScanPath
from stream_rrvae.scan_store import ScanStore
from tests.batch.conftest import FRAME_SHAPE, SCAN_SHAPE, disc_frames

SAID = ScanSettings(line_flyback=3, frame_flyback=2, serpentine=True, passes=2)
SETTINGS = Settings(scan=SAID, detectors=({"name": "abf", "inner": 0.5, "outer": 1.0},))


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames as they are exposed, in a row in a file."""
    path, frames = SAID.over(ScanPath()), disc_frames(3).reshape(-1, *FRAME_SHAPE)
    places = path.positions(np.arange(path.frames_due(SCAN_SHAPE)), SCAN_SHAPE)
    rows = frames[np.maximum(places, 0)]
    rows[places == NOWHERE] = 60_000
    file = tmp_path_factory.mktemp("exposed") / "rows.npy"
    np.save(file, rows)
    return file


def here(path: Path) -> ScanStore:
    around = Surroundings(SETTINGS, Meter(new_metrics()), path.parent, lambda _store: None, lambda *_told: None)
    with open_frames(str(path), SCAN_SHAPE, None, SAID) as frames:
        return measured(frames, around, lambda _done: None)


@pytest.mark.parametrize("order", [1, -1])
def test_chunks_give_the_maps_of_one_machine_and_of_a_raster(exposed: Path, order: int) -> None:
    plain = disc_frames(3).reshape(-1, *FRAME_SHAPE)
    with here(exposed) as reference, open_frames(str(exposed), SCAN_SHAPE, None, SAID) as frames:
        np.testing.assert_array_equal(reference.sum, 2 * plain.sum(axis=(1, 2)))
        np.testing.assert_array_equal(frames.frames(10, 70), plain[10:70])
        scan = BegunScan(Input.of(str(exposed), SCAN_SHAPE, None, SAID), SETTINGS, 40 * 2048)
        assert scan.recipe is not None
        measuring = scan.recipe.measuring()
        for first, last in scan.ranges[::order]:
            scan.take(measure_chunk(frames, measuring, first, last, scan.arrivals_done, SETTINGS.ingest))
        with scan.close() as store:
            for name in ("sum", "bright_field", "detectors", "coverage", "visits"):
                np.testing.assert_array_equal(getattr(store, name), getattr(reference, name), err_msg=name)
            np.testing.assert_allclose(store.com_y, reference.com_y, atol=1e-5)
            np.testing.assert_allclose(store.features, reference.features, atol=2e-3)
            assert store.read_account() == reference.read_account()
            assert store.read_account().counters.flyback == 2 * (2 + 3 * SCAN_SHAPE[0])


def test_a_file_whose_frames_are_not_those_of_the_path_is_refused(exposed: Path) -> None:
    with (
        pytest.raises(FileFormatError, match=r"holds 740 frames, fewer than 16x20 \(1110 frames"),
        open_frames(str(exposed), SCAN_SHAPE, None, ScanSettings(line_flyback=3, frame_flyback=2, passes=3)),
    ):
        pass
