"""Merlin `.mib` and EMPAD `.xml` by RosettaSciIO, where the user installed it (it is GPL, so never otherwise)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.array_limits import check_array
from stream_rrvae.recording.description import Description
from stream_rrvae.recording.formats.hdf5_checks import contained
from stream_rrvae.recording.formats.hdf5_geometry import scales_of
from stream_rrvae.recording.formats.opened import Opened, Wanted

WANTED = "reading {} needs RosettaSciIO: pip install 'stream-rrvae[formats]'"
XML_LIMIT_BYTES = 4 << 20


def open_with_rosettasciio(path: Path, wanted: Wanted) -> Opened:
    """The frames of a Merlin or EMPAD file, read when asked for. Raises FileFormatError."""
    signal, kind = _empad(path) if path.suffix.lower() == ".xml" else _merlin(path, wanted.scan_shape)
    data = signal["data"]
    pixel_type = check_array(str(path), data.shape, data.dtype)
    axes = [(axis.get("scale"), str(axis.get("units") or "")) for axis in signal["axes"]]
    calibration = scales_of(axes) if len(axes) == 4 else {}
    description = Description(
        kind=kind,
        shape=tuple(int(side) for side in data.shape),
        pixel_type=pixel_type,
        may_be_short=True,
        start={"calibration": calibration},
        notes=_notes(data.shape, wanted),
    )
    return Opened(description, data)


def _notes(shape: tuple[int, ...], wanted: Wanted) -> tuple[str, ...]:
    if len(shape) != 4 or wanted.scan_shape is not None:
        return ()
    return (f"the scan is taken as {shape[0]}x{shape[1]}, as the file has it: else say --scan-shape YxX",)


def _merlin(path: Path, scan_shape: tuple[int, int] | None) -> tuple[dict[str, Any], str]:
    mib = path.with_suffix(".mib")
    if not mib.is_file():
        raise FileFormatError(f"{path} is the header of a Merlin file: {mib.name} is not beside it")
    try:
        from rsciio.quantumdetector import file_reader
    except ImportError as error:
        raise FileFormatError(WANTED.format("Merlin files")) from error
    # It wants (x, y), as HyperSpy has it.
    shape = None if scan_shape is None else (scan_shape[1], scan_shape[0])
    return file_reader(str(mib), lazy=True, navigation_shape=shape)[0], "Merlin file"


def _empad(path: Path) -> tuple[dict[str, Any], str]:
    _check_xml(path)
    try:
        from rsciio.empad import file_reader
    except ImportError as error:
        raise FileFormatError(WANTED.format("EMPAD files")) from error
    return file_reader(str(path), lazy=True)[0], "EMPAD file"


def _check_xml(path: Path) -> None:
    """No entities, and raw data in the file's own folder."""
    content = path.read_bytes() if path.stat().st_size <= XML_LIMIT_BYTES else b""
    if not content or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise FileFormatError(
            f"{path} is no EMPAD description: empty, over {XML_LIMIT_BYTES >> 20} MiB, or with entities"
        )
    try:
        found = ET.fromstring(content).findall("raw_file")
    except ET.ParseError as error:
        raise FileFormatError(f"{path} is no XML: {error}") from error
    # The library takes an attribute or an element for the name: both are looked at.
    names = [name for raw in found for name in (raw.get("filename"), *(e.text for e in raw.iter("filename"))) if name]
    if not names:
        raise FileFormatError(f"{path} is no EMPAD description: it names no raw_file")
    for name in names:
        if not contained(path.parent, name).is_file():
            raise FileFormatError(f"{path} needs {name}, which is not there: put it into {path.parent}")
