"""An HDF5 file: whose it is by what it holds; else one dataset of it, named or found."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import h5py

from stream_rrvae.recording.array_limits import check_array
from stream_rrvae.recording.description import Description
from stream_rrvae.recording.formats import dectris_legacy, dectris_nxmx
from stream_rrvae.recording.formats.hdf5_candidates import found_dataset
from stream_rrvae.recording.formats.hdf5_checks import find_dataset, open_file
from stream_rrvae.recording.formats.hdf5_geometry import geometry_beside
from stream_rrvae.recording.formats.hdf5_index import index_of
from stream_rrvae.recording.formats.opened import Opened, Wanted


def open_hdf5(path: Path, wanted: Wanted, stack: ExitStack) -> Opened:
    """The frames in the file. Raises FileFormatError; h5py raises its own for what is damaged."""
    file = stack.enter_context(open_file(path))
    if not wanted.dataset:
        if dectris_legacy.is_master(file):
            return dectris_legacy.open_master(file, path, stack)
        if dectris_nxmx.is_master(file):
            return dectris_nxmx.open_master(file, path, wanted.channel)
    return _open_dataset(file, path, wanted.dataset)


def _open_dataset(file: h5py.File, path: Path, named: str) -> Opened:
    name, notes = (named, ()) if named else found_dataset(file, str(path))
    dataset = find_dataset(file, name)
    pixel_type = check_array(f"{path}::{name}", dataset.shape, dataset.dtype)
    index = index_of(dataset)
    description = Description(
        kind="HDF5 dataset",
        shape=tuple(int(side) for side in dataset.shape),
        pixel_type=pixel_type,
        start=geometry_beside(dataset),
        notes=notes,
        index=index,
    )
    return Opened(description, dataset)
