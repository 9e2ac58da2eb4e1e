"""`analyse`: a file of frames through the live code, without a detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from threadpoolctl import threadpool_limits

from stream_rrvae import log
from stream_rrvae.batch.analyse import analyse
from stream_rrvae.batch.cluster import ClusterOptions
from stream_rrvae.calibration.site import check_site
from stream_rrvae.commands.analyse_many import analyse_many, analyse_spread, report_name
from stream_rrvae.commands.notes import tell_notes
from stream_rrvae.commands.told_progress import told_progress
from stream_rrvae.config import Settings
from stream_rrvae.detectors.laid_out import check_detectors
from stream_rrvae.maps.figures_parts import require_matplotlib
from stream_rrvae.maps.report import write_report
from stream_rrvae.maps.results import summary
from stream_rrvae.recording.frame_file import open_frames


@dataclass(frozen=True, slots=True)
class AnalyseOptions:
    """What `stream-rrvae analyse` was asked for beside the settings."""

    sources: tuple[str, ...]
    out: Path  # of one input the results file, of several a folder
    report: Path | None  # of one input the page or a folder for it, of several a folder
    cluster: ClusterOptions


def run_analyse(options: AnalyseOptions, settings: Settings) -> None:
    """Analyse with a bar, and draw the report when asked to. Raises StreamRrvaeError."""
    log.set_up()
    options.cluster.check()
    check_site(settings)
    check_detectors(settings.detectors)
    if options.report is not None:
        require_matplotlib()  # before the work, not after it
    threadpool_limits(1)  # spinning threads make small fits ten times slower where cores are few
    if len(options.sources) > 1:
        analyse_many(options.sources, options.out, settings, options.cluster, options.report)
        return
    (source,), out = options.sources, options.out
    if options.cluster.wanted:
        analyse_spread(source, out, settings, options.cluster)
    else:
        _analyse_here(source, out, settings)
    click.echo(f"{out}: {summary(out)}")
    if options.report is not None:
        page = options.report / report_name(out) if options.report.is_dir() else options.report
        click.echo(f"report: {write_report(page, out)}")


def _analyse_here(source: str, out: Path, settings: Settings) -> None:
    with (
        open_frames(source, settings.scan_shape, settings.channel, settings.scan) as frames,
        told_progress(frames.n_arrivals, "frames measured") as tell,
    ):
        tell_notes(frames)
        analyse(frames, settings, out, tell)
