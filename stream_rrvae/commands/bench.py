"""`bench`: the benchmarks by name, as a table and as JSON."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np

from stream_rrvae.bench.com import com_lines, com_rows
from stream_rrvae.bench.drain import Drained, drained
from stream_rrvae.bench.model import model_lines, model_rows
from stream_rrvae.bench.rows import Row, this_machine, versions, write_json
from stream_rrvae.bench.rrvae import RrvaeOptions, compare, rows_of, table
from stream_rrvae.bench.scan_frames import ScanFrames, announced_disc, from_file, received
from stream_rrvae.commands.children import Child, end_on_sigterm
from stream_rrvae.errors import ConfigError
from stream_rrvae.recording.frame_file import open_frames

TRAIN_S, TURN_S = 12.0, 3.0
SENDER_SCANS = 20
SENDER_TARGET_FPS = 200_000.0
TRUST = "trust"  # takes long, and is asked for by its name


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What `stream-rrvae bench` was asked for; `source` None = simulated frames."""

    names: tuple[str, ...] = ()
    json: Path | None = None
    source: str | None = None
    scan_shape: tuple[int, int] | None = None
    specimen: str = "graphene"
    dose: str = "inf"
    seconds: float | None = None  # None = what suits the benchmark
    rounds: int = 3
    cases: tuple[str, ...] = ()
    peer_seconds: float = 120.0
    seeds: int = 1
    latents: int = 2
    peers_python: str = field(default=sys.executable)
    only: tuple[int, ...] = ()
    long_form: bool = False
    table: bool = False


def run_bench(options: BenchOptions) -> None:
    """Run the named benchmarks, or all. Raises StreamRrvaeError when one cannot be run."""
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        raise ConfigError(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHES)}")
    end_on_sigterm()
    click.echo(this_machine())
    click.echo(", ".join(f"{name} {number}" for name, number in versions().items()))
    rows: list[Row] = []
    for name in options.names or tuple(name for name in BENCHES if name != TRUST):
        click.echo(f"\n{name}")
        rows += BENCHES[name](options)
    if options.json is not None:
        write_json(options.json, rows)
        click.echo(f"\n{len(rows)} figures in {options.json}")


def _rrvae(options: BenchOptions) -> list[Row]:
    scan = _frames(options)
    asked = RrvaeOptions(
        options.seconds or TRAIN_S,
        options.peer_seconds,
        options.seeds,
        options.latents,
        options.peers_python,
        options.cases,
    )
    click.echo(f"{scan.described}; {asked.latents} latents, median of {asked.seeds} seed(s),")
    click.echo(f"training for {asked.seconds:g} s (harmonic) and {asked.peer_seconds:g} s (others) of CPU, one thread")
    standings = compare(scan, asked, lambda who: click.echo(f"running {who}", err=True))
    _show(table(standings))
    return rows_of(standings)


def _model(options: BenchOptions) -> list[Row]:
    rows = list(model_rows(options.seconds or TURN_S, options.scan_shape))
    _show(model_lines(rows))
    return rows


def _com(_options: BenchOptions) -> list[Row]:
    rows = com_rows()
    _show(com_lines(rows))
    return rows


