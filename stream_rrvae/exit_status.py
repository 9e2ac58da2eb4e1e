"""How a command ends: one line on standard error for an error, and its exit status."""

from __future__ import annotations

import sys

import click

from stream_rrvae.errors import StreamRrvaeError


def run_command(command: click.Command, name: str) -> None:
    """Run it with the arguments of this process. Exits with 1 = failed, 2 = wrong usage, 0 = interrupted."""
    try:
        command.main(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(0)
    except StreamRrvaeError as error:
        click.echo(f"{name}: {error}", err=True)
        sys.exit(error.exit_status)
