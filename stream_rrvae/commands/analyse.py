"""`analyse`: a file of frames through the live code, without a detector."""

from __future__ import annotations

from pathlib import Path

import click
from threadpoolctl import threadpool_limits

from stream_rrvae import log
from stream_rrvae.batch.analyse import analyse
from stream_rrvae.config import Settings
from stream_rrvae.maps.figures_parts import require_matplotlib
from stream_rrvae.maps.report import write_report
from stream_rrvae.maps.results import summary
from stream_rrvae.recording.frame_file import open_frames


def run_analyse(source: str, out: Path, settings: Settings, report: Path | None = None) -> None:
    """Analyse `source` into `out` with a bar, and draw `report` when asked to. Raises StreamRrvaeError."""
    log.set_up()
    if report is not None:
        require_matplotlib()  # before the work, not after it
    threadpool_limits(1)  # spinning threads make small fits ten times slower where cores are few
    with (
        open_frames(source, settings.scan_shape) as frames,
        click.progressbar(length=frames.n_frames, label="frames measured") as bar,
    ):
        analyse(frames, settings, out, lambda done: bar.update(done - bar.pos))
    click.echo(f"{out}: {summary(out)}")
    if report is not None:
        click.echo(f"report: {write_report(report, out)}")
