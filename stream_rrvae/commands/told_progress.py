"""How far a long piece of work is: a bar on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

STEP_PERCENT = 5


@contextmanager
def told_progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """Gives what is to be called with how much of `length` is done so far."""
    if sys.stdout.isatty():
        with click.progressbar(length=length, label=label) as bar:
            yield lambda done: bar.update(done - bar.pos)
        return
    told = -1

    def tell(done: int) -> None:
        nonlocal told
        percent = 100 * done // max(1, length)
        if percent // STEP_PERCENT > told // STEP_PERCENT or told < 0:
            told = percent
            click.echo(f"{label} {percent:3d} %")
            sys.stdout.flush()

    yield tell
