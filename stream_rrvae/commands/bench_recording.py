"""`bench recording`: the recorder beside plain `write()`, and the service's rate with a recording and without."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from stream_rrvae.bench.ingest import CASES
from stream_rrvae.bench.recording import recording_rows
from stream_rrvae.bench.rows import Row
from stream_rrvae.commands.bench_ingest import FREE_PORT, senders_of, service_turn
from stream_rrvae.messages import Encoding
from stream_rrvae.recording.journal import read_journal
from stream_rrvae.recording.layout import JOURNAL_NAME, is_complete
from stream_rrvae.recording.start_json import start_from_json
from stream_rrvae.wire.dectris_v2_encode import ImageEncoder

TARGET = 0.9  # of the rate without a recording
TARGET_BYTES = 1.02  # of what was received, maps and all
SCAN_SHAPE = (256, 256)
ALL_MEASURED = '[ladder]\nskip_frames = "never"\n'  # the sender is held back: all that is recorded is in the maps


def measure_recording(seconds: float, rounds: int, show: Callable[[str], None]) -> list[Row]:
    """All rows, shown as they come. Raises StreamRrvaeError when the service or the disk fails."""
    with tempfile.TemporaryDirectory(prefix="stream-rrvae-bench-") as name:
        rows = recording_rows(Path(name), rounds)
        _show(rows, show)
        rows += _show(_beside_measuring(Path(name), seconds, rounds), show)
    return rows


def _beside_measuring(folder: Path, seconds: float, rounds: int) -> list[Row]:
    """The rate at which frames are measured, in turn with a recording and without; and what a recording takes."""
    case = CASES[0]
    with_fps, without_fps = [], []
    sizes: list[Row] = []
    settings = folder / "serve.toml"
    settings.write_text(ALL_MEASURED)
    recorded = ("--feed", FREE_PORT, "--config", str(settings))
    with senders_of(case, SCAN_SHAPE) as senders:
        source = f"dectris-v2://{senders.main}"
        for _ in range(rounds):
            without_fps.append(service_turn(source, seconds).fps)
            with tempfile.TemporaryDirectory(dir=folder) as to:
                with_fps.append(service_turn(source, seconds, (*recorded, "--record", to)).fps)
                sizes = _sizes(Path(to)) or sizes
    ours, without = median(with_fps), median(without_fps)
    spread = (min(with_fps), max(with_fps))
    return [
        Row(f"{case.name}: recorded", ours, "frames/s", "not recorded", without, TARGET * without, spread),
        *sizes,
    ]


def _sizes(folder: Path) -> list[Row]:
    """Bytes a frame of a scan that was recorded to its end, maps and all, beside payloads and messages.

    The simulator's scan repeats itself, and so do its maps: real ones take half a per cent more.
    """
    for recording in folder.iterdir():
        lines = read_journal(recording / JOURNAL_NAME) if is_complete(recording) else []
        marks = {line["segment"]: line for line in lines if "segment" in line}
        frames, payload_bytes = (sum(int(mark[name]) for mark in marks.values()) for name in ("frames", "bytes"))
        if frames == math.prod(SCAN_SHAPE):
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
        show(f"{row.name:32s} {row.value:10,.0f} {row.unit} = {row.ratio:.3f} of {row.reference}")
    return list(rows)
