"""The command line; each command's work is elsewhere and loaded only when it is called."""

from __future__ import annotations

import click

from stream_rrvae import __version__
from stream_rrvae.cli.files import export_, info, recover, replay
from stream_rrvae.cli.live import demo, merge, serve
from stream_rrvae.cli.machine import bench, doctor, keygen
from stream_rrvae.cli.measure import analyse_, calibrate, train
from stream_rrvae.cli.pages import dashboard, recordings
from stream_rrvae.exit_status import run_command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="stream-rrvae")
def cli() -> None:
    """Live analysis of 4D-STEM while the microscope is scanning."""


for _command in (
    demo,
    merge,
    serve,
    dashboard,
    recordings,
    analyse_,
    calibrate,
    train,
    export_,
    info,
    recover,
    replay,
    bench,
    doctor,
    keygen,
):
    cli.add_command(_command)


def main() -> None:
    """Entry point: one line on standard error for an error; status 1 = failed, 2 = wrong usage."""
    run_command(cli, "stream-rrvae")
