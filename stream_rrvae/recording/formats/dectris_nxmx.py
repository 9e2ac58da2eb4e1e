"""DECTRIS files in the form of NXmx v2024.2: one dataset /entry/data/data [image, channel, ky, kx], mostly virtual.

See dectris/documentation, filewriter/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError, WireError
from stream_rrvae.recording.array_limits import check_array
from stream_rrvae.recording.description import Description
from stream_rrvae.recording.formats import dectris_detector
from stream_rrvae.recording.formats.dectris_legacy import guessed_shape
from stream_rrvae.recording.formats.hdf5_checks import checked, contained, find_dataset, find_item, open_file
from stream_rrvae.recording.formats.hdf5_values import names_at
from stream_rrvae.recording.formats.opened import Opened
from stream_rrvae.wire.dectris_fields import choose_channel
from stream_rrvae.wire.limits import MAX_CHANNELS

GROUP, DATA = "/entry/data", "/entry/data/data"
MOST_SOURCES = 1_000_000


def is_master(file: h5py.File) -> bool:
    """Whether the frames have a channel axis: in this form only."""
    group = find_item(file, GROUP)
    if not isinstance(group, h5py.Group):
        return False
    axes = [axis.decode() if isinstance(axis, bytes) else str(axis) for axis in np.ravel(group.attrs.get("axes", []))]
    data = find_item(file, DATA)
    return axes[1:2] == ["channel"] and isinstance(data, h5py.Dataset) and data.ndim == 4


def open_master(file: h5py.File, path: Path, wanted_channel: str | None) -> Opened:
    """One channel of the series. Raises FileFormatError."""
    data = find_item(file, DATA)
    if data.is_virtual:
        _check_sources(data, path)
    else:
        checked(data)
    pixel_type = check_array(f"{path}::{DATA}", data.shape, data.dtype)
    channels = names_at(file, f"{GROUP}/channel", MAX_CHANNELS)
    if len(channels) != data.shape[1]:
        raise FileFormatError(f"{path} names {len(channels)} channels and holds {data.shape[1]}")
    try:
        channel = choose_channel(channels, wanted_channel)
    except WireError as error:
        raise FileFormatError(f"{path}: {error.detail}") from error
    n_frames, frame_shape = int(data.shape[0]), (int(data.shape[2]), int(data.shape[3]))
    fields, notes = dectris_detector.start_fields(file)
    scan_shape, guessed = guessed_shape(file, n_frames)
    told = (f"channel {channel} of {', '.join(channels)}",) if len(channels) > 1 else ()
    description = Description(
        kind="DECTRIS NXmx file",
        shape=(n_frames, *frame_shape),
        pixel_type=pixel_type,
        scan_shape=scan_shape,
        may_be_short=True,
        start=fields,
        notes=(*told, *notes, *guessed),
        channels=channels,
        pixel_mask=dectris_detector.usable(file, frame_shape, channel),
        received_s=dectris_detector.relative_times_s(file, np.arange(n_frames)),
    )
    return Opened(description, _Channel(data, channels.index(channel)))


def _check_sources(data: h5py.Dataset, path: Path) -> None:
    """Every source is a plain dataset of a file in the master's folder. Raises FileFormatError."""
    if data.id.get_create_plist().get_virtual_count() > MOST_SOURCES:
        raise FileFormatError(f"{path}::{DATA} is put together of too many pieces")
    sources = {(source.file_name, source.dset_name) for source in data.virtual_sources()}
    if not sources:
        raise FileFormatError(f"{path}::{DATA} is virtual and made of nothing")
    for file_name, name in sorted(sources):
        if file_name == ".":
            find_dataset(data.file, name)
            continue
        source = contained(path.parent, file_name)
        if not source.is_file():
            raise FileFormatError(f"{path} needs {file_name}, which is not there: put it into {path.parent}")
        with open_file(source) as file:
            find_dataset(file, name)


@dataclass(frozen=True, slots=True)
class _Channel:
    """One channel of [n, channel, ky, kx] as [n, ky, kx]."""

    data: h5py.Dataset
    channel: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.data.shape[0], *self.data.shape[2:])

    def __getitem__(self, wanted: slice) -> NDArray[Any]:
        block: NDArray[Any] = self.data[wanted, self.channel]
        return block
