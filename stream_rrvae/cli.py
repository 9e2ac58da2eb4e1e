"""The command line; each command's work is elsewhere and loaded only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from stream_rrvae import __version__
from stream_rrvae.commands.geometry_options import geometry_options
from stream_rrvae.config import CONTEXTS, DECODERS, DEFAULT_FEED
from stream_rrvae.errors import ConfigError, StreamRrvaeError

_CHANNEL_HELP = "Detector channel, of files with several.  [default: threshold_1, else the first]"
_CHECKPOINT_HELP = "Model to start from: a file, or `pretrained` for the one in the package."
F = TypeVar("F", bound=Callable[..., Any])


class ScanShape(click.ParamType[tuple[int, int]]):
    """Positions as YxX, such as 256x256."""

    name = "YxX"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The shape (y, x) of `value`; a usage error when it is none."""
        if isinstance(value, tuple):
            return value[0], value[1]
        rows, _, columns = str(value).lower().partition("x")
        if not (rows.isdigit() and columns.isdigit() and int(rows) and int(columns)):
            self.fail(f"{value!r} is no scan shape; write rows x columns, such as 256x256", param, ctx)
        return int(rows), int(columns)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="stream-rrvae")
def cli() -> None:
    """Live analysis of 4D-STEM while the microscope is scanning."""


@cli.command()
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
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help=_CHECKPOINT_HELP)
@click.option("--mode", type=click.Choice(["apply", "finetune", "off"]), help="What the learner does.")
@click.option("--decoder", type=click.Choice(DECODERS), help="Kind of model.  [default: harmonic]")
@click.option("--latents", type=click.IntRange(1, 8), help="Latents of the model.  [default: 2]")
@click.option(
    "--context", type=click.Choice(CONTEXTS), help="scan: let lattice and neighbours help counted frames at its end."
)
@click.option("--channel", help="Detector channel to use.  [default: threshold_1, else the first]")
@click.option("--feed", metavar="URL", help=f"Where snapshots are published.  [default: {DEFAULT_FEED}]")
@click.option("--requests", metavar="URL", help="Where to answer who holds the key, such as tcp://127.0.0.1:5557.")
@click.option(
    "--requests-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of that key, made if it is not there.  [default: requests.key]",
)
@geometry_options
@click.option("--seed", type=int, help="Seed of the learner.")
@click.option(
    "--allow-remote", is_flag=True, default=None, help="Bind beyond loopback without keys: closed networks only."
)
def serve(file: Path | None, **options: Any) -> None:
    """The service: receive, compute, learn, publish; runs until told to stop."""
    from stream_rrvae.commands.serve import run_service
    from stream_rrvae.config import load

    settings = load(file, _as_tree(options))
    if not settings.source:
        raise ConfigError("no source: say --source URL, such as dectris-v2://172.17.41.2:31001")
    run_service(settings)


_PART_OF_TREE = {
    **dict.fromkeys(
        (
            "semiangle_mrad",
            "mrad_per_px",
            "detector_rotation_deg",
            "detector_flip",
            "rotation",
            "descan",
            "scan_step_nm",
            "beam_energy_ev",
            "thickness_nm",
        ),
        "calibration",
    ),
    **dict.fromkeys(("mode", "checkpoint", "seed", "decoder", "latents", "context", "budget_s"), "learn"),
}


def _as_tree(options: dict[str, Any]) -> dict[str, Any]:
    """The flat options of the command line in the shape of the settings tree."""
    tree: dict[str, Any] = {"calibration": {}, "learn": {}}
    for name, value in options.items():
        part = _PART_OF_TREE.get(name)
        (tree[part] if part else tree)[name] = value
    if "feed" in tree:
        tree["feed"] = {"url": tree["feed"]}
    if "requests" in tree:
        tree["requests"] = {"url": tree["requests"], "key": tree.pop("requests_key")}
    return tree


