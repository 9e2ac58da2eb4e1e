"""A progress bar over the frames of several inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.spread import Told
from stream_rrvae.commands.notes import tell_notes
from stream_rrvae.errors import StreamRrvaeError


@contextmanager
def frames_bar(inputs: Sequence[Input]) -> Iterator[Told]:
    """A bar over the frames of all inputs."""
    with click.progressbar(length=sum(map(_frames_in, inputs)), label="frames measured") as bar:
        yield bar.update


def _frames_in(input_: Input) -> int:
    """How many frames the input holds; what was taken for granted of it is told."""
    try:
        with input_.open() as frames:
            tell_notes(frames)
            return frames.n_arrivals
    except StreamRrvaeError:
        return 0  # what is wrong with it is said when its turn comes
