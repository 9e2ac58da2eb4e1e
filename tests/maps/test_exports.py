from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dashboards.pictures.map_styles import style_of
from dashboards.pictures.palettes import SEQUENTIAL
from stream_rrvae.errors import ConfigError, FileFormatError
from stream_rrvae.maps.exports.export import export
from stream_rrvae.maps.looks import look_of
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.messages import ModelStatus
from stream_rrvae.scan_store import LearnerMaps, ScanStore

pytest.importorskip("matplotlib", reason="pictures need matplotlib, which is in the extra report")


@pytest.fixture
def results(filled_store: ScanStore, tmp_path: Path) -> Path:
    n = filled_store.shape.n_positions
    quality: dict[str, float | list[float]] = {"pearson_latent_com": [-0.9871, 0.1], "angle_error_deg": 0.73}
    status = ModelStatus(version=3, state="ready", mode="finetune", quality=quality)
    angles = np.linspace(-3, 3, n, dtype=np.float32)
    z = np.linspace(-1, 1, 2 * n, dtype=np.float32).reshape(2, n)
    filled_store.write_maps(LearnerMaps(status, angles, np.ones(n, np.float32), z))
    return write_results(tmp_path / "a.results.h5", filled_store, Provenance(1e9, 1e9 + 5, {"source": "x"}))


def stored(results: Path) -> dict[str, NDArray[np.float32]]:
    with h5py.File(results) as file:
        return {name: data[()] for name, data in file["entry/maps"].items() if data.ndim == 2}


def test_the_table_holds_every_value_with_its_place_and_unit(results: Path, tmp_path: Path) -> None:
    (written,) = export(results, tmp_path / "new" / "table.csv")
    with written.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert {"y (nm)", "x (nm)", "com_x (mrad)", "rotation (rad)", "latent_1", "sum (counts)"} <= set(rows[0])
    assert [row["x (nm)"] for row in rows[:3]] == ["0.0", "0.2", "0.4"]
    assert rows[19]["com_x (mrad)"] == ""  # not measured
    for name, unit in (("com_y", " (mrad)"), ("latent_2", "")):
        read = np.array([float(row[f"{name}{unit}"] or "nan") for row in rows], np.float32)
        np.testing.assert_array_equal(read, stored(results)[name].ravel())


def test_a_hyperspy_file_has_a_calibrated_signal_for_each_map(results: Path, tmp_path: Path) -> None:
    (written,) = export(results, tmp_path / "a.hspy")
    with h5py.File(written) as file:
        assert (file.attrs["file_format"], file.attrs["file_format_version"]) == ("HyperSpy", "3.3")
        assert set(file["Experiments"]) == set(stored(results))
        signal = file["Experiments/com_x"]
        np.testing.assert_array_equal(signal["data"][()], stored(results)["com_x"])
        axes = [dict(signal[f"axis-{number}"].attrs) for number in (0, 1)]
        assert [(axis["name"], axis["scale"], axis["units"], axis["size"]) for axis in axes] == [
            ("y", 0.1, "nm", 4), ("x", 0.2, "nm", 5),
        ]  # fmt: skip
        assert signal["metadata/Signal"].attrs["quantity"] == "COM x (mrad)"
        assert signal["original_metadata/stream_rrvae"].attrs["angle_error_deg"] == 0.73


def test_an_emd_file_has_a_calibrated_array_for_each_map(results: Path, tmp_path: Path) -> None:
    (written,) = export(results, tmp_path, ["py4dstem"])
    with h5py.File(written) as file:
        told = {name: file.attrs[name] for name in ("emd_group_type", "version_major", "version_minor")}
        assert told == {"emd_group_type": "file", "version_major": 1, "version_minor": 0}
        (root,) = file.values()
        assert root.attrs["emd_group_type"] == "root"
        array = root["rotation"]
        assert dict(array.attrs) == {"emd_group_type": "array", "python_class": "Array"}
        np.testing.assert_array_equal(array["data"][()], stored(results)["rotation"])
        assert array["data"].attrs["units"] == "rad"
        np.testing.assert_allclose(array["dim1"][()], [0, 0.2])
        assert (array["dim0"].attrs["name"], array["dim0"].attrs["units"]) == ("Ry", "nm")
        assert root["metadatabundle/results/pearson_latent_com"].attrs["type"] == "array"


def test_there_is_a_picture_of_each_map_with_whole_pixels(results: Path, tmp_path: Path) -> None:
    written = export(results, tmp_path / "out", ["png"])
    empty = {name for name, values in stored(results).items() if not np.isfinite(values).any()}
    assert {path.name for path in written} == {f"a.{name}.png" for name in set(stored(results)) - empty}
    # 4 x 5 positions of 0.1 x 0.2 nm: 120 pixels wide and 60 high each.
    picture = pixels(tmp_path / "out" / "a.com_y.png")[60 : 60 + 240, 24 : 24 + 600]
    blocks = picture[3:-3, 3:-3].reshape(-1, 3)
    assert len(np.unique(blocks, axis=0)) <= 20
    for row in range(4):
        for column in range(5):
            inner = picture[row * 60 + 4 : row * 60 + 56, column * 120 + 4 : column * 120 + 116].reshape(-1, 3)
            assert len(np.unique(inner, axis=0)) == 1, (row, column)
    low, high, unknown = picture[30, 60], picture[3 * 60 + 30, 3 * 120 + 60], picture[3 * 60 + 30, 4 * 120 + 60]
    assert low[2] > low[0] and high[0] > high[2]  # blue below 0, red above it
    assert unknown.tolist() in ([229] * 3, [230] * 3)  # grey, a tenth below white


def test_an_angle_has_a_wheel_and_everything_a_scale_bar(results: Path, tmp_path: Path) -> None:
    export(results, tmp_path, ["png"])
    for name in ("com_direction", "sum"):
        picture = pixels(tmp_path / f"a.{name}.png")
        below = picture[60 + 240 :, 24 : 24 + 600]
        assert (below.sum(axis=2) < 100).sum() > 500, name
        beside = picture[60 : 60 + 150, 24 + 600 + 14 :].astype(int)
        colourful = (np.ptp(beside, axis=2) > 60).sum()
        assert (colourful > 1000) == (name == "com_direction"), name


def test_colours_are_those_of_the_dashboards(results: Path) -> None:
    grounds = {"grey": "gray"}  # a dark page begins at dark grey, paper at black
    for name in stored(results):
        look, style = look_of(name), style_of(name)
        if name in ("rotation", "coverage", "rotation_confidence"):  # panels of their own there
            continue
        assert (look.cycle is not None) == style.cyclic, name
        if not style.cyclic:
            assert (look.colours, look.signed) == (grounds.get(style.palette, style.palette), style.signed), name
    assert set(SEQUENTIAL) >= {"inferno", "viridis", "coolwarm"}


@pytest.mark.parametrize(
    ("to", "formats", "advice"),
    [("a.png", [], "say a folder"), ("a.csv", ["hspy"], "one file of format csv"), ("a.results.h5", [], "itself")],
)
def test_wishes_that_make_no_sense_are_refused(results: Path, to: str, formats: list[str], advice: str) -> None:
    before = results.read_bytes()
    with pytest.raises(ConfigError, match=advice):
        export(results, results.parent / to, formats)
    assert results.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_said(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileFormatError, match="cannot write"):
        export(results, tmp_path / "file" / "below", ["csv"])
    with pytest.raises(FileFormatError, match="no results file"):
        export(tmp_path / "file", tmp_path / "out")


def pixels(path: Path) -> NDArray[Any]:
    return np.asarray(Image.open(path).convert("RGB"))
