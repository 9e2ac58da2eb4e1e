"""Results are there whole or not at all, and a disk without room costs the file alone: not the process."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from stream_rrvae.errors import FileFormatError
from stream_rrvae.maps.map_chunks import write_map
from stream_rrvae.maps.results import new_results
from stream_rrvae.whole_file import whole_hdf5

if TYPE_CHECKING:
    from tests.conftest import RoomFor

NOISE = np.random.default_rng(0).normal(0.0, 1.0, (1024, 1024)).astype(np.float32)  # 4 MiB that cannot be packed


def test_where_there_is_no_room_it_is_said_and_nothing_is_left(tmp_path: Path, room_for: RoomFor) -> None:
    def written() -> None:
        with new_results(tmp_path / "results.h5") as file:
            write_map(file, "map", NOISE)

    with room_for(1 << 20), pytest.raises(FileFormatError, match="free some space"):
        written()
    gc.collect()  # HDF5 crashed when it let go of what it could not write
    assert not list(tmp_path.iterdir())
    written()
    with h5py.File(tmp_path / "results.h5", "r") as file:
        np.testing.assert_array_equal(file["map"][()], NOISE)


def test_what_was_there_stays_where_a_new_file_fails(tmp_path: Path, room_for: RoomFor) -> None:
    path = tmp_path / "it.h5"
    path.write_text("before")
    with pytest.raises(KeyError), whole_hdf5(path) as file:
        file["map"] = NOISE
        raise KeyError("a map that is not there")
    with room_for(1 << 20), pytest.raises(OSError), whole_hdf5(path) as file:
        file["map"] = NOISE
    assert path.read_text() == "before" and [path] == list(tmp_path.iterdir())


def test_there_is_no_half_of_it_for_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "it.h5"
    with whole_hdf5(path) as file:
        file["map"] = NOISE
        assert not list(tmp_path.iterdir())
    assert [path] == list(tmp_path.iterdir())
    with h5py.File(path, "r") as file:
        assert file["map"].shape == NOISE.shape
