"""`analyse` of several inputs: a results file each, and a bad one costs nothing but itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import copyfile

import h5py
import numpy as np
import pytest

from stream_rrvae.batch.analyse import analyse as analyse_one
from stream_rrvae.batch.cluster import ClusterOptions
from stream_rrvae.commands.analyse_many import analyse_many
from stream_rrvae.config import LearnSettings, Settings
from stream_rrvae.errors import ConfigError, FileFormatError
from stream_rrvae.recording.frame_file import open_frames

OFF = Settings(learn=LearnSettings(mode="off"))
NO_CLUSTER = ClusterOptions()


def analyse(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream_rrvae", "analyse", *map(str, arguments), "--mode", "off"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def maps_of(path: Path) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    with h5py.File(path) as file:
        return {name: data[()] for name, data in file["entry/maps"].items()}


def test_on_a_cluster_each_input_has_its_results_as_if_analysed_alone(scan_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="NOT CHECKED on several processes: pip install 'stream-rrvae[dask]'")
    second, out = tmp_path / "second.npy", tmp_path / "out"
    copyfile(scan_file, second)
    ended = analyse(scan_file, second, tmp_path / "nowhere.npy", "--out", out, "--workers", 1)
    assert ended.returncode == 1
    assert "1 of 3 inputs could not be analysed" in ended.stderr
    assert f"{tmp_path}/nowhere.npy is not there" in ended.stdout
    assert ended.stdout.count("320 frames received, 0 missing") == 2
    assert {path.name for path in out.iterdir()} == {"first.results.h5", "second.results.h5"}
    alone = tmp_path / "alone.h5"
    with open_frames(str(scan_file)) as frames:
        analyse_one(frames, OFF, alone, lambda _done: None)
    for name, values in maps_of(alone).items():
        np.testing.assert_array_equal(maps_of(out / "first.results.h5")[name], values, err_msg=name)


def test_without_dask_they_are_analysed_one_by_one(
    scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # what the import system itself uses for "not there"
    sources = [str(scan_file), str(scan_file), str(tmp_path / "nowhere.npy")]
    with pytest.raises(FileFormatError, match="1 of 3"):
        analyse_many(sources, tmp_path / "out", OFF, NO_CLUSTER, tmp_path / "pages")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"first.results.h5", "first-2.results.h5"}
    assert {path.name for path in (tmp_path / "pages").iterdir()} == {"first.report.html", "first-2.report.html"}
    assert "pip install 'stream-rrvae[dask]'" in capsys.readouterr().err


def test_a_file_for_several_results_is_refused(scan_file: Path, tmp_path: Path) -> None:
    (tmp_path / "out.h5").write_text("taken")
    with pytest.raises(ConfigError, match="--out is a folder"):
        analyse_many([str(scan_file)] * 2, tmp_path / "out.h5", OFF, NO_CLUSTER)
    with pytest.raises(ConfigError, match="--report is a folder"):
        analyse_many([str(scan_file)] * 2, tmp_path / "out", OFF, NO_CLUSTER, tmp_path / "page.html")
