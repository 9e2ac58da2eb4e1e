"""`stream_rrvae.open`: frames like a numpy array, maps with units, from whatever file."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import stream_rrvae
from stream_rrvae.errors import ConfigError, FileFormatError
from stream_rrvae.maps.exports.export import export
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.messages import Calibration, Counters, ScanStart, ScanState
from stream_rrvae.scan_store import Account, ScanStore
from stream_rrvae.wire.pixels import encode_bslz4

SHAPE = (4, 5, 6, 7)
CALIBRATION = Calibration(
    mrad_per_px=2.0, semiangle_mrad=31.0, scan_step_nm=(0.1, 0.2), detector_rotation_rad=0.0, beam_energy_ev=60e3
)
README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def data() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 999, SHAPE, np.uint16)


@pytest.fixture
def npy(tmp_path: Path, data: NDArray[np.uint16]) -> Path:
    np.save(tmp_path / "scan.npy", data)
    return tmp_path / "scan.npy"


@pytest.fixture
def results(filled_store: ScanStore, tmp_path: Path) -> Path:
    filled_store.write_account(Account(ScanState.COMPLETE, Counters(expected=20, received=19, missing=1, processed=19)))
    return write_results(tmp_path / "results.h5", filled_store, Provenance(1e9, 1e9 + 5, {}))


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("numpy", "h5py", "torch", "numba", "dask", "distributed", "xarray", "zmq", "bokeh", "click")
    code = f"import sys, stream_rrvae; print(stream_rrvae.open, [m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    "key",
    [
        (2, 3), 1, -1, (slice(None), 3), (slice(1, 3), slice(None, None, 2)), (slice(None, None, -1), slice(4, 1, -1)),
        (..., 2), (1, ..., slice(2, 5)), (0, 0, 5, 6), (slice(2, 2), 1), (slice(None), slice(0, 0)), ...,
        (np.int64(3),), (slice(1, 3), slice(1, 4), slice(None, None, 3), -2),
    ],
)  # fmt: skip
def test_frames_index_like_the_array_in_the_file(npy: Path, data: NDArray[np.uint16], key: Any) -> None:
    with stream_rrvae.open(npy) as scan:
        found = scan.frames[key]
        assert found.shape == data[key].shape
        np.testing.assert_array_equal(found, data[key])


def test_frames_know_their_size_and_take_a_mask(npy: Path, data: NDArray[np.uint16]) -> None:
    with stream_rrvae.open(str(npy)) as scan:
        frames = scan.frames
        assert (frames.shape, frames.dtype.name, frames.ndim, len(frames)) == (SHAPE, "uint16", 4, 4)
        assert frames.nbytes == data.nbytes
        mask = data[:, :, 0, 0] > 500
        np.testing.assert_array_equal(frames[mask], data[mask])
        np.testing.assert_array_equal(np.asarray(frames), data)
        assert scan.calibration == Calibration()


@pytest.mark.parametrize("key", [(4, 0), (0, -6), 1.5, "x", (0, 0, 0, 0, 0), (..., ...), [1, 2], (None, 0), (0, 0, 9)])
def test_what_is_no_index_is_refused(npy: Path, key: Any) -> None:
    with stream_rrvae.open(npy) as scan, pytest.raises(IndexError):
        scan.frames[key]
    with stream_rrvae.open(npy) as scan, pytest.raises(IndexError, match="does not fit"):
        scan.frames[np.ones((5, 4), np.bool_)]


def test_closed_frames_say_so_and_maps_stay(
    npy: Path, results: Path, tmp_path: Path, data: NDArray[np.uint16], record: Callable[..., Path]
) -> None:
    start = ScanStart("scan", 1, (6, 7), "uint16", 20, (4, 5))
    folder = record(tmp_path, start, [encode_bslz4(frame) for frame in data.reshape(-1, 6, 7)], range(20), results)
    for source in (npy, folder):
        with stream_rrvae.open(source) as scan:
            frames = scan.frames
        with pytest.raises(FileFormatError, match="closed"):
            frames[0, 0]
    assert scan.arrays["com_x"].values.shape == (4, 5)


def test_frames_are_a_dask_array_that_opens_the_file_by_itself(npy: Path, data: NDArray[np.uint16]) -> None:
    pytest.importorskip("dask.array", reason="NOT CHECKED as a dask array: pip install 'stream-rrvae[dask]'")
    with stream_rrvae.open(npy) as scan:
        lazy = scan.frames.dask(chunk_bytes=2 * data[0].nbytes)
    assert (lazy.shape, lazy.dtype, lazy.chunks[0]) == (SHAPE, np.uint16, (2, 2))
    np.testing.assert_array_equal(lazy.compute(), data)
    np.testing.assert_array_equal(lazy.mean(axis=(0, 1)).compute(), data.mean(axis=(0, 1)))


def test_maps_are_xarray_with_axes_and_units(results: Path) -> None:
    pytest.importorskip("xarray", reason="NOT CHECKED with xarray: pip install 'stream-rrvae[notebook]'")
    with stream_rrvae.open(results) as scan:
        maps = scan.maps
    assert maps["com_x"].dims == ("scan_y", "scan_x")
    assert maps["com_x"].attrs == {"units": "mrad", "long_name": "COM x"}
    np.testing.assert_allclose(maps["scan_x"], [0, 0.2, 0.4, 0.6, 0.8])
    assert maps["scan_y"].attrs["units"] == "nm"
    assert np.isnan(maps["sum"].sel(scan_y=0.3, scan_x=0.8, method="nearest"))
    with h5py.File(results) as file:
        for name in maps.data_vars:
            np.testing.assert_array_equal(maps[name], file[f"entry/maps/{name}"])


def test_without_xarray_there_are_arrays_and_it_says_what_to_install(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)  # what the import system itself uses for "not there"
    with stream_rrvae.open(results) as scan:
        com = scan.arrays["com_y"]
        assert com.units == "mrad"
        np.testing.assert_array_equal(np.asarray(com), com.values)
        with pytest.raises(ConfigError, match=r"pip install 'stream-rrvae\[notebook\]'"):
            _ = scan.maps


def test_calibration_quality_and_a_nice_face(results: Path) -> None:
    with stream_rrvae.open(results) as scan:
        assert scan.calibration == CALIBRATION
        assert (scan.quality["frames_received"], scan.quality["frames_missing"]) == (19, 1)
        assert scan.scan_shape == (4, 5)
        for face in (repr(scan), scan._repr_html_()):
            assert "4 x 5 positions" in face and "com_magnitude" in face and "2 mrad per px" in face
        with pytest.raises(FileFormatError, match="no frames"):
            _ = scan.frames


def test_a_recording_has_both_and_says_what_is_missing(
    results: Path, tmp_path: Path, data: NDArray[np.uint16], record: Callable[..., Path]
) -> None:
    start = ScanStart("scan", 1, (6, 7), "uint16", 20, (4, 5), calibration=CALIBRATION)
    numbers = [3, 2, *range(4, 20), 3]  # 0 and 1 are missing, 3 comes twice
    payloads = [encode_bslz4(frame) for frame in data.reshape(-1, 6, 7)[numbers]]
    folder = record(tmp_path, start, payloads, numbers, results)
    for source in (folder, folder / "master.h5"):
        with stream_rrvae.open(source) as scan:
            assert scan.frames.present.sum() == 18
            np.testing.assert_array_equal(scan.frames[0, 2:], data[0, 2:])
            assert not scan.frames[0, :2].any()
            assert scan.arrays["com_x"].units == "mrad"
            assert scan.calibration == CALIBRATION
    assert export(folder, tmp_path / "out", ["csv"]) == [tmp_path / "out" / "scan.csv"]


def test_frames_without_maps_say_how_to_make_them(npy: Path) -> None:
    with stream_rrvae.open(npy) as scan, pytest.raises(FileFormatError, match="stream-rrvae analyse"):
        _ = scan.quality


@pytest.mark.parametrize("given", [{"scan_shape": (4, 5)}, {"channel": "threshold_1"}])
def test_what_is_said_of_frames_is_refused_for_a_results_file(results: Path, given: dict[str, Any]) -> None:
    with pytest.raises(FileFormatError, match="results file and has no frames: leave scan_shape and channel out"):
        stream_rrvae.open(results, **given)


def test_what_is_not_there_or_nothing_of_ours_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("text")
    for name in ("nowhere.h5", "text.h5"):
        with pytest.raises(FileFormatError, match=name):
            stream_rrvae.open(tmp_path / name)
    (tmp_path / "scan-1.results.h5").touch()
    with pytest.raises(FileFormatError, match=r"1 results.* such as scan-1.results.h5"):
        stream_rrvae.open(tmp_path)


def test_the_example_of_the_readme_runs(
    npy: Path, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("xarray", reason="NOT CHECKED with xarray: pip install 'stream-rrvae[notebook]'")
    examples = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = [text for text in examples if "stream_rrvae.open" in text]
    monkeypatch.chdir(npy.parent)
    exec(example, {})
    assert "mrad" in capsys.readouterr().out
