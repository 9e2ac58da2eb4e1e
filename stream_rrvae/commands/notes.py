"""What the user should know of an input file: taken for granted where the file did not say it, or missing."""

from __future__ import annotations

from pathlib import Path

import click

from stream_rrvae.recording.frame_file import FrameFile


def tell_notes(frames: FrameFile) -> None:
    """A line on standard error for each."""
    for note in frames.notes:
        click.echo(f"{Path(frames.name).name}: {note}", err=True)