def _cluster_options(command: F) -> F:
    """The options that say on which processes frames are measured; `_cluster_of` takes them."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--allow-remote", is_flag=True, help="A scheduler beyond here without TLS: closed networks only."),
        click.option("--tls-key", type=path, help="Its key (PEM)."),
        click.option("--tls-cert", type=path, help="Our certificate for the scheduler (PEM)."),
        click.option("--tls-ca", type=path, help="Certificate authority of the scheduler (PEM)."),
        click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler to work at, such as tls://host:8786."),
        click.option("--workers", type=click.IntRange(1), help="Processes here to measure in, with Dask."),
    ):
        command = option(command)
    return command


def _cluster_of(options: dict[str, Any]) -> Any:
    """Takes the options of `_cluster_options` out of `options`."""
    from stream_rrvae.batch.cluster import ClusterOptions

    return ClusterOptions(
        **{field.name: options.pop(field.name) for field in fields(ClusterOptions) if field.name in options}
    )


@cli.command()
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
    "--context", type=click.Choice(CONTEXTS), help="scan: let lattice and neighbours help counted frames at its end."
)
@click.option("--seed", type=int, default=0, help="Seed of simulator and learner.")
def demo(**options: Any) -> None:
    """Simulated detector, service and dashboard on this machine; nothing else needed."""
    from stream_rrvae.commands.demo import DemoOptions, run_demo

    run_demo(DemoOptions(**options))


@cli.command()
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
@click.option("--allow-remote", is_flag=True, help="Bind beyond loopback: closed networks only.")
@click.option(
    "--operators-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the operators' passphrase, made if it is not there.  [default: only this machine operates]",
)
@click.option("--max-sessions", type=click.IntRange(1), default=20, help="Most pages open at a time.")
@click.option("--lag-s", type=float, default=1.0, help="LAG: maps are so far behind the detector.")
@click.option("--stale-s", type=float, default=2.0, help="STALE: no frame for so long, or five frame periods.")
@click.option("--unreachable-s", type=float, default=10.0, help="UNREACHABLE: nothing from the service for so long.")
def dashboard(lag_s: float, stale_s: float, unreachable_s: float, **options: Any) -> None:
    """The web pages: /live for one instrument, /replay for recordings, /control for all instruments."""
    from dashboards.options import DashboardOptions, Keyed
    from dashboards.thresholds import Thresholds
    from stream_rrvae.commands.dashboard import RecordingsChoice, run_dashboard

    choice = RecordingsChoice(*(options.pop(name) for name in ("recordings", "results", "checkpoints")))
    control, key = options.pop("replay_control"), options.pop("replay_key")
    options["replay_control"] = Keyed(control, key) if control else None
    run_dashboard(DashboardOptions(thresholds=Thresholds(lag_s, stale_s, unreachable_s), **options), choice)


@cli.command()
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


@cli.command()
@click.argument("results", metavar="[RESULTS.h5]...", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Merge RESULTS, one a shard, into this.")
@click.option("--feed", "feeds", metavar="URL", multiple=True, help="Feed of each shard's service, instead of RESULTS.")
@click.option("--to", metavar="URL", default=DEFAULT_FEED, help="Where the whole scan is published.")
@click.option("--instrument", default="instrument", help="Name shown on the dashboard.")
@click.option("--rate", "rate_hz", type=click.FloatRange(0.1, 60), default=20.0, help="Snapshots a second.")
@click.option("--allow-remote", is_flag=True, help="Bind beyond loopback without keys: closed networks only.")
def merge(results: tuple[Path, ...], out: Path | None, **options: Any) -> None:
    """The feeds of a scan's shards as one feed, for dashboards; or their results files as one."""
    from stream_rrvae.commands.merge import MergeOptions, run_merge, run_merge_results

    if bool(results) != (out is not None) or bool(results) == bool(options["feeds"]):
        raise click.UsageError("give either RESULTS.h5 files and --out, or feeds (--feed)")
    if out is not None:
        run_merge_results(results, out)
    else:
        run_merge(MergeOptions(**options))


@cli.command("analyse")
@click.argument("sources", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Results file to write; of several INPUTs, a folder."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Page of figures (HTML) to write, with matplotlib; of several INPUTs, a folder.",
)
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings (TOML).")
@click.option("--scan-shape", type=ScanShape(), help="Positions, for files that hold frames in a row.")
@click.option("--channel", help=_CHANNEL_HELP)
@click.option("--mode", type=click.Choice(["apply", "finetune", "off"]), help="What the learner does.")
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help=_CHECKPOINT_HELP)
@click.option("--decoder", type=click.Choice(DECODERS), help="Kind of model.")
@click.option("--latents", type=click.IntRange(1, 8), help="Latents of the model.")
@click.option(
    "--context", type=click.Choice(CONTEXTS), help="scan: let lattice and neighbours help counted frames at its end."
)
@click.option("--seconds", "budget_s", type=click.FloatRange(0.1), help="Seconds of training.")
@click.option("--seed", type=int, help="Seed of the learner.")
@geometry_options
@_cluster_options
def analyse_(sources: tuple[str, ...], out: Path, report: Path | None, file: Path | None, **options: Any) -> None:
    """Analyse INPUTs with the live code: recordings, DECTRIS masters, file.h5[::/dataset], .npy, .mib, EMPAD .xml."""
    from stream_rrvae.commands.analyse import AnalyseOptions, run_analyse
    from stream_rrvae.config import load

    cluster = _cluster_of(options)
    run_analyse(AnalyseOptions(sources, out, report, cluster), load(file, _as_tree(options)))


