"""Which file holds what: maps, frames, or both."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import h5py

from stream_rrvae.batch.inputs import Input
from stream_rrvae.calibration.override import override
from stream_rrvae.errors import FileFormatError
from stream_rrvae.maps.report_data import read_report_data
from stream_rrvae.maps.results import DEFINITION
from stream_rrvae.notebook.lazy_frames import LazyFrames
from stream_rrvae.notebook.opened import Opened
from stream_rrvae.recording.formats.hdf5_checks import find_item
from stream_rrvae.recording.layout import MASTER_NAME

RESULTS = "*results.h5"  # as the service names them
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def open_scan(source: str | Path, scan_shape: tuple[int, int] | None, channel: str | None) -> Opened:
    """See `stream_rrvae.open`."""
    if (folder := Path(source)).is_dir() and (held := sorted(folder.glob(RESULTS))):
        raise FileFormatError(
            f"{source} is a folder with {len(held)} results: open one of them, such as {held[-1].name}"
        )
    input_ = Input.of(str(source), scan_shape, channel)
    holder = input_.path / MASTER_NAME if input_.path.is_dir() else input_.path
    results = read_report_data(holder) if _holds(holder, "entry/maps/sum") else None
    if results is not None and _definition(holder) == DEFINITION:
        if scan_shape is not None or channel is not None:
            raise FileFormatError(
                f"{source} is a results file and has no frames: leave scan_shape and channel out, or open the frames"
            )
        return Opened(str(source), "results file", None, results, results.calibration, ExitStack())
    with ExitStack() as stack:
        frames = stack.enter_context(input_.open())
        known = override(frames.start.calibration, frames.site)
        calibration = known if results is None else results.calibration
        return Opened(str(source), frames.kind, LazyFrames(frames, input_), results, calibration, stack.pop_all())


def _holds(path: Path, name: str) -> bool:
    """Whether `path` is HDF5 with a dataset `name` in the file itself."""
    if not path.is_file() or not _is_hdf5(path):
        return False
    try:
        with h5py.File(path) as file:
            return isinstance(find_item(file, name), h5py.Dataset)
    except OSError:
        return False  # whoever opens it for its frames says what is wrong


def _definition(path: Path) -> str:
    with h5py.File(path) as file:
        found = find_item(file, "entry/definition")
        text = found[()] if isinstance(found, h5py.Dataset) and found.shape == () else b""
    return text.decode() if isinstance(text, bytes) else ""


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
