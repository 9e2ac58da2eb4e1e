"""The command line; each command's work is elsewhere and loaded only when it is called."""

from __future__ import annotations

import sys

import click

from stream_rrvae import __version__
from stream_rrvae.cli.files import export_, info, recover, replay
from stream_rrvae.cli.live import demo, merge, serve
from stream_rrvae.cli.machine import bench, doctor, keygen
from stream_rrvae.cli.measure import analyse_, calibrate, train
from stream_rrvae.cli.pages import dashboard, recordings
from stream_rrvae.errors import StreamRrvaeError


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
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(0)
    except StreamRrvaeError as error:
        click.echo(f"stream-rrvae: {error}", err=True)
        sys.exit(error.exit_status)
