"""Files as detectors and other programs write them, made here with h5py and bitshuffle alone, apart from our code."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bitshuffle
import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.recording.formats.opened import Opened, Wanted
from stream_rrvae.recording.formats.registry import open_any

BLOCK_BYTES = 8192
SCAN_SHAPE, FRAME_SHAPE = (5, 5), (48, 40)
BAD_PIXEL = (3, 7)


@pytest.fixture(scope="session")
def counts() -> NDArray[np.uint16]:
    """[25, 48, 40] with a bad pixel that holds the type's maximum."""
    frames = np.random.default_rng(2).poisson(2.0, (25, *FRAME_SHAPE)).astype(np.uint16)
    frames[:, *BAD_PIXEL] = np.iinfo(np.uint16).max
    return frames


@pytest.fixture
def open_here() -> Iterator[Callable[..., Opened]]:
    """Opens a file in this process, for tests of what is found; the reading process has its own."""
    with ExitStack() as stack:
        yield lambda path, **wanted: open_any(str(path), Wanted(**wanted), stack)


def packed_chunk(frame: NDArray[Any]) -> bytes:
    """As the detector's own compression writes it."""
    packed: bytes = bitshuffle.compress_lz4(frame, BLOCK_BYTES // frame.itemsize).tobytes()
    return struct.pack(">QI", frame.nbytes, BLOCK_BYTES) + packed


def write_direct(group: h5py.Group, name: str, frames: NDArray[Any]) -> h5py.Dataset:
    """Frames [..., ky, kx] as bitshuffle-LZ4 chunks of one frame, past HDF5's own filter."""
    chunks = (*(1,) * (frames.ndim - 2), *frames.shape[-2:])
    made = group.create_dataset(name, frames.shape, frames.dtype, chunks=chunks, **hdf5plugin.Bitshuffle(cname="lz4"))
    for at in np.ndindex(frames.shape[:-2]):
        made.id.write_direct_chunk((*at, 0, 0), packed_chunk(frames[at]))
    return made


@pytest.fixture
def legacy_master(tmp_path: Path, counts: NDArray[np.uint16]) -> Path:
    """`run_master.h5` and three data files of at most 10 images, in the layout of NXmx 1.4."""
    folder = tmp_path / "legacy"
    folder.mkdir()
    path = folder / "run_master.h5"
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        file.create_group("entry/data").attrs["NX_class"] = "NXdata"
        for number, first in enumerate(range(0, len(counts), 10), start=1):
            name = f"run_data_{number:06d}.h5"
            with h5py.File(folder / name, "w", libver=("earliest", "v108")) as data_file:
                data = write_direct(data_file.create_group("entry/data"), "data", counts[first : first + 10])
                data.attrs["image_nr_low"] = np.uint32(first + 1)
                data.attrs["image_nr_high"] = np.uint32(first + len(data))
            file[f"entry/data/data_{number:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
        _write_detector(file, {"pixel_mask": "entry/instrument/detector/detectorSpecific/pixel_mask"})
        specific = file["entry/instrument/detector/detectorSpecific"]
        specific["nimages"], specific["ntrigger"] = len(counts), 1
    return path


@pytest.fixture
def nxmx_master(tmp_path: Path, counts: NDArray[np.uint16]) -> Path:
    """`new_master.h5` as of NXmx v2024.2: two channels, one virtual dataset over two data files."""
    folder = tmp_path / "nxmx"
    folder.mkdir()
    path, both = folder / "new_master.h5", np.stack([counts, counts // 2], axis=1)
    layout = h5py.VirtualLayout(both.shape, both.dtype)
    for number, first in enumerate((0, 15), start=1):
        name, part = f"new_data_{number:06d}.h5", both[first : first + 15]
        with h5py.File(folder / name, "w") as data_file:
            write_direct(data_file.create_group("entry/data"), "data", part)
        layout[first : first + 15] = h5py.VirtualSource(name, "/entry/data/data", part.shape)
    with h5py.File(path, "w") as file:
        data = file.create_group("entry/data")
        data.attrs.update({"NX_class": "NXdata", "signal": "data", "axes": ["image_id", "channel", ".", "."]})
        data.create_virtual_dataset("data", layout)
        data["channel"] = ["threshold_1", "threshold_2"]
        data["image_id"] = np.arange(1, 26)
        file["entry/definition"] = "NXmx"
        _write_detector(file, {"pixel_mask": "entry/instrument/detector/threshold_1_channel/pixel_mask"})
    return path


def _write_detector(file: h5py.File, places: dict[str, str]) -> None:
    mask = np.zeros(FRAME_SHAPE, np.uint32)
    mask[BAD_PIXEL] = 1
    file.create_dataset(places["pixel_mask"], data=mask)
    detector = file["entry/instrument/detector"]
    for name, value in {
        "beam_center_x": 19.25, "beam_center_y": 23.5, "x_pixel_size": 1e-4, "y_pixel_size": 1e-4, "distance": 0.1,
        "detector_distance": 0.1, "saturation_value": 4095, "frame_time": 5e-4, "description": "Dectris ARINA",
    }.items():  # fmt: skip
        detector[name] = value
    file["entry/instrument/beam/incident_energy"] = 80e3
