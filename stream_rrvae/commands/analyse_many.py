"""`analyse` of several inputs, or of one on several processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from stream_rrvae.batch.cluster import WANTED, ClusterOptions, connected, dask_is_there
from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.many import Analysed, OutFor, learn_from, one_by_one
from stream_rrvae.batch.spread import Spread
from stream_rrvae.commands.frames_bar import frames_bar
from stream_rrvae.config import Settings
from stream_rrvae.errors import ConfigError, FileFormatError
from stream_rrvae.maps.report import write_report
from stream_rrvae.maps.results import free_name, summary

NAMES_FOR_THE_INSIDE = ("master", "data", "frames")  # of files that are named alike in every folder


def analyse_spread(source: str, out: Path, settings: Settings, cluster: ClusterOptions) -> None:
    """One input on a cluster. Raises StreamRrvaeError."""
    input_ = Input.of(source, settings.scan_shape, settings.channel, settings.scan)
    with ExitStack() as stack:
        (done,) = _analysed([input_], lambda _input: out, settings, cluster, stack)
    if done.error is not None:
        raise done.error


def analyse_many(
    sources: Sequence[str], out: Path, settings: Settings, cluster: ClusterOptions, report: Path | None = None
) -> None:
    """One results file an input, in the folder `out`, and a page of figures in `report`. An input that fails ends
    nothing but itself.

    Raises FileFormatError at the end when any did, ConfigError when `out` or `report` can be no folder.
    """
    _require_folder(out, "--out", "results file")
    if report is not None:
        _require_folder(report, "--report", "page")
        report.mkdir(parents=True, exist_ok=True)
    inputs = [Input.of(source, settings.scan_shape, settings.channel, settings.scan) for source in sources]
    waiting: list[str] = []
    failed = 0
    with ExitStack() as stack:
        for done in _analysed(inputs, lambda input_: free_name(out, _stem(input_)), settings, cluster, stack):
            failed += done.out is None
            waiting.append(_said(done, report))
            if not sys.stdout.isatty():  # there a bar is moving meanwhile
                click.echo(waiting.pop())
    for line in waiting:
        click.echo(line)
    if failed:
        raise FileFormatError(f"{failed} of {len(inputs)} inputs could not be analysed; the others are in {out}")


def _analysed(
    inputs: Sequence[Input], out_for: OutFor, settings: Settings, cluster: ClusterOptions, stack: ExitStack
) -> Iterator[Analysed]:
    if not cluster.wanted and not dask_is_there():
        click.echo(f"one input after the other: {WANTED}", err=True)
        return one_by_one(inputs, settings, out_for, stack.enter_context(frames_bar(inputs)))
    client = stack.enter_context(connected(cluster))
    spread = Spread(client, settings, stack.enter_context(frames_bar(inputs)))
    return learn_from(spread.outcomes(inputs), settings, out_for)


def _stem(input_: Input) -> str:
    """What the results are named after: the file, or its folder where files are named alike in every folder."""
    path = input_.path
    if path.is_dir():
        return path.name
    return path.parent.name if path.stem in NAMES_FOR_THE_INSIDE else path.stem


def report_name(results: Path) -> str:
    """The page of figures of a results file."""
    return f"{results.name.removesuffix('.h5').removesuffix('.results')}.report.html"


def _require_folder(path: Path, option: str, what: str) -> None:
    if (path.exists() and not path.is_dir()) or path.suffix in (".h5", ".html"):
        raise ConfigError(f"{path} is a file: with several inputs {option} is a folder, for one {what} each")


def _said(done: Analysed, report: Path | None) -> str:
    if done.out is None:
        return f"{done.input.source}: {done.error}"
    told = f"{done.out}: {summary(done.out)}"
    if report is None:
        return told
    try:
        return f"{told}; report: {write_report(report / report_name(done.out), done.out)}"
    except FileFormatError as error:
        return f"{told}; no report: {error}"
