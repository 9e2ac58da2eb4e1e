"""Maps are packed by other code than HDF5's and read by HDF5's alone."""

from __future__ import annotations

import io
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.maps.map_chunks import CHUNK_BYTES, write_map

WIDE = CHUNK_BYTES // 4 // 3  # three lines of 32-bit numbers are a chunk, nearly


def noisy(shape: tuple[int, int], dtype: str) -> NDArray[Any]:
    """A map with noise, and with positions without a value where there can be some."""
    values = np.random.default_rng(1).normal(100.0, 9.0, shape).astype(dtype)
    if values.dtype.kind == "f":
        values[0, ::3] = np.nan
        values[-1, -1] = np.inf
    return values


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int32"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (512, 300), (7, WIDE), (3, CHUNK_BYTES)])
def test_what_is_read_is_what_was_given(shape: tuple[int, int], dtype: str) -> None:
    values, content = noisy(shape, dtype), io.BytesIO()
    with h5py.File(content, "w") as file:
        write_map(file, "map", values).attrs["units"] = "counts"
    with h5py.File(content, "r") as file:
        data = file["map"]
        np.testing.assert_array_equal(data[()], values)
        np.testing.assert_array_equal(data[shape[0] // 2], values[shape[0] // 2])
        assert (data.compression, data.shuffle, data.dtype) == ("gzip", True, np.dtype(dtype))
        assert all(size > 0 for size in data.chunks) and data.attrs["units"] == "counts"


def test_every_other_line_may_be_given() -> None:
    values, content = noisy((40, 60), "float32")[::2, ::-3], io.BytesIO()
    with h5py.File(content, "w") as file:
        write_map(file, "map", values)
        np.testing.assert_array_equal(file["map"][()], values)


@pytest.mark.parametrize("values", [np.zeros((0, 4), np.float32), np.arange(5.0), np.float32(3.0)])
def test_what_is_no_map_is_written_as_it_is(values: NDArray[Any]) -> None:
    with h5py.File(io.BytesIO(), "w") as file:
        np.testing.assert_array_equal(write_map(file, "values", values)[()], values)


def test_it_takes_no_more_room_than_packing_by_hdf5() -> None:
    values = noisy((512, 512), "float32")
    with h5py.File(io.BytesIO(), "w") as file:
        ours = write_map(file, "ours", values)
        usual = file.create_dataset("usual", data=values, chunks=ours.chunks, compression=4, shuffle=True)
        assert ours.id.get_storage_size() <= 1.01 * usual.id.get_storage_size() < values.nbytes
