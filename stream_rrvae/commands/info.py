"""`info`: what a file of ours holds, in one screen."""

from __future__ import annotations

from pathlib import Path

import click

from stream_rrvae.errors import FileFormatError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def run_info(path: Path) -> None:
    """Print what `path` holds. Raises StreamRrvaeError when it is no file of ours."""
    for line in _lines(path):
        click.echo(line)


def _lines(path: Path) -> list[str]:
    if _is_hdf5(path):
        from stream_rrvae.maps.results_summary import results_lines

        return results_lines(path)
    from stream_rrvae.rrvae.checkpoint import load, located
    from stream_rrvae.rrvae.checkpoint_summary import checkpoint_lines

    return [str(located(path)), *checkpoint_lines(load(path))]


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except FileNotFoundError:
        return False  # perhaps the name of a packaged model
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error}") from error
