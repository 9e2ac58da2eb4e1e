"""`bench recording`: the recorder beside plain `write()`, and the service's rate with a recording and without."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from stream_rrvae.bench.ingest import CASES
from stream_rrvae.bench.recording import recording_rows
from stream_rrvae.bench.rows import Row
from stream_rrvae.commands.bench_ingest import FREE_PORT, senders_of, service_turn

TARGET = 0.9  # of the rate without a recording
SCAN_SHAPE = (256, 256)


def measure_recording(seconds: float, rounds: int, show: Callable[[str], None]) -> list[Row]:
    """All rows, shown as they come. Raises StreamRrvaeError when the service or the disk fails."""
    with tempfile.TemporaryDirectory(prefix="stream-rrvae-bench-") as name:
        rows = recording_rows(Path(name), rounds)
        _show(rows, show)
        rows += _show([_beside_measuring(Path(name), seconds, rounds)], show)
    return rows


def _beside_measuring(folder: Path, seconds: float, rounds: int) -> Row:
    """The rate at which frames are measured, in turn with a recording and without."""
    case = CASES[0]
    with_fps, without_fps = [], []
    with senders_of(case, SCAN_SHAPE) as senders:
        source = f"dectris-v2://{senders.main}"
        for _ in range(rounds):
            without_fps.append(service_turn(source, seconds).fps)
            with tempfile.TemporaryDirectory(dir=folder) as to:
                with_fps.append(service_turn(source, seconds, ("--feed", FREE_PORT, "--record", to)).fps)
    ours, without = median(with_fps), median(without_fps)
    spread = (min(with_fps), max(with_fps))
    return Row(f"{case.name}: recorded", ours, "frames/s", "not recorded", without, TARGET * without, spread)


def _show(rows: Sequence[Row], show: Callable[[str], None]) -> list[Row]:
    for row in rows:
        show(f"{row.name:32s} {row.value:10,.0f} {row.unit} = {row.ratio:.2f} of {row.reference}")
    return list(rows)
