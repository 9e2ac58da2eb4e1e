"""Commands about this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from stream_rrvae.cli.shared import ScanShape


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where recordings and results will go.",
)
def doctor(out: Path) -> None:
    """Check this machine and say what to change."""
    from stream_rrvae.commands.doctor import examine, show

    failed = show(examine(out))
    sys.exit(1 if failed else 0)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", metavar="[NAME]...", nargs=-1)
def keygen(folder: Path, names: tuple[str, ...]) -> None:
    """Make CURVE keys in DIR: NAME.key to give away and NAME.key_secret, for each NAME.  [default: stream-rrvae]

    Each end of a link has its own. --curve-key is one's NAME.key_secret; the NAME.key of who may connect lie in the
    folder that --curve-clients names at the other end.
    """
    from stream_rrvae.curve import make_certificate

    for name in names or ("stream-rrvae",):
        for path in make_certificate(folder, name):
            click.echo(path)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--json", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--input", "source", metavar="INPUT", help="Frames to compare on (.npy, or file.h5::/dataset).")
@click.option("--scan-shape", type=ScanShape(), help="Positions, simulated or of INPUT.  [default: 32x32 simulated]")
@click.option("--specimen", default="graphene", help="What is simulated; see detector-sim --help.")
@click.option("--dose", default="inf", metavar="ELECTRONS|inf", help="Electrons a simulated frame.")
@click.option(
    "--seconds", type=click.FloatRange(0.5), help="Of each turn (ingest, latency: 3), or of training our model (12)."
)
@click.option("--rounds", type=click.IntRange(1), default=3, help="Turns of each receiver; the median is shown.")
@click.option("--case", "cases", multiple=True, help="Only cases (ingest) or models (rrvae) whose name holds this.")
@click.option(
    "--peer-seconds", type=click.FloatRange(1.0), default=120.0, help="CPU seconds of training for each peer."
)
@click.option("--seeds", type=click.IntRange(1), default=1, help="Runs of each model; the median is shown.")
@click.option("--latents", type=click.IntRange(1, 8), default=2, help="Latents of every model.")
@click.option(
    "--peers-python",
    "--peer-python",
    "peers_python",
    default=sys.executable,
    show_default="this one",
    help="Interpreter with the peers.",
)
@click.option("--only", type=click.IntRange(1), multiple=True, help="Only this check (trust); may be repeated.")
@click.option("--long", "long_form", is_flag=True, help="The full counts (trust): hours instead of minutes.")
@click.option("--table", is_flag=True, help="The checks once more as a table for a document (trust).")
def bench(**options: Any) -> None:
    """Benchmarks beside references in the same run.

    rrvae, model, com, sender, ingest, latency, recording, replay; without NAME all of them. trust: the checks of what
    "trustworthy" means, each with its figure and target.
    """
    from stream_rrvae.commands.bench import BenchOptions, run_bench

    run_bench(BenchOptions(**options))
