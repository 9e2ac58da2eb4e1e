"""A serpentine scan with flyback, twice over a part of a larger one: sent, served, recorded and analysed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import hdf5plugin  # noqa: F401  else the recording's frames cannot be opened
import numpy as np

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.batch.measure import measured
from stream_rrvae.commands.children import Child
from stream_rrvae.config import Settings
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.scan_path import ScanPath

if TYPE_CHECKING:
    from tests.integration.conftest import Serving

PART = (8, 9, 2, 3)  # rows, columns, first row, first column
WAY = ("--flyback", "2", "--frame-flyback", "3", "--serpentine", "--passes", "2", "--sub-scan", "8x9+2+3")
SCENE = ("--detector", "32x32:uint16", "--dose", "20000", "--scan-shape", "12x14", "--seed", "4")


def test_the_maps_are_those_of_a_plain_raster(serve: Callable[..., Serving], tmp_path: Path) -> None:
    plain = Simulation(
        SimulationSettings(
            detector=detector_model("32x32:uint16"), dose_electrons=20_000, scan_shape=(12, 14), sub_scan=PART, seed=4
        )
    )
    frames = np.concatenate([block.frames for block in plain.blocks()])
    sums = frames.sum(axis=(1, 2)).reshape(8, 9)
    with Child(
        "simulator", "detector_sim", "--protocol", "dectris-v2", "--bind", "tcp://127.0.0.1:*", "--scans", "1",
        *SCENE, *WAY,
    ) as simulator:  # fmt: skip
        source = f"dectris-v2://{simulator.line_with('bound tcp://')}"
        record = tmp_path / "recorded"
        serving = serve(source, "--mode", "off", "--scans", "1", "--record", str(record), "--detector", "abf")
        assert serving.process.process.wait(60) == 0
    (results,) = serving.out.glob("*.results.h5")
    with h5py.File(results) as file:
        maps, quality = file["entry/maps"], file["entry/quality"]
        np.testing.assert_array_equal(maps["sum"][()], 2 * sums)
        assert np.isfinite(maps["abf"][()]).all() and 0 < maps["abf"][()].mean() < 2 * sums.mean()
        np.testing.assert_allclose(maps["scan_y"][()], 0.02 * np.arange(2, 10), rtol=1e-6)
        np.testing.assert_allclose(maps["scan_x"][()], 0.02 * np.arange(3, 12), rtol=1e-6)
        n_frames = 2 * (3 + 8 * 11)
        counts = [int(quality[f"frames_{name}"][()]) for name in ("expected", "received", "missing", "flyback")]
        assert counts == [n_frames, n_frames, 0, n_frames - 2 * 72]
        com_y = maps["com_y"][()]
    (recording,) = record.glob("*/master.h5")
    with h5py.File(recording) as file:
        np.testing.assert_array_equal(file["entry/data/data"][()].reshape(frames.shape), frames)
    around = Surroundings(Settings(), Meter(new_metrics()), tmp_path, lambda _store: None, lambda *_told: None)
    with open_frames(str(recording)) as file:
        assert file.start.path == ScanPath(2, 3, True, 2, (2, 3), (12, 14)) and file.present.all()
        np.testing.assert_array_equal(file.frames(20, 50), frames[20:50])
        with measured(file, around, lambda _done: None) as store:
            np.testing.assert_array_equal(store.sum.reshape(8, 9), 2 * sums)
            assert store.read_account().counters.flyback == n_frames - 2 * 72
            assert np.corrcoef(store.com_y, com_y.ravel())[0, 1] > 0.999 or store.start.calibration.detector_flip


def test_an_endless_series_is_served_and_recorded_scan_by_scan(serve: Callable[..., Serving], tmp_path: Path) -> None:
    with Child(
        "simulator", "detector_sim", "--protocol", "dectris-v2", "--bind", "tcp://127.0.0.1:*", "--scans", "3",
        "--endless", *SCENE,
    ) as simulator:  # fmt: skip
        source = f"dectris-v2://{simulator.line_with('bound tcp://')}"
        record = tmp_path / "recorded"
        serving = serve(source, "--mode", "off", "--scans", "3", "--record", str(record))
        assert serving.process.process.wait(60) == 0
    results = sorted(serving.out.glob("*.results.h5"))
    assert sorted(path.name.removesuffix(".results.h5")[-2:] for path in results) == [".2", ".3", "01"]
    sums = []
    for path in results:
        with h5py.File(path) as file:
            sums.append(file["entry/maps/sum"][()])
            quality = file["entry/quality"]
            counts = [int(quality[f"frames_{name}"][()]) for name in ("expected", "received", "missing", "refused")]
        assert counts == [12 * 14, 12 * 14, 0, 0]
    assert all(np.array_equal(each, sums[0]) for each in sums) and sums[0].min() > 10_000
    recordings = sorted(record.glob("*/master.h5"))
    assert len(recordings) == 3
    for path in recordings:
        with open_frames(str(path)) as file:
            assert file.present.all()
            np.testing.assert_array_equal(file.frames(0, 168).sum(axis=(1, 2)).reshape(12, 14), sums[0])
