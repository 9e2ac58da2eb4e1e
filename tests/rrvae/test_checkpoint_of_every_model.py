"""Checkpoints of every registered model: what they say of themselves, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from stream_rrvae.errors import CheckpointError, StreamRrvaeError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.rrvae.checkpoint import (
    DEFAULT_FILE,
    PRETRAINED,
    Checkpoint,
    checkpoint_of,
    content_hash,
    load,
    located,
    save,
)
from stream_rrvae.rrvae.checkpoint_summary import checkpoint_lines
from stream_rrvae.rrvae.preparation import Prepared, whitened
from stream_rrvae.rrvae.registry import factory, model_names

BASIS = BasisSpec()
LARGEST_PACKAGED_BYTES = 500_000


@pytest.fixture(scope="module")
def frames() -> Prepared:
    features = np.random.default_rng(0).normal(size=(80, BASIS.n_features)).astype(np.float32)
    return whitened(features, np.arange(80), 1.0, 1.0)


@pytest.fixture(params=model_names())
def stored(request: pytest.FixtureRequest, frames: Prepared) -> Checkpoint:
    model = factory(request.param).create(frames, BASIS, 3, 0, "cpu")
    return checkpoint_of(model, {"program": "test", "scans": [{"name": "a", "frames": 80}]}, "MIT")


@pytest.fixture
def path(tmp_path: Path, stored: Checkpoint) -> Path:
    save(tmp_path / "model.safetensors", stored)
    return tmp_path / "model.safetensors"


def test_every_model_comes_back_as_it_was(path: Path, stored: Checkpoint, frames: Prepared) -> None:
    loaded = load(path)
    assert (loaded.name, loaded.licence, loaded.provenance) == (stored.name, "MIT", stored.provenance)
    assert content_hash(loaded) == content_hash(stored)
    first, again = stored.model("cpu").encode(frames.x), loaded.model("cpu").encode(frames.x)
    assert np.array_equal(first.rotation, again.rotation) and np.array_equal(first.latents, again.latents)
    text = "\n".join(checkpoint_lines(loaded))
    assert stored.name in text and "3 latents" in text and content_hash(stored) in text and "a: 80 frames" in text


@pytest.mark.parametrize("noise_variance", [0.0, 1.0])  # latents are read from z, or from shapes
@pytest.mark.parametrize("name", model_names())
def test_what_latents_count_from_comes_back(name: str, noise_variance: float, frames: Prepared, tmp_path: Path) -> None:
    model = factory(name).create(replace(frames, noise_variance=noise_variance), BASIS, 3, 0, "cpu")
    model.settle(frames.x)
    save(tmp_path / "settled.safetensors", checkpoint_of(model, {}))
    again = load(tmp_path / "settled.safetensors").model("cpu")
    assert again.is_settled
    np.testing.assert_allclose(again.encode(frames.x[:9]).latents, model.encode(frames.x[:9]).latents, atol=1e-4)


def test_arrays_in_any_order_of_memory_come_back(stored: Checkpoint, tmp_path: Path) -> None:
    turned = {name: np.asfortranarray(array) for name, array in stored.arrays.items()}
    save(tmp_path / "fortran.safetensors", replace(stored, arrays=turned))
    for name, array in load(tmp_path / "fortran.safetensors").arrays.items():
        np.testing.assert_array_equal(array, stored.arrays[name])


def rewritten(path: Path, change: Callable[[dict[str, str]], Any]) -> None:
    raw = path.read_bytes()
    metadata = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    change(metadata)
    save_file(load_file(path), path, metadata)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(licence="GPL"),
        lambda m: m.update(provenance="{}"),
        lambda m: m.update(provenance="[]"),
        lambda m: m.pop("licence"),
        lambda m: m.update(model=m["model"].replace('"latents": 3', '"latents": 2')),
        lambda m: m.update(model=json.dumps({**json.loads(m["model"]), "settings": []})),
        lambda m: m.update(model=json.dumps({**json.loads(m["model"]), "name": 7})),
    ],
)
def test_a_changed_description_is_refused(path: Path, change: Callable[[dict[str, str]], Any]) -> None:
    rewritten(path, change)
    with pytest.raises(CheckpointError):
        load(path)


@pytest.mark.parametrize("definition", ["Fourier-Bessel, zero at the edge", None])
def test_a_model_for_another_definition_of_the_basis_is_refused(path: Path, definition: str | None) -> None:
    rewritten(path, lambda m: m.update(model=json.dumps({**json.loads(m["model"]), "basis_definition": definition})))
    with pytest.raises(CheckpointError, match=r"another basis .*train it again"):
        load(path)


def test_a_model_that_does_not_say_its_basis_is_refused(path: Path) -> None:
    def forget(metadata: dict[str, str]) -> None:
        model = json.loads(metadata["model"])
        del model["basis_definition"]
        metadata["model"] = json.dumps(model)

    rewritten(path, forget)
    with pytest.raises(CheckpointError, match="not stated"):
        load(path)


def test_one_model_s_weights_are_not_taken_for_another_s(stored: Checkpoint) -> None:
    for name in {*model_names(), "unheard-of"} - {stored.name}:
        with pytest.raises(StreamRrvaeError):
            replace(stored, name=name).model("cpu")


def test_other_weights_have_another_hash(stored: Checkpoint) -> None:
    name = sorted(stored.arrays)[0]
    changed = {**stored.arrays, name: stored.arrays[name] + 1}
    assert content_hash(replace(stored, arrays=changed)) != content_hash(stored)


def test_the_packaged_model_is_small_licensed_and_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = load(Path("pretrained"))
    assert located(Path("pretrained")) == PRETRAINED / DEFAULT_FILE
    assert (PRETRAINED / DEFAULT_FILE).stat().st_size < LARGEST_PACKAGED_BYTES
    assert packaged.licence == "MIT" and packaged.model("cpu").latents == 2
    assert packaged.model("cpu").is_settled  # so that shards which apply it have latents that mean the same
    specimens = {scan["name"].rpartition("-")[0] for scan in packaged.provenance["scans"]}
    assert specimens == {"graphene", "graphene-silicon", "graphene-wall"}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pretrained").write_bytes(b"a file of the user's own")
    assert located(Path("pretrained")) == Path("pretrained")
