"""`bench ingest`: senders and receivers as processes, in turn, on the same frames."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector_sim.send_native import frames_a_message
from stream_rrvae.bench.ingest import CASES, Case, Contestant, Standing, Standings, Turn, head, rows_of, table
from stream_rrvae.bench.process_cpu import threads_cpu_s, tree_cpu_s
from stream_rrvae.bench.rows import Row
from stream_rrvae.commands.children import Child
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.wire.limits import ITEM_BYTES

LIBERTEM_SCRIPT = Path(__file__).parents[1] / "bench" / "libertem_script.py"
HOW_TO_INSTALL = "not installed: pip install 'stream-rrvae[peers]', or say where with --peers-python"
PEER_WORKERS = 2
COMPUTED_SIDE = 64  # positions that are simulated; larger scans repeat them
PATIENCE_S = 300.0
FREE_PORT = "tcp://127.0.0.1:*"


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """`seconds` of each turn; `names` picks cases by what their name contains."""

    seconds: float
    rounds: int
    scan_shape: tuple[int, int]
    peers_python: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Senders:
    """Where the frames of a case are to be had; the second of Stream V1, with its HTTP port."""

    main: str  # host:port
    v1: str = ""
    simplon_port: int = 0


def measure_ingest(options: IngestOptions, show: Callable[[str], None]) -> list[Row]:
    """All cases, one after the other. Raises StreamRrvaeError when a sender or the service fails."""
    rows: list[Row] = []
    show(head())
    for case in CASES:
        if not options.names or any(name in case.name for name in options.names):
            standings = run_case(case, options)
            for line in table(case, standings):
                show(line)
            rows += rows_of(case, standings)
    return rows


def run_case(case: Case, options: IngestOptions) -> Standings:
    """Every contestant has its turn in every round."""
    standings: Standings = {who: Standing() for who in case.contestants}
    with senders_of(case, options.scan_shape) as senders:
        for _ in range(options.rounds):
            for who, standing in standings.items():
                _take_turn(who, standing, case, senders, options)
    return standings


def _take_turn(who: Contestant, standing: Standing, case: Case, senders: Senders, options: IngestOptions) -> None:
    if standing.why_not:
        return
    if who is Contestant.PEER:
        try:
            standing.turns.append(_peer_turn(case, senders, options))
        except StreamRrvaeError as error:  # another program's failure is a result
            standing.why_not = str(error)
    elif who in (Contestant.BARE, Contestant.BARE_V1):
        standing.turns.append(_bare_turn(who, case, senders, options.seconds))
    else:
        source = f"dectris-v1://{senders.v1}" if who is Contestant.SERVICE_V1 else _source(case, senders.main)
        standing.turns.append(service_turn(source, options.seconds))


@contextmanager
def senders_of(case: Case, scan_shape: tuple[int, int]) -> Iterator[Senders]:
    """Simulators that send such frames at full speed, scan after scan."""
    told = (*_described(case, scan_shape), "--bind", FREE_PORT)
    with ExitStack() as stack:
        main = stack.enter_context(Child("simulator", "detector_sim", "--protocol", case.protocol, *told))
        if not case.peer:
            yield Senders(main.line_with("bound tcp://"))
            return
        v1 = ("--protocol", "dectris-v1", "--announce", "nothing", "--simplon-port", "0")
        other = stack.enter_context(Child("simulator", "detector_sim", *v1, *told))
        port = int(other.line_with("simplon ").rpartition(":")[2])
        yield Senders(main.line_with("bound tcp://"), other.line_with("bound tcp://"), port)


def _described(case: Case, scan_shape: tuple[int, int]) -> tuple[str, ...]:
    rows, columns = (max(1, round(side / COMPUTED_SIDE)) for side in scan_shape)
    return (
        *("--detector", case.detector, "--dose", str(case.electrons), "--compression", case.compression),
        *("--scan-shape", f"{COMPUTED_SIDE}x{COMPUTED_SIDE}", "--repeat", f"{rows}x{columns}"),
    )


def _source(case: Case, address: str) -> str:
    return f"{'native+pull' if case.protocol == 'native' else case.protocol}://{address}"


def _bare_turn(who: Contestant, case: Case, senders: Senders, seconds: float) -> Turn:
    address = senders.v1 if who is Contestant.BARE_V1 else senders.main
    touch = ("touch",) if case.compression == "none" else ()
    with Child("bare receiver", "stream_rrvae.bench.bare_receiver", f"tcp://{address}", str(seconds), *touch) as child:
        told = json.loads("{" + child.line_with("{"))
    frames = told["messages"] * _frames_a_message(case)
    return Turn(frames / told["seconds"], 1e6 * told["cpu_s"] / frames, frames)


def _frames_a_message(case: Case) -> int:
    if case.protocol != "native":
        return 1
    shape, _, pixel_type = case.detector.partition(":")
    rows, columns = map(int, shape.split("x"))
    return frames_a_message(rows * columns * ITEM_BYTES[pixel_type])


def service_turn(source: str, seconds: float, feed: Sequence[str] = ("--feed", FREE_PORT)) -> Turn:
    """`stream-rrvae serve` without its learner, from the end of its first scan to that of the last one it needed."""
    told = ("serve", "--source", source, "--mode", "off", *feed)
    with Child("service", "stream_rrvae", *told, log=True) as service:
        return _scans(service, seconds)


def _scans(child: Child, seconds: float) -> Turn:
    """Whole scans for at least `seconds`; what a scan says of its own time counts, else the time between their ends."""
    _closed(child)  # its first scan may begin in the middle, and finds caches cold
    begun_s, begun_cpu_s = time.perf_counter(), tree_cpu_s(child.process.pid)
    begun_threads_s = threads_cpu_s(child.process.pid)
    frames, lost, taken_s, own_s = 0, 0, 0.0, 0.0
    while taken_s < seconds:
        scan = _closed(child)
        taken_s, cpu_s = time.perf_counter() - begun_s, tree_cpu_s(child.process.pid) - begun_cpu_s
        frames += scan["processed"]
        lost += scan.get("missing", 0) + scan.get("refused", 0)
        own_s += scan.get("seconds", 0.0)
    threads_us = {
        name: 1e6 * (now_s - begun_threads_s.get(name, 0.0)) / frames
        for name, now_s in threads_cpu_s(child.process.pid).items()
    }
    return Turn(frames / (own_s or taken_s), 1e6 * cpu_s / frames, frames, lost, threads_us)


def _closed(child: Child) -> dict[str, Any]:
    while True:
        line = json.loads("{" + child.line_with("{", PATIENCE_S))
        if line.get("event") == "scan_closed":
            return dict(line)


def _peer_turn(case: Case, senders: Senders, options: IngestOptions) -> Turn:
    side = int(case.detector.partition("x")[0])
    rows, columns = (max(1, round(side / COMPUTED_SIDE)) * COMPUTED_SIDE for side in options.scan_shape)
    job: dict[str, Any] = {
        "api_port": senders.simplon_port,
        "data_port": int(senders.v1.rpartition(":")[2]),
        "workers": PEER_WORKERS,
    }
    job |= {"scan_shape": [rows, columns], "center_px": [(side - 1) / 2] * 2, "seconds": 1e9, "out": None}
    with tempfile.TemporaryDirectory(prefix="stream-rrvae-bench-") as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(job))
        with _peer(path, options.peers_python) as peer:
            try:
                return _scans(peer, options.seconds)
            except StreamRrvaeError as error:
                not_there = peer.process.poll() == 3
                raise StreamRrvaeError(HOW_TO_INSTALL if not_there else f"did not finish: {error}") from error


def _peer(job: Path, python: str) -> Child:
    try:
        return Child("LiberTEM-live", str(LIBERTEM_SCRIPT), str(job), python=python, log=True)
    except OSError as error:
        raise StreamRrvaeError(f"cannot start {python}: {error.strerror}") from error
