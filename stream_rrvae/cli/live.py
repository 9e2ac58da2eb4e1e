"""Commands that run while the microscope is scanning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stream_rrvae.cli.detector_options import detector_option
from stream_rrvae.cli.geometry_options import geometry_options
from stream_rrvae.cli.scan_options import scan_options
from stream_rrvae.cli.shared import CHECKPOINT_HELP, ScanShape, as_tree, curve_options
from stream_rrvae.config import CONTEXTS, DECODERS, DEFAULT_FEED
from stream_rrvae.errors import ConfigError
from stream_rrvae.log import FORMATS


@click.command()
@click.option(
    "--source",
    metavar="URL",
    help="Detector: native+sub://, native+pull://, dectris-v2:// or -v1:// host:port; several with commas.",
)
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings (TOML).")
@click.option("--instrument", help="Name shown on the dashboard.")
@click.option("--scan-shape", type=ScanShape(), help="Positions, where the stream does not say them.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for one results file a scan.")
@click.option("--record", type=click.Path(file_okay=False, path_type=Path), help="Folder for one recording a scan.")
@click.option("--scans", type=click.IntRange(1), help="End after so many scans.  [default: run until stopped]")
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help=CHECKPOINT_HELP)
@click.option(
    "--mode", type=click.Choice(["apply", "finetune", "off"]), help="What the learner does.  [default: finetune]"
)
@click.option("--decoder", type=click.Choice(DECODERS), help="Kind of model.  [default: harmonic]")
@click.option("--latents", type=click.IntRange(1, 8), help="Latents of the model.  [default: 2]")
@click.option(
    "--context",
    type=click.Choice(CONTEXTS),
    help="scan: let lattice and neighbours help counted frames at its end.  [default: none]",
)
@click.option("--channel", help="Detector channel to use.  [default: threshold_1, else the first]")
@click.option("--feed", metavar="URL", help=f"Where snapshots are published.  [default: {DEFAULT_FEED}]")
@click.option(
    "--requests",
    metavar="URL",
    help="Where to answer who holds the key, such as tcp://127.0.0.1:5557.  [default: nowhere]",
)
@click.option(
    "--requests-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of that key, made if it is not there.  [default: requests.key]",
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Where to answer /livez, /readyz and /metrics, such as 127.0.0.1:9464.  [default: nowhere]",
)
@click.option(
    "--log-format",
    type=click.Choice(FORMATS),
    help="Of the log on standard error.  [default: auto: text on a terminal, else JSON]",
)
@scan_options
@geometry_options
@detector_option
@click.option("--seed", type=int, help="Seed of the learner.  [default: 0]")
@curve_options
@click.option("--curve-source", type=click.Path(path_type=Path), help="NAME.key of what sends our native protocol.")
@click.option(
    "--allow-remote", is_flag=True, default=None, help="Bind beyond loopback without keys: closed networks only."
)
def serve(file: Path | None, **options: Any) -> None:
    """The service: receive, compute, learn, publish; runs until told to stop."""
    from stream_rrvae.commands.serve import run_service
    from stream_rrvae.config import load

    settings = load(file, as_tree(options))
    if not settings.source:
        raise ConfigError("no source: say --source URL, such as dectris-v2://172.17.41.2:31001")
    run_service(settings)


@click.command()
@click.option("--headless", is_flag=True, help="No dashboard and no browser.")
@click.option(
    "--scans", type=click.IntRange(0), help="End after so many scans; 0 = go on.  [default: 1 headless, else 0]"
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("demo-out"), help="Folder for results."
)
@click.option("--port", type=click.IntRange(0, 65535), default=5006, help="Port of the dashboard.")
@click.option("--specimen", default="graphene", help="What is scanned; see detector-sim --help.")
@click.option("--dose", default="inf", help="Electrons a frame; inf = without noise.")
@click.option("--scan-shape", type=ScanShape(), default="64x64", help="Positions.")
@click.option("--rate", default=None, help="Frames/s.  [default: 1000 headless, else 250]")
@click.option(
    "--context",
    type=click.Choice(CONTEXTS),
    help="scan: let lattice and neighbours help counted frames at its end.  [default: none]",
)
@click.option("--seed", type=int, default=0, help="Seed of simulator and learner.")
def demo(**options: Any) -> None:
    """Simulated detector, service and dashboard on this machine; nothing else needed."""
    from stream_rrvae.commands.demo import DemoOptions, run_demo

    run_demo(DemoOptions(**options))


@click.command()
@click.argument("results", metavar="[RESULTS.h5]...", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Merge RESULTS, one a shard, into this file; of feeds, a folder."
)
@click.option("--feed", "feeds", metavar="URL", multiple=True, help="Feed of each shard's service, instead of RESULTS.")
@click.option("--to", metavar="URL", default=DEFAULT_FEED, help="Where the whole scan is published.")
@click.option("--instrument", default="instrument", help="Name shown on the dashboard.")
@click.option("--rate", "rate_hz", type=click.FloatRange(0.1, 60), default=20.0, help="Snapshots a second.")
@click.option("--requests", metavar="URL", help="Where the merged scan is asked; each shard is asked for what it has.")
@click.option(
    "--requests-key",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("requests.key"),
    show_default=True,
    help="Key of those who ask, and of the shards' services.",
)
@curve_options
@click.option(
    "--curve-server",
    "curve_servers",
    type=click.Path(path_type=Path),
    multiple=True,
    help="NAME.key of the feeds' services: one for all, or one each in order.",
)
@click.option("--allow-remote", is_flag=True, help="Bind beyond loopback without keys: closed networks only.")
def merge(results: tuple[Path, ...], out: Path | None, **options: Any) -> None:
    """The feeds of a scan's shards as one feed, for dashboards; or their results files as one."""
    from stream_rrvae.commands.merge import MergeOptions, run_merge, run_merge_results

    if bool(results) == bool(options["feeds"]) or (results and out is None):
        raise click.UsageError("give either RESULTS.h5 files and --out, or feeds (--feed)")
    if results and out is not None:
        run_merge_results(results, out)
    else:
        run_merge(MergeOptions(out=out, **options))
