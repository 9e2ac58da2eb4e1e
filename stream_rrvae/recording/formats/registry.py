"""Which kind of file it is, by what it holds rather than by its name where that can be told."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.formats.opened import Opened, Wanted

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
LARGEST_USER_BLOCK = 1 << 20
KINDS = "a recording, a DECTRIS master, .npy, HDF5 (file.h5::/dataset), Merlin .mib or EMPAD .xml"

__all__ = ["Opened", "Wanted", "open_any"]


def open_any(name: str, wanted: Wanted, stack: ExitStack) -> Opened:
    """The file or folder `name`, open until `stack` is closed. Raises FileFormatError; libraries raise theirs."""
    path = Path(name)
    if path.is_dir() or path.name == "master.h5":
        from stream_rrvae.recording.formats.own_recording import is_recording, open_recording

        folder = path if path.is_dir() else path.parent
        if is_recording(folder) and not wanted.dataset:
            return open_recording(folder)
        if path.is_dir():
            raise FileFormatError(f"{name} is a folder and no recording: it holds no segment-0000.h5")
    if is_hdf5(path):
        from stream_rrvae.recording.formats.hdf5_file import open_hdf5

        return open_hdf5(path, wanted, stack)
    if path.suffix.lower() in (".mib", ".hdr", ".xml"):
        from stream_rrvae.recording.formats.rosettasciio_file import open_with_rosettasciio

        return open_with_rosettasciio(path, wanted)
    raise FileFormatError(f"{name} is of no kind known here: wanted {KINDS}")


def is_hdf5(path: Path) -> bool:
    """Whether HDF5's signature is where the format puts it: at 0, 512, 1024, 2048 ..."""
    with path.open("rb") as file:
        offset = 0
        while offset <= LARGEST_USER_BLOCK:
            file.seek(offset)
            if file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
                return True
            offset = max(512, 2 * offset)
    return False
