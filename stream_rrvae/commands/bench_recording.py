"""`bench recording`: the recorder beside plain `write()`, and the service's rate with a recording and without.

Maps are kept with a recording in any case: what it costs to record frames is told by a service that keeps its maps
without.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from stream_rrvae.bench.ingest import CASES, Standing
from stream_rrvae.bench.recording import recording_rows
from stream_rrvae.bench.rows import Row
from stream_rrvae.commands.bench_ingest import FREE_PORT, senders_of, service_turn
from stream_rrvae.messages import Encoding
from stream_rrvae.recording.journal import read_journal
from stream_rrvae.recording.layout import JOURNAL_NAME, is_complete
from stream_rrvae.recording.start_json import start_from_json
from stream_rrvae.wire.dectris_v2_encode import ImageEncoder

TARGET = 0.9  # of the rate without a recording, with what else is the same
TARGET_BYTES = 1.02  # of what was received, maps and all
SCAN_SHAPES = ((256, 256), (1024, 1024))  # short scans: more work behind each; long ones: no pause for it
SIZED_SHAPE = SCAN_SHAPES[0]
ALL_MEASURED = '[ladder]\nskip_frames = "never"\n'  # the sender is held back: all that is recorded is in the maps
CASE = CASES[0]
NOTHING, MAPS, FRAMES = "nothing", "maps", "frames and maps"
KEPT: Mapping[str, Sequence[str]] = {NOTHING: (), MAPS: ("--out",), FRAMES: ("--out", "--record")}  # by what is told
PARTS = {"record": "writing", "finish": "calibration, results, master file"}  # threads


def measure_recording(seconds: float, rounds: int, show: Callable[[str], None]) -> list[Row]:
    """All rows, shown as they come. Raises StreamRrvaeError when the service or the disk fails."""
    with tempfile.TemporaryDirectory(prefix="stream-rrvae-bench-") as name:
        rows = recording_rows(Path(name), rounds)
        _show(rows, show)
        for scan_shape in SCAN_SHAPES:
            rows += _show(_beside_measuring(Path(name), scan_shape, seconds, rounds), show)
    return rows


def _beside_measuring(folder: Path, scan_shape: tuple[int, int], seconds: float, rounds: int) -> list[Row]:
    """The rate at which frames are measured, in turn when nothing is kept, maps are, and frames too."""
    kept = {name: Standing() for name in KEPT}
    sizes: list[Row] = []
    settings = folder / "serve.toml"
    settings.write_text(ALL_MEASURED)
    told = ("--feed", FREE_PORT, "--config", str(settings))
    with senders_of(CASE, scan_shape) as senders:
        source = f"dectris-v2://{senders.main}"
        for _ in range(rounds):
            for name, standing in kept.items():
                with tempfile.TemporaryDirectory(dir=folder) as to:
                    places = (f"{option}={to}/{option.strip('-')}" for option in KEPT[name])
                    standing.turns.append(service_turn(source, seconds, (*told, *places)))
                    if name == FRAMES and scan_shape == SIZED_SHAPE:
                        sizes = _sizes(Path(to) / "record") or sizes
    return [*_rows(f"{CASE.name}, {scan_shape[0]}x{scan_shape[1]}", kept), *sizes]


def _rows(name: str, kept: Mapping[str, Standing]) -> list[Row]:
    """Rates, CPU time of the service, and of that what the threads take that there are for what is kept only."""
    recorded = kept[FRAMES]
    rows = []
    for reference in (MAPS, NOTHING):
        fps, cpu_us = kept[reference].fps, kept[reference].cpu_us
        assert fps is not None
        target = TARGET * fps
        rows += [
            Row(f"{name}: recorded", recorded.fps, "frames/s", f"{reference} kept", fps, target, recorded.spread),
            Row(f"{name}: CPU recorded", recorded.cpu_us, "us/frame", f"{reference} kept", cpu_us),
        ]
    for thread, does in PARTS.items():
        taken_us = median(turn.threads_us.get(thread, 0.0) for turn in recorded.turns)
        rows.append(Row(f"{name}: {does}", taken_us, "us/frame", "all of the service", recorded.cpu_us))
    return rows


def _sizes(folder: Path) -> list[Row]:
    """Bytes a frame of a scan that was recorded to its end, maps and all, beside payloads and messages.

    The simulator's scan repeats itself, and so do its maps: real ones take half a per cent more.
    """
    for recording in folder.iterdir():
        lines = read_journal(recording / JOURNAL_NAME) if is_complete(recording) else []
        marks = {line["segment"]: line for line in lines if "segment" in line}
        frames, payload_bytes = (sum(int(mark[name]) for mark in marks.values()) for name in ("frames", "bytes"))
        if frames == math.prod(SIZED_SHAPE):
            taken = sum(path.stat().st_size for path in recording.iterdir()) / frames
            head = ImageEncoder(start_from_json(lines[0]["start"])).encode(frames, Encoding.BSLZ4, memoryview(b""))
            references = {"payloads": payload_bytes / frames, "messages": payload_bytes / frames + len(head)}
            return [
                Row("recording with maps", taken, "bytes a frame", of, reference, TARGET_BYTES * reference)
                for of, reference in references.items()
            ]
    return []


def _show(rows: Sequence[Row], show: Callable[[str], None]) -> list[Row]:
    for row in rows:
        digits = 2 if row.unit == "us/frame" else 0
        show(f"{row.name:62s} {row.value:10,.{digits}f} {row.unit} = {row.ratio:.3f} of {row.reference}")
    return list(rows)
