"""Places of chunks found in one pass are those that HDF5 tells one by one."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.recording.chunk_places import ChunkPlaces


@pytest.mark.parametrize("scan_shape", [(12,), (3, 4)])
def test_places_are_those_that_hdf5_tells_one_by_one(tmp_path: Path, scan_shape: tuple[int, ...]) -> None:
    shape, there = (*scan_shape, 5, 6), (0, 3, 4, 10)
    chunks = (*(1 for _ in scan_shape), 5, 6)
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        frames = file.create_dataset("frames", shape, "u2", chunks=chunks, shuffle=True)
        for index in there:
            at = (*np.unravel_index(index, scan_shape), 0, 0)
            frames.id.write_direct_chunk(at, bytes(60 + index), filter_mask=index % 2)
        places = ChunkPlaces(12).find(frames)
        for index in there:
            told = frames.id.get_chunk_info_by_coord((*np.unravel_index(index, scan_shape), 0, 0))
            found = (places.offset[index], places.size[index], places.skipped[index])
            assert found == (told.byte_offset, told.size, told.filter_mask)
    assert np.flatnonzero(places.size).tolist() == list(there)


def test_frames_beyond_those_wanted_are_left_out(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        frames = file.create_dataset("frames", (8, 5, 6), "u2", chunks=(1, 5, 6), data=np.ones((8, 5, 6)))
        assert np.count_nonzero(ChunkPlaces(3).find(frames).size) == 3
