"""Results files of shards merge to the file that one service would have written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from stream_rrvae.cli import cli
from stream_rrvae.errors import FileFormatError
from stream_rrvae.maps.merged_results import merge_results
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.messages import Counters, ModelStatus, ScanState
from stream_rrvae.scan_store import Account, LearnerMaps, ScanStore

LEARNT = {"rotation", "rotation_confidence", "misfit", "latent_1", "latent_2"}
MODEL: dict[str, str | int] = {"decoder": "harmonic", "latents": 2, "sha256": "ab12"}
Shard = Callable[..., Path]


@pytest.fixture
def whole(filled_store: ScanStore, tmp_path: Path) -> Path:
    n = filled_store.shape.n_positions
    counters = Counters(expected=21, received=20, missing=1, processed=18, refused=2, refusals={"decode": 2})
    filled_store.write_account(Account(ScanState.COMPLETE, counters))
    filled_store.write_mean(20, np.ones((8, 8), np.float32))
    status = ModelStatus(4, "ready", "apply", "", {"angle_error_deg": 0.7}, MODEL)
    ramp = np.arange(n, dtype=np.float32)
    filled_store.write_maps(
        LearnerMaps(
            status,
            np.linspace(0, 1, n, dtype=np.float32),
            np.ones(n, "f4"),
            np.stack([ramp - ramp.mean(), np.cos(ramp) - np.cos(ramp).mean()]).astype(np.float32),
        )
    )
    return write_results(tmp_path / "whole.h5", filled_store, Provenance(1e9, 1e9 + 5, {}))


@pytest.fixture
def shard(whole: Path, tmp_path: Path) -> Shard:
    def make(number: int, **changes: str) -> Path:
        """Every second line of the whole, with half of its account; `changes` are values of the file by path."""
        path = tmp_path / f"shard-{number}.h5"
        shutil.copy(whole, path)
        with h5py.File(path, "r+") as file:
            for name, data in file["entry/maps"].items():
                if data.ndim == 2:
                    data[1 - number :: 2] = 0 if name == "coverage" else np.nan
            for name, data in file["entry/quality"].items():
                if name.startswith("frames_"):
                    data[()] = (int(data[()]) + number) // 2
            mean = file["entry/geometry/mean_pattern"]
            mean[()], mean.attrs["frames"] = 10.0 * number, 1 + 2 * number
            mean[number, 0] = np.nan
            file["entry/quality/refused_by_reason/decode"][()] = 1
            for name, value in changes.items():
                del file[name]
                file[name] = value
        return path

    return make


def maps(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: data[()] for name, data in file["entry/maps"].items() if data.ndim == 2}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_file_is_that_of_the_whole_scan(shard: Shard, whole: Path, tmp_path: Path, order: tuple[int, int]) -> None:
    out = merge_results([shard(number) for number in order], tmp_path / "out.h5")
    expected, found = maps(whole), maps(out)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6, err_msg=name)
    with h5py.File(out) as merged, h5py.File(whole) as one:
        assert {name: merged["entry/maps"][name].attrs["units"] for name in found} == {
            name: one["entry/maps"][name].attrs["units"] for name in expected
        }
        counts = {name: int(data[()]) for name, data in merged["entry/quality"].items() if name.startswith("frames_")}
        assert counts["frames_expected"] == counts["frames_received"] + counts["frames_missing"] == 21
        assert merged["entry/quality/refused_by_reason/decode"][()] == 2
        assert "angle_error_deg" not in merged["entry/quality"]
        assert merged["entry/state"][()] == b"complete"
        assert merged["entry/process/model/sha256"][()] == b"ab12"
        mean = merged["entry/geometry/mean_pattern"]
        assert (mean.attrs["frames"], mean.attrs["units"]) == (4, "counts")
        np.testing.assert_array_equal(mean[:3, 0], [10.0, 0.0, 7.5], "by frames, where a shard has data")


def test_maps_of_different_models_are_left_out_and_an_aborted_shard_is_said(shard: Shard, tmp_path: Path) -> None:
    other = shard(1, **{"entry/process/model/sha256": "cd34", "entry/state": "aborted"})
    out = merge_results([shard(0), other], tmp_path / "out.h5")
    assert not LEARNT & maps(out).keys()
    with h5py.File(out) as merged:
        assert not LEARNT & set(merged["entry/maps"].attrs["auxiliary_signals"])
        assert merged["entry/state"][()] == b"aborted"
        assert b"different models" in merged["entry/process/detail"][()]


@pytest.mark.parametrize(("name", "said"), [("entry/scan_id", "differ in scan"), ("entry/maps", "cannot merge")])
def test_what_does_not_belong_together_is_refused_and_leaves_nothing(
    shard: Shard, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(FileFormatError, match=said):
        merge_results([shard(0), shard(1, **{name: "another"})], tmp_path / "out.h5")
    assert sorted(path.name for path in tmp_path.glob("*out*")) == []


def test_nothing_is_overwritten(shard: Shard, whole: Path) -> None:
    before = whole.read_bytes()
    with pytest.raises(FileFormatError, match="there already"):
        merge_results([shard(0), shard(1)], whole)
    assert whole.read_bytes() == before


def test_the_command(shard: Shard, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    done = CliRunner().invoke(cli, ["merge", str(shard(0)), str(shard(1)), "--out", str(out)])
    assert done.exit_code == 0 and f"{out}: 20 frames received, 1 missing" in done.output
    without = CliRunner().invoke(cli, ["merge", str(shard(0)), str(shard(1))])
    assert without.exit_code == 2 and "--out" in without.output
