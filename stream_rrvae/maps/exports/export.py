"""A results file in other formats: which there are, and where each is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from stream_rrvae.errors import ConfigError, FileFormatError
from stream_rrvae.maps.exports.csv_table import write_csv
from stream_rrvae.maps.exports.emd import write_emd
from stream_rrvae.maps.exports.hyperspy import write_hspy
from stream_rrvae.maps.exports.png import write_pngs
from stream_rrvae.maps.exports.results_copy import write_results_copy
from stream_rrvae.maps.report_data import ReportData, read_report_data

PNG = "png"
_WRITERS: dict[str, tuple[Callable[[ReportData, Path], None], str]] = {
    "csv": (write_csv, ".csv"),
    "hspy": (write_hspy, ".hspy"),
    "py4dstem": (write_emd, ".emd.h5"),
}
HDF5 = "hdf5"  # as a results file
FORMATS = (PNG, HDF5, *_WRITERS)
MASTER = "master.h5"  # of a recording
DEFAULT = (PNG, "csv")
_BY_SUFFIX = {".csv": "csv", ".hspy": "hspy", ".emd": "py4dstem", ".h5": "py4dstem"}


def export(results: Path, to: Path, formats: Sequence[str] = ()) -> list[Path]:
    """Write `results` to the folder `to` in `formats`, or to the file `to` in the format that its name says.

    `results` is a results file, or a recording with maps. Gives what was written.
    Raises ConfigError when the wish makes no sense, FileFormatError when a file cannot be read or written.
    """
    kind = _kind_of_file(to, formats)
    name = results.name.removesuffix(".h5").removesuffix(".results")
    results = results / MASTER if results.is_dir() else results
    data = read_report_data(results)
    try:
        if kind is not None:
            to.parent.mkdir(parents=True, exist_ok=True)
            return [_written(data, kind, to, results)]
        to.mkdir(parents=True, exist_ok=True)
        return [path for wanted in formats or DEFAULT for path in _into(to, name, wanted, data, results)]
    except OSError as error:
        raise FileFormatError(f"cannot write {to}: {error}") from error


def _kind_of_file(to: Path, formats: Sequence[str]) -> str | None:
    """The format of the file `to`; None = `to` is a folder."""
    kind = None if to.is_dir() else _BY_SUFFIX.get(to.suffix.lower())
    if kind is None and to.suffix.lower() == ".png":
        raise ConfigError(f"there is a picture of each map: say a folder, --to {to.with_suffix('')}")
    if kind is not None and formats and tuple(formats) != (kind,):
        raise ConfigError(f"{to} is one file of format {kind}: say a folder with --to for --format {' '.join(formats)}")
    return kind


def _into(folder: Path, stem: str, wanted: str, data: ReportData, results: Path) -> list[Path]:
    if wanted == PNG:
        return write_pngs(data, folder, stem)
    suffix = ".results.h5" if wanted == HDF5 else _WRITERS[wanted][1]
    return [_written(data, wanted, folder / f"{stem}{suffix}", results)]


def _written(data: ReportData, kind: str, path: Path, results: Path) -> Path:
    """`path`, which appears whole or not at all."""
    if path.exists() and path.samefile(results):
        raise ConfigError(f"{path} is the results file itself: choose another name")
    part = path.with_name(f".{path.name}.part")
    try:
        if kind == HDF5:
            write_results_copy(results, part)
        else:
            _WRITERS[kind][0](data, part)
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return path