def _sender(_options: BenchOptions) -> list[Row]:
    """The simulator at full speed beside a bare sender of as many messages of the same mean size."""
    frames, rows = SENDER_SCANS * 64 * 64, []
    for name in ("native", "dectris-v2", "dectris-v1"):
        said = ("--protocol", name, "--detector", "192x192:uint8", "--dose", "2000", "--scan-shape", "64x64")
        told = ("--bind", "tcp://127.0.0.1:*", "--scans", str(SENDER_SCANS))
        with Child("simulator", "detector_sim", *said, *told) as simulator:
            taken = _drained(simulator)
        size = str(max(1, taken.total_bytes // taken.messages))
        with Child("bare sender", "stream_rrvae.bench.plain_sender", size, str(taken.messages)) as bare:
            plain = _drained(bare)
        rates = (frames / taken.seconds, frames / plain.seconds)
        rows.append(Row(f"sender {name}", rates[0], "frames/s", "bare ZeroMQ", rates[1], SENDER_TARGET_FPS))
    _show([f"{row.name:20s} {row.value:10,.0f} frames/s = {row.ratio:.2f} of bare ZeroMQ" for row in rows])
    return rows


@contextmanager
def _counting_cpu_time() -> Iterator[None]:
    """Around an import of what counts CPU time, which is an optional dependency."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(f"this benchmark counts CPU time with psutil: pip install psutil ({error})") from error


def _ingest(options: BenchOptions) -> list[Row]:
    with _counting_cpu_time():
        from stream_rrvae.commands.bench_ingest import IngestOptions, measure_ingest
    seconds, scan_shape = options.seconds or TURN_S, options.scan_shape or (256, 256)
    asked = IngestOptions(seconds, options.rounds, scan_shape, options.peers_python, options.cases)
    click.echo(f"median of {asked.rounds} turns of {asked.seconds:g} s; sender and receiver on the same cores")
    return measure_ingest(asked, click.echo)


def _latency(options: BenchOptions) -> list[Row]:
    with _counting_cpu_time():
        from stream_rrvae.commands.bench_latency import measure_latency
    return measure_latency(options.seconds or TURN_S, click.echo)


def _recording(options: BenchOptions) -> list[Row]:
    with _counting_cpu_time():
        from stream_rrvae.commands.bench_recording import measure_recording
    click.echo("in the folder for temporary files; median of turns, sender and receiver on the same cores")
    return measure_recording(options.seconds or TURN_S, options.rounds, click.echo)


def _replay(options: BenchOptions) -> list[Row]:
    from stream_rrvae.commands.bench_replay import measure_replay

    return measure_replay(options.rounds, click.echo)


def _trust(options: BenchOptions) -> list[Row]:
    with _counting_cpu_time():
        from stream_rrvae.commands.bench_trust import measure_trust
    return measure_trust(options.only, options.long_form, options.table, click.echo, peers_python=options.peers_python)


def _drained(sender: Child) -> Drained:
    taken = drained(f"tcp://{sender.line_with('bound tcp://')}", lambda: sender.process.poll() is not None)
    sender.check()
    return taken


BENCHES: dict[str, Callable[[BenchOptions], list[Row]]] = {
    "rrvae": _rrvae,
    "model": _model,
    "com": _com,
    "sender": _sender,
    "ingest": _ingest,
    "latency": _latency,
    "recording": _recording,
    "replay": _replay,
    TRUST: _trust,
}


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line)


def _frames(options: BenchOptions) -> ScanFrames:
    if options.source is None:
        return _simulated(options)
    with open_frames(options.source, options.scan_shape) as file:
        return from_file(file, None)


def _field(specimen: str) -> tuple[str, ...]:
    """Exactly one rectangular cell of the pristine crystal: over less than whole cells the mean field is not 0."""
    return ("--field-nm", f"{0.246 * 3**0.5},0.246") if specimen == "graphene" else ()


def _simulated(options: BenchOptions) -> ScanFrames:
    """One scan of the simulator through the native protocol, and its ground truth."""
    rows, columns = options.scan_shape or (32, 32)
    with tempfile.TemporaryDirectory(prefix="stream-rrvae-bench-") as folder:
        truth = Path(folder) / "truth.npz"
        detector = "48x48:float32" if options.dose == "inf" else "48x48:uint16"
        described = ("--specimen", options.specimen, "--detector", detector, "--dose", options.dose)
        scanned = ("--scan-shape", f"{rows}x{columns}", *_field(options.specimen), "--scans", "1")
        told = ("--bind", "tcp://127.0.0.1:*", "--truth", str(truth))
        with Child("simulator", "detector_sim", *described, *scanned, *told) as simulator:
            start, frames = received(f"tcp://{simulator.line_with('bound tcp://')}")
            simulator.process.wait()
            simulator.check()
        with np.load(truth, allow_pickle=False) as file:
            com = np.asarray(file["com_mrad"], np.float64).reshape(-1, 2)
    noise = "without noise" if options.dose == "inf" else f"at {options.dose} electrons a frame"
    name = f"{len(frames)} frames of 48x48, {options.specimen} {noise}, compared with the true COM"
    return ScanFrames(frames, announced_disc(start, frames), com, name)
