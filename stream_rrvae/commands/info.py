"""`info`: what a recording, a results file, a checkpoint or another's file of frames holds, in one screen."""

from __future__ import annotations

from pathlib import Path

import click

from stream_rrvae.errors import FileFormatError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


FRAME_FILES = (".npy", ".mib", ".hdr", ".xml")


def run_info(name: str) -> None:
    """Print what the file, or the dataset in it, holds. Raises StreamRrvaeError when it is of no kind known here."""
    for line in _lines(name):
        click.echo(line)


def _lines(name: str) -> list[str]:
    path = Path(name)
    if path.is_dir() or "::" in name or path.suffix.lower() in FRAME_FILES:
        return _frame_lines(name)
    if _is_hdf5(path):
        from stream_rrvae.maps.results_summary import is_results, results_lines

        return results_lines(path) if is_results(path) else _frame_lines(name)
    from stream_rrvae.rrvae.checkpoint import load, located
    from stream_rrvae.rrvae.checkpoint_summary import checkpoint_lines

    return [str(located(path)), *checkpoint_lines(load(path))]


def _frame_lines(name: str) -> list[str]:
    from stream_rrvae.recording.summary import frame_file_lines

    return frame_file_lines(name)


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except FileNotFoundError:
        return False  # perhaps the name of a packaged model
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error}") from error
