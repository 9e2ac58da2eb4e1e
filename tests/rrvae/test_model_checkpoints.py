"""Models on disk: whole or refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from stream_rrvae.errors import CheckpointError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.rrvae import checkpoint
from stream_rrvae.rrvae.checkpoint import Checkpoint, checkpoint_of, load, save
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.preparation import Prepared, whitened

BASIS = BasisSpec()


@pytest.fixture(scope="module")
def frames() -> Prepared:
    features = np.random.default_rng(0).normal(size=(80, BASIS.n_features)).astype(np.float32)
    return whitened(features, np.arange(80), 1.0, 1.0)


@pytest.fixture
def stored(tmp_path: Path, frames: Prepared) -> Checkpoint:
    model = HarmonicLearner.create(frames, BASIS, 2, 0, "cpu")
    return checkpoint_of(model, {"scans": ["a"], "seconds": 1.5})


def test_a_model_comes_back_as_it_was(tmp_path: Path, frames: Prepared) -> None:
    model = HarmonicLearner.create(frames, BASIS, 3, 7, "cpu")
    save(tmp_path / "model.safetensors", checkpoint_of(model, {"scans": 3}))
    loaded = load(tmp_path / "model.safetensors")
    again = loaded.model("cpu").encode(frames.x)
    first = model.encode(frames.x)
    assert loaded.provenance == {"scans": 3} and loaded.basis == BASIS
    assert np.array_equal(again.rotation, first.rotation) and np.array_equal(again.latents, first.latents)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def _rewritten(path: Path, change: Callable[[dict[str, str], dict[str, np.ndarray]], None]) -> None:
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    arrays, metadata = load_file(path), dict(header["__metadata__"])
    change(metadata, arrays)
    save_file(arrays, path, metadata)


CORRUPTIONS: dict[str, Callable[..., None]] = {
    "foreign": lambda metadata, _arrays: metadata.update(format="pytorch"),
    "newer": lambda metadata, _arrays: metadata.update(format_version="2"),
    "no model": lambda metadata, _arrays: metadata.pop("model"),
    "model not JSON": lambda metadata, _arrays: metadata.update(model="{"),
    "model a list": lambda metadata, _arrays: metadata.update(model="[]"),
    "deep JSON": lambda metadata, _arrays: metadata.update(model="[" * 100_000),
    "no hash": lambda metadata, _arrays: metadata.pop("sha256"),
    "a weight changed": lambda _metadata, arrays: arrays["linear.weight"].__setitem__((0, 0), 9.0),
    "a weight absent": lambda _metadata, arrays: arrays.pop("linear.weight"),
    "double precision": lambda _metadata, arrays: arrays.update(x=np.zeros(3)),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_changed_file_is_refused(tmp_path: Path, stored: Checkpoint, corruption: str) -> None:
    path = tmp_path / "model.safetensors"
    save(path, stored)
    _rewritten(path, CORRUPTIONS[corruption])
    with pytest.raises(CheckpointError):
        load(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 64, b"\x00" * 8 + b"{}"])
def test_what_is_not_a_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load(path)


def test_absent_directory_and_oversized_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError):
        load(tmp_path / "none")
    with pytest.raises(CheckpointError):
        load(tmp_path)
    (tmp_path / "large").write_bytes(b"0" * 100)
    monkeypatch.setattr(checkpoint, "LARGEST_FILE_BYTES", 99)
    with pytest.raises(CheckpointError, match="larger"):
        load(tmp_path / "large")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_give_checkpoint_errors_only(tmp_path: Path, stored: Checkpoint, data: st.DataObject) -> None:
    path = tmp_path / "model.safetensors"
    if not path.exists():
        save(path, stored)
        path.rename(tmp_path / "whole")
    raw = bytearray((tmp_path / "whole").read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)) | st.just(len(raw)))])
    try:
        load(path).model("cpu")
    except CheckpointError:
        pass
    else:
        pytest.fail("a damaged file was taken for a whole one")


@pytest.mark.parametrize(
    "settings_change",
    [{"latents": 0}, {"latents": 10**9}, {"hidden": 10**9}, {"gauge": "other"}, {"basis": {"max_order": 10**9}}],
)
def test_settings_out_of_bounds_build_no_model(stored: Checkpoint, settings_change: dict[str, object]) -> None:
    spec = {**stored.settings["spec"], **settings_change}
    with pytest.raises(CheckpointError):
        replace(stored, settings={**stored.settings, "spec": spec}).model("cpu")


@pytest.mark.parametrize("order", [0, BASIS.max_order + 1, "1", True, None])
def test_leading_orders_outside_the_basis_build_no_model(stored: Checkpoint, order: object) -> None:
    with pytest.raises(CheckpointError):
        replace(stored, settings={**stored.settings, "leading_order": order}).model("cpu")


def test_weights_that_are_not_finite_build_no_model(stored: Checkpoint) -> None:
    poisoned = {**stored.arrays, "linear.bias": np.full(BASIS.n_features, np.nan, np.float32)}
    with pytest.raises(CheckpointError, match="finite"):
        replace(stored, arrays=poisoned).model("cpu")


def test_another_basis_is_refused_with_both_named(stored: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match=r"'max_order': 12.*'max_order': 4"):
        checkpoint.require_fit(stored, BasisSpec(max_order=4))


def test_a_full_disk_leaves_no_part_behind(tmp_path: Path, stored: Checkpoint) -> None:
    with pytest.raises(CheckpointError):
        save(tmp_path / "absent" / "model.safetensors", stored)
    assert list(tmp_path.iterdir()) == []
