"""Scans of turning shapes whose rotation is known, as features and in real scan stores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Counters, Float32Array, ScanStart, ScanState
from stream_rrvae.plain import to_plain
from stream_rrvae.rrvae import training
from stream_rrvae.rrvae.harmonic import turned
from stream_rrvae.rrvae.leading import center_of_mass
from stream_rrvae.scan_store import Account, ScanStore, StoreShape

BASIS = BasisSpec()
SCAN_SHAPE = (20, 20)
DOSE = 1e4


@dataclass(frozen=True)
class TurningScan:
    """A shape leaning by `lean` (in noise units) and turned by `angle`, with a threefold part that turns along."""

    features: Float32Array  # [n, n_features], in the units of the store
    angle: NDArray[np.float64]
    lean: NDArray[np.float64]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Machines that run tests have other things to do."""
    torch.set_num_threads(1)


@pytest.fixture
def step_takes_s(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets a clock by which every step of training takes so long: what is learnt must not depend on the machine."""

    def set_to(seconds: float) -> None:
        ticks = itertools.count()
        monkeypatch.setattr(training, "perf_counter", lambda: next(ticks) * seconds)

    return set_to


@pytest.fixture(scope="session")
def turning_scan() -> TurningScan:
    """20x20 positions, any angle, leaning by 0.5 to 6 noise units at 1e4 electrons."""
    rng = np.random.default_rng(1)
    n = SCAN_SHAPE[0] * SCAN_SHAPE[1]
    angle, lean = rng.uniform(-np.pi, np.pi, n), rng.uniform(0.5, 6.0, n)
    upright = lean[:, None] * center_of_mass(BASIS).real
    upright[:, BASIS.n_radial * 5] = 0.3 * lean  # m = 3, n = 1, real part
    x = turned(torch.from_numpy(upright.astype(np.float32)), torch.from_numpy(angle).float(), BASIS).numpy()
    constant = rng.normal(size=BASIS.n_features) * 0.05
    return TurningScan((x / np.sqrt(DOSE) + constant).astype(np.float32), angle, lean)


StoreFiller = Callable[..., ScanStore]


@pytest.fixture
def scan_store(tmp_path: Path) -> Iterator[StoreFiller]:
    """Makes empty stores of 20x20 positions; `fill` and `end` work on them."""
    stores: list[ScanStore] = []

    def make(pixel_type: str = "float32", n_latents: int = 2, basis: BasisSpec = BASIS) -> ScanStore:
        n = SCAN_SHAPE[0] * SCAN_SHAPE[1]
        start = ScanStart("scan-1", 1, (8, 8), pixel_type, n, SCAN_SHAPE)
        info = {"basis": to_plain(basis), "com_reference": "beam_center"}
        shape = StoreShape(SCAN_SHAPE, (8, 8), basis.n_features, n_latents)
        stores.append(ScanStore.create(start, shape, info, folder=tmp_path))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


Fill = Callable[[ScanStore, int], None]


@pytest.fixture
def fill(turning_scan: TurningScan) -> Fill:
    """Measures the first `count` positions of a store."""

    def measure(store: ScanStore, count: int) -> None:
        store.features[:count] = turning_scan.features[:count]
        store.sum[:count], store.bright_field[:count] = 1.1 * DOSE, DOSE
        store.com_y[:count] = 0.1 * turning_scan.lean[:count] * np.sin(turning_scan.angle[:count])
        store.com_x[:count] = 0.1 * turning_scan.lean[:count] * np.cos(turning_scan.angle[:count])
        store.coverage[:count] = 1

    return measure


@pytest.fixture
def end() -> Callable[[ScanStore], None]:
    """Announces the end of a store's scan."""
    return lambda store: store.write_account(Account(ScanState.COMPLETE, Counters()))
