"""`recover`: what a crash left of recordings, made whole."""

from __future__ import annotations

from pathlib import Path

import click

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.recover import is_empty, recover, recovered_before, unfinished


def run_recover(folder: Path) -> None:
    """Make every unfinished recording in `folder` whole, or `folder` itself if it is one.

    Raises FileFormatError at the end when something that had been acknowledged could not be had.
    """
    if not folder.is_dir():
        raise FileFormatError(f"{folder} is no folder")
    parts = unfinished(folder)
    failed = 0
    with click.progressbar(parts, label="recordings") as bar:
        outcomes = [_outcome(part) for part in bar]
    for is_whole, told in outcomes:
        click.echo(told)
        failed += not is_whole
    if not parts:
        click.echo(f"nothing to recover in {folder}")
    if failed:
        raise FileFormatError(f"{failed} of {len(parts)} recordings are not whole; the originals were left as they are")


def _outcome(part: Path) -> tuple[bool, str]:
    """Whether all is there, and what to say."""
    before = recovered_before(part)
    if before is not None:
        return True, f"{before}: was recovered before"
    if is_empty(part):
        return True, f"{part}: nothing had been recorded yet"
    try:
        recovered = recover(part)
    except FileFormatError as error:
        return False, str(error)
    return recovered.is_whole, str(recovered)
