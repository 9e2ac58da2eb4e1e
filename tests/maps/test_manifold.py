"""Which pattern goes with which latents: drawn from the frames themselves, upright, into the results and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.kernels.basis import BasisSpec, project_onto
from stream_rrvae.maps.manifold import COLUMNS, ROWS, SIDE_PX, Manifold, manifold_of, turned_back
from stream_rrvae.maps.merged_results import merge_results
from stream_rrvae.maps.report import write_report
from stream_rrvae.maps.report_data import read_report_data
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.messages import Counters, Float32Array, ModelStatus, ScanStart, ScanState
from stream_rrvae.plain import to_plain
from stream_rrvae.rrvae.harmonic import turned
from stream_rrvae.scan_store import Account, LearnerMaps, ScanStore, StoreShape

BASIS = BasisSpec()
SHAPE = (20, 20)
N = SHAPE[0] * SHAPE[1]
RADIUS = 15.0
RNG = np.random.default_rng(4)
LEAN, FOURFOLD = RNG.uniform(0.01, 0.05, N), RNG.uniform(-0.03, 0.03, N)
ANGLE = RNG.uniform(-np.pi, np.pi, N).astype(np.float32)
Make = Callable[..., ScanStore]


def features() -> Float32Array:
    """Of discs that are brighter on the side of `ANGLE` by `LEAN` at the edge, and fourfold by `FOURFOLD`."""
    size = (40, 40)
    basis = project_onto(BASIS, size, (19.5, 19.5), RADIUS, np.ones(size, np.bool_))
    ky, kx = (np.indices(size) - 19.5).reshape(2, -1)[:, basis.pixels] / RADIUS
    r, phi = np.hypot(ky, kx), np.arctan2(ky, kx) - ANGLE[:, None]
    inside = 1 + LEAN[:, None] * r * np.cos(phi) + FOURFOLD[:, None] * r**4 * np.cos(4 * phi)
    shares = inside / inside.sum(axis=1, keepdims=True)
    return np.asarray(basis.scale * (shares @ basis.weights) - basis.offset, np.float32)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    stores: list[ScanStore] = []

    def made(latents: NDArray[np.floating], n_features: int = BASIS.n_features) -> ScanStore:
        start = ScanStart("scan-1", 1, (40, 40), "float32", N, SHAPE)
        shape = StoreShape(SHAPE, (40, 40), n_features, len(latents))
        store = ScanStore.create(start, shape, {"basis": to_plain(BASIS)}, folder=tmp_path)
        stores.append(store)
        store.coverage[:] = 1
        store.sum[:] = store.bright_field[:] = store.annular_dark_field[:] = 1e4
        store.com_y[:], store.com_x[:] = LEAN * np.sin(ANGLE), LEAN * np.cos(ANGLE)
        store.features[:] = features()[:, :n_features]
        store.write_account(Account(ScanState.COMPLETE, Counters(N, N, 0, N)))
        confidence = np.ones(N, np.float32)
        store.write_maps(LearnerMaps(ModelStatus(1, "ready", "apply"), ANGLE, confidence, latents.astype(np.float32)))
        return store

    yield made
    for store in stores:
        store.close()


def whole(store: ScanStore) -> Manifold:
    found = manifold_of(store)
    assert found is not None
    return found


def slope_along_x(pattern: Float32Array) -> float:
    """Of intensity over x, in shares from the middle to the edge."""
    inside = np.isfinite(pattern)
    x = (np.indices(pattern.shape)[1] - (SIDE_PX - 1) / 2)[inside] / (SIDE_PX / 2)
    return float((x * pattern[inside]).sum() / (x * x).sum())


def test_patterns_turned_back_are_those_before_they_were_turned() -> None:
    x = RNG.normal(size=(30, BASIS.n_features)).astype(np.float32)
    angle = RNG.uniform(-3, 3, 30).astype(np.float32)
    away = turned(torch.from_numpy(x), torch.from_numpy(angle), BASIS).numpy()
    np.testing.assert_allclose(turned_back(away, angle, BASIS), x, atol=1e-5)


def test_every_column_shows_the_shape_of_its_latent_upright(make: Make) -> None:
    found = whole(make(100 * LEAN[None]))
    assert found.patterns.shape == (1, COLUMNS, SIDE_PX, SIDE_PX) and found.frames.sum() > 0.9 * N
    slopes = [slope_along_x(pattern) for pattern in found.patterns[0]]
    # The shape's edge is soft in a basis of four radial functions.
    np.testing.assert_allclose(slopes, found.latent_1 / 100, rtol=0.1)
    upside_down = found.patterns[0, :, ::-1]
    np.testing.assert_allclose(np.nan_to_num(upside_down), np.nan_to_num(found.patterns[0]), atol=6e-3)


def test_the_second_latent_has_rows_of_its_own(make: Make) -> None:
    found = whole(make(np.stack([100 * LEAN, 100 * FOURFOLD])))
    assert found.frames.shape == (ROWS, COLUMNS)
    middle = found.patterns[:, :, SIDE_PX // 2]  # the row of pixels through the middle: cos 4 phi is 1 at both ends
    ends = np.nanmean(np.stack([middle[..., 1], middle[..., -2]]), axis=(0, 2))
    assert (np.diff(ends) > 0.005).all()


def test_a_second_latent_that_says_nothing_makes_no_rows(make: Make) -> None:
    found = whole(make(np.stack([100 * LEAN, 0.01 * FOURFOLD])))
    assert found.latent_2.shape == (1,)


def test_a_latent_that_is_the_same_everywhere_is_one_picture(make: Make) -> None:
    found = whole(make(np.ones((1, N))))
    assert found.frames.tolist() == [[N]]


def test_without_a_model_or_a_basis_there_is_no_manifold(make: Make) -> None:
    assert manifold_of(make(np.full((2, N), np.nan))) is None
    assert manifold_of(make(100 * LEAN[None], BASIS.n_features - 1)) is None
    few = np.full((1, N), np.nan)
    few[0, :40] = LEAN[:40]
    assert manifold_of(make(few)) is None


@pytest.fixture
def results(make: Make, tmp_path: Path) -> Path:
    store = make(np.stack([100 * LEAN, 100 * FOURFOLD]))
    return write_results(tmp_path / "a.results.h5", store, Provenance(1e9, 1e9 + 5, {}))


def test_results_and_report_show_it(make: Make, results: Path, tmp_path: Path) -> None:
    expected = whole(make(np.stack([100 * LEAN, 100 * FOURFOLD])))
    found = read_report_data(results).manifold
    assert found is not None
    for name in ("latent_1", "latent_2", "patterns", "frames"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    pytest.importorskip("matplotlib", reason="a report needs matplotlib, which is in the extra report")
    assert "Latent manifold" in write_report(tmp_path / "r.html", results).read_text()


def test_files_without_one_are_whole_and_a_broken_one_is_refused(results: Path, tmp_path: Path) -> None:
    merged = merge_results([results], tmp_path / "merged.h5")
    assert read_report_data(merged).manifold is None  # which was of a shard's positions
    with h5py.File(results, "r+") as file:
        del file["entry/manifold/latent_1"]
        file["entry/manifold/latent_1"] = np.zeros(3)
    with pytest.raises(FileFormatError, match="manifold"):
        read_report_data(results)
