"""Values written in one compiled call are those that NumPy would write."""

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest.write_rows import Maps, Values, write_rows


def bits_of(features: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Bits of these float32 [n, k] as they are written to a store."""
    n = len(features)
    one = np.zeros(n, np.float32)
    none = np.zeros((n, 0), np.float32)
    maps = Maps(one, one, one, one, one, none, np.zeros(features.shape, np.uint16))
    values = Values(np.zeros(n), one, one, one, one, none, features)
    write_rows(maps, values, np.arange(n), np.arange(n))
    return maps.features


def test_every_float16_and_all_between_round_as_numpy_rounds() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    finite = halves[np.isfinite(halves)]
    between = (finite[:, None].view(np.uint32) + np.array([-4097, -4096, -4095, -1, 0, 1, 4095, 4096, 4097])).astype(
        np.uint32
    )
    edge = np.array([65504, 65519.99, 65520, 65536, 1e30, np.inf, 1e-8, 2.0**-25, 2.0**-24, 1e-40, 0.0], np.float32)
    features = np.concatenate([between.view(np.float32).ravel(), edge, -edge])[:, None]
    features = features[~np.isnan(features[:, 0])]
    with np.errstate(over="ignore"):
        expected = features.astype(np.float16).view(np.uint16)
    np.testing.assert_array_equal(bits_of(features), expected)


def test_what_is_no_number_stays_none() -> None:
    features = np.array([[np.nan, -np.nan, 1.0]], np.float32)
    assert np.isnan(bits_of(features).view(np.float16)).tolist() == [[True, True, False]]


def test_rows_go_to_their_positions_and_nothing_else_changes() -> None:
    rng = np.random.default_rng(0)
    a, b, c, d = rng.random((4, 4)).astype(np.float32)
    detectors = rng.random((4, 2)).astype(np.float32)
    values = Values(rng.random(4), a, b, c, d, detectors, np.ones((4, 3), np.float32))
    v, w, x, y, z = np.full((5, 9), -1, np.float32)
    maps = Maps(v, w, x, y, z, np.full((9, 2), -1, np.float32), np.zeros((9, 3), np.uint16))
    rows, numbers = np.array([3, 0]), np.array([7, 1, 1, 2])
    write_rows(maps, values, rows, numbers)
    for written, given in zip((v, w, x, y, z), (values.sum, a, b, c, d), strict=True):
        expected = np.full(9, -1, np.float32)
        expected[[2, 7]] = given[[3, 0]]
        np.testing.assert_array_equal(written, expected)
    np.testing.assert_array_equal(maps.detectors[[7, 2]], detectors[[0, 3]])
    assert (np.delete(maps.detectors, [2, 7], axis=0) == -1).all()
    assert np.flatnonzero(maps.features.any(axis=1)).tolist() == [2, 7]
