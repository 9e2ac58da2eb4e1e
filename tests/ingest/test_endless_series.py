"""A detector armed once for scan after scan: each of them is a scan by itself, whatever is missing of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from stream_rrvae.config import ScanSettings, Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.ingest.events import Accepted, Closed, Event, Opened, Refused, Rejected
from stream_rrvae.ingest.scan import ScanMachine
from stream_rrvae.ingest.scan_rules import ScanRules
from stream_rrvae.messages import Encoding, Frame, Refusal, ScanEnd, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.scan_path import ScanPath
from tests.ingest.conftest import Listener, NativeDetector, Specimen, make_specimen

START = ScanStart("run", 7, (2, 2), "uint8", 12, (2, 2), path=ScanPath(endless=True))


def frame(number: int, **changed: Any) -> Frame:
    told: dict[str, Any] = {"series": 7, "shape": (2, 2), "pixel_type": "uint8"} | changed
    return Frame(number=number, encoding=Encoding.NONE, payload=memoryview(bytes(4)), **told)


def told(events: Sequence[Event]) -> list[object]:
    """Events in short."""
    short: list[object] = []
    for event in events:
        if isinstance(event, Accepted):
            short.append(event.frame.number)
        elif isinstance(event, Opened):
            short.append(event.start.scan_id)
        elif isinstance(event, Closed):
            short.append(event.state)
        elif isinstance(event, Refused | Rejected):
            short.append(event.reason)
    return short


def test_the_next_scan_begins_with_its_first_frame_that_comes() -> None:
    machine = ScanMachine(ScanRules())
    (opened,) = machine.on_start(START)
    assert isinstance(opened, Opened) and opened.start.frames_expected == 4 and not opened.start.path.endless
    assert machine.on_start(START) == (), "announced twice"
    assert [told(machine.on_frame(frame(n), 0.0)) for n in range(3)] == [[0], [1], [2]]
    assert told(machine.on_frame(frame(5), 0.1)) == [ScanState.COMPLETE, "run.2", 1]
    later = machine.open_scan
    assert later is not None and (later.start.scan_id, later.first_number) == ("run.2", 4)
    assert later.seen.tolist() == [0, 1, 0, 0]
    assert told(machine.on_frame(frame(3), 0.2)) == [Refusal.STALE], "late"
    assert told(machine.on_refused(Refusal.DECODE, 6, 0.2)) == [Refusal.DECODE]
    assert told(machine.on_frame(frame(9, shape=(2, 3)), 0.3)) == [Refusal.NUMBER], "begins nothing"
    assert told(machine.on_frame(frame(400), 0.3)) == [Refusal.NUMBER], "beyond what was announced"
    assert told(machine.on_frame(frame(11), 0.4)) == [ScanState.COMPLETE, "run.3", 3]
    assert told(machine.on_end(ScanEnd(7, "run"), 0.5)) == []
    assert told(machine.on_tick(2.0)) == [ScanState.COMPLETE]


def test_a_pause_between_two_scans_ends_the_first() -> None:
    machine = ScanMachine(ScanRules(end_grace_s=0.5))
    machine.on_start(START)
    for number in range(4):
        machine.on_frame(frame(number), 0.0)
    assert told(machine.on_tick(1.0)) == [ScanState.COMPLETE]
    assert told(machine.on_frame(frame(2), 1.5)) == [Refusal.STALE]
    assert told(machine.on_frame(frame(4), 2.0)) == ["run.2", 0]
    assert told(machine.on_frame(frame(4, series=8), 2.0)) == [Refusal.STALE]


@pytest.fixture
def watching() -> Iterator[Listener]:
    kept = Listener()
    yield kept
    for store in kept.stores:
        store.close()


@pytest.mark.parametrize("path", ["python", "compiled, 3 threads"], indirect=True)
def test_scan_after_scan_over_a_socket(path: dict[str, Any], watching: Listener, tmp_path: Path) -> None:
    scans = [make_specimen((5, 6), seed=seed) for seed in range(3)]
    whole = Specimen((5, 6), np.concatenate([scan.frames for scan in scans]))
    detector = NativeDetector(zmq.PUSH)
    source = f"native+pull://127.0.0.1:{detector.port}"
    settings = Settings(source=source, ingest={"batch_frames": 8, **path}, scan=ScanSettings(endless=True))
    try:
        with Acquisition(settings, new_metrics(), watching, tmp_path):
            detector.scan(whole)
            watching.wait_closed(3)
    finally:
        detector.close()
    for number, (scan, store) in enumerate(zip(scans, watching.finished, strict=True), 1):
        assert store.start.scan_id == ("scan-1" if number == 1 else f"scan-1.{number}")
        np.testing.assert_array_equal(store.sum, scan.sums())
        account = store.read_account()
        assert account.state is ScanState.COMPLETE and account.counters.processed == 30
