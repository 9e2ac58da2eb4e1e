"""Commands behind the web pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stream_rrvae.config import DEFAULT_FEED
from stream_rrvae.log import FORMATS


@click.command()
@click.option(
    "--feed", "feeds", metavar="URL", multiple=True, default=(DEFAULT_FEED,), help="Feed of a service; may be repeated."
)
@click.option(
    "--requests-key",
    "requests_keys",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="File with the key of what services answer (serve --requests): one for all feeds, or one for each in order.",
)
@click.option(
    "--recordings",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of recordings (serve --record) for /replay.",
)
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where results of analyses from /replay go.  [default: `analyses` in the folder of recordings]",
)
@click.option(
    "--checkpoints", type=click.Path(file_okay=False, path_type=Path), help="Folder of models to analyse with."
)
@click.option(
    "--replay-control", metavar="URL", help="A running replay that /replay may pause and move (its --control)."
)
@click.option(
    "--replay-key", type=click.Path(dir_okay=False, path_type=Path), default=Path("replay.key"), help="File of its key."
)
@click.option("--port", type=click.IntRange(0, 65535), default=5006, help="Port of the web server.")
@click.option("--address", default="127.0.0.1", help="Address to bind.")
@click.option("--prefix", default="", help="Path prefix behind a reverse proxy.")
@click.option(
    "--allow-origin", "allow_origins", multiple=True, help="Public host:port of a reverse proxy; may be repeated."
)
@click.option("--curve-key", type=click.Path(path_type=Path), help="Our NAME.key_secret (`stream-rrvae keygen`).")
@click.option(
    "--curve-server",
    "curve_servers",
    type=click.Path(path_type=Path),
    multiple=True,
    help="NAME.key of services that ask for keys: one for all feeds, or one each in order.",
)
@click.option("--allow-remote", is_flag=True, help="Bind beyond loopback: closed networks only.")
@click.option(
    "--operators-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the operators' passphrase, made if it is not there.  [default: only this machine operates]",
)
@click.option("--max-sessions", type=click.IntRange(1), default=20, help="Most pages open at a time.")
@click.option("--log-format", type=click.Choice(FORMATS), default="auto", help="auto: text on a terminal, else JSON.")
@click.option("--lag-s", type=float, default=1.0, help="LAG: maps are so far behind the detector.")
@click.option("--stale-s", type=float, default=2.0, help="STALE: no frame for so long, or five frame periods.")
@click.option("--unreachable-s", type=float, default=10.0, help="UNREACHABLE: nothing from the service for so long.")
def dashboard(lag_s: float, stale_s: float, unreachable_s: float, **options: Any) -> None:
    """The web pages: /live for one instrument, /replay for recordings, /control for all instruments."""
    from dashboards.feeds.thresholds import Thresholds
    from dashboards.options import DashboardOptions, Keyed
    from stream_rrvae.commands.dashboard import RecordingsChoice, run_dashboard

    choice = RecordingsChoice(*(options.pop(name) for name in ("recordings", "results", "checkpoints")))
    control, key = options.pop("replay_control"), options.pop("replay_key")
    options["replay_control"] = Keyed(control, key) if control else None
    log_format = options.pop("log_format")
    run_dashboard(DashboardOptions(thresholds=Thresholds(lag_s, stale_s, unreachable_s), **options), choice, log_format)


@click.command()
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of recordings.")
@click.option("--requests", metavar="URL", required=True, help="Where to answer who holds the key.")
@click.option(
    "--requests-key",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("recordings.key"),
    help="File of that key, made if it is not there.",
)
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), help="Where results of analyses go.")
@click.option("--checkpoints", type=click.Path(file_okay=False, path_type=Path), help="Folder of models.")
def recordings(**options: Any) -> None:
    """Read recordings for the pages; `dashboard --recordings` starts this by itself."""
    from stream_rrvae.commands.recordings import RecordingsOptions, run_recordings

    run_recordings(RecordingsOptions(**options))