@cli.command()
@click.argument("file", metavar="INPUT")
@click.option("--to", metavar="URL", required=True, help="Where to wait for the receiver: the URL of its --source.")
@click.option("--speed", default="1", help="1 = as it was recorded, N times as fast, or max.")
@click.option(
    "--frame-rate",
    "frame_rate_fps",
    type=click.FloatRange(0, min_open=True),
    help="Frames/s at speed 1.  [default: as recorded, 1000 for files without times]",
)
@click.option("--loop", is_flag=True, help="Again and again, as new scans, until stopped.")
@click.option(
    "--control", metavar="URL", help="Answer here, on this machine, who holds the key: pause, play, speed, seek."
)
@click.option(
    "--control-key",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("replay.key"),
    help="File of the key.",
)
@click.option("--scan-shape", type=ScanShape(), help="Positions, for files that hold frames in a row.")
@click.option("--channel", help=_CHANNEL_HELP)
@click.option("--semiangle-mrad", type=float, help="Probe semi-convergence angle in mrad.")
@click.option("--mrad-per-px", type=float, help="Detector scale in mrad per pixel.")
@click.option("--allow-remote", is_flag=True, help="Bind beyond loopback: closed networks only.")
def replay(**options: Any) -> None:
    """Send INPUT (a recording, or any file that `analyse` takes) through the real protocol."""
    from stream_rrvae.commands.replay import ReplayOptions, run_replay

    run_replay(ReplayOptions(**options))


@cli.command()
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


@cli.command()
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
def bench(**options: Any) -> None:
    """Benchmarks beside references in the same run.

    rrvae, model, com, sender, ingest, latency, recording, replay; without NAME all of them.
    """
    from stream_rrvae.commands.bench import BenchOptions, run_bench

    run_bench(BenchOptions(**options))


@cli.command()
@click.argument("sources", metavar="INPUT...", nargs=-1, required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Checkpoint to write.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings (TOML).")
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help=_CHECKPOINT_HELP)
@click.option("--decoder", type=click.Choice(DECODERS), help="Kind of model.  [default: harmonic]")
@click.option("--latents", type=click.IntRange(1, 8), help="Latents of the model.  [default: 2]")
@click.option("--seconds", "budget_s", type=click.FloatRange(0.1), help="Seconds of training.  [default: 12]")
@click.option("--seed", type=int, help="Seed of weights and batches.  [default: 0]")
@click.option("--scan-shape", type=ScanShape(), help="Positions, for files that hold frames in a row.")
@click.option("--channel", help=_CHANNEL_HELP)
@click.option("--semiangle-mrad", type=float, help="Probe semi-convergence angle in mrad, of every file.")
@click.option("--mrad-per-px", type=float, help="Detector scale in mrad per pixel, of every file.")
@click.option("--licence", default="", show_default="not stated", help="Licence of the weights, kept with them.")
@click.option(
    "--most-frames", type=click.IntRange(64), default=1 << 20, help="Frames kept for training, of all INPUTs."
)
@_cluster_options
def train(
    sources: tuple[str, ...], out: Path, file: Path | None, licence: str, most_frames: int, **options: Any
) -> None:
    """Train a checkpoint on INPUTs (recordings, or any file that `analyse` takes), measured by the live code."""
    from stream_rrvae.commands.train import TrainOptions, run_train
    from stream_rrvae.config import load

    cluster = _cluster_of(options)
    run_train(TrainOptions(sources, out, licence, most_frames, cluster), load(file, _as_tree(options)))


@cli.command()
@click.argument("source", metavar="[INPUT]", required=False)
@click.option("--source", "detector", metavar="URL", help="Detector to take one scan from, instead of INPUT.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Site file (TOML).")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings (TOML).")
@click.option("--scan-shape", type=ScanShape(), help="Positions, where INPUT or the stream does not say them.")
@click.option("--channel", help=_CHANNEL_HELP)
@geometry_options
def calibrate(source: str | None, detector: str | None, out: Path, file: Path | None, **options: Any) -> None:
    """Add an entry to a site's calibration file from INPUT (any file that `analyse` takes) or a scan; draws it as well.

    The scale comes from the disc's radius and --semiangle-mrad, the rotation from the curl of the COM.
    """
    if (source is None) == (detector is None):
        raise click.UsageError("give either INPUT, a file of frames, or --source URL, a detector")
    from stream_rrvae.commands.calibrate import CalibrateOptions, run_calibrate
    from stream_rrvae.config import load

    run_calibrate(CalibrateOptions(source, out), load(file, _as_tree({**options, "source": detector})))


@cli.command("export")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), required=True, help="Folder, or one .csv, .hspy or .emd file.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["png", "csv", "hdf5", "hspy", "py4dstem"]),
    multiple=True,
    help="What to write into a folder; may be repeated.  hdf5 = a results file.  [default: png, csv]",
)
def export_(results: Path, to: Path, formats: tuple[str, ...]) -> None:
    """Write RESULTS as pictures, as a table, or for HyperSpy or py4DSTEM."""
    from stream_rrvae.maps.exports.export import export

    for path in export(results, to, formats):
        click.echo(path)


@cli.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def recover(folder: Path) -> None:
    """Make whole what a crash left: every unfinished recording in DIR, or DIR itself. Originals stay as they are."""
    from stream_rrvae.commands.recover import run_recover

    run_recover(folder)


@cli.command()
@click.argument("file")
def info(file: str) -> None:
    """Show what FILE holds: a recording, a results file, a checkpoint, `pretrained`, or frames of others."""
    from stream_rrvae.commands.info import run_info

    run_info(file)


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
