"""`serve` as systemd, Prometheus and an operator meet it: ready, watched, asked, told to stop within a scan."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream_rrvae.commands.children import Child
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.recording.journal import read_journal

if TYPE_CHECKING:
    from tests.integration.conftest import Detector, Specimen

APPENDIX = {"scan_shape": [16, 16], "calibration": {"semiangle_mrad": 27.0, "detector_rotation_rad": 0.0}}
SENT = 100
NOT_ALWAYS = pytest.mark.skipif(
    "STREAM_RRVAE_LONG_CHECKS" not in os.environ,
    reason="NOT CHECKED with a second signal: set STREAM_RRVAE_LONG_CHECKS=1 (with one it was)",
)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where a service that is started now tells how it does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "4000000")
        yield listening


def told(systemd: socket.socket, wanted: bytes) -> None:
    while not systemd.recv(4096).startswith(wanted):
        pass


def asked(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metrics(url: str) -> dict[str, float]:
    families = text_string_to_metric_families(asked(f"{url}/metrics")[1])
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


@pytest.mark.parametrize("signals", [1, pytest.param(2, marks=NOT_ALWAYS)])
def test_told_to_stop_in_a_scan_it_keeps_all_that_came(
    detector: Detector, specimen: Specimen, systemd: socket.socket, tmp_path: Path, signals: int
) -> None:
    feed, records, out = f"ipc://{tmp_path}/feed", tmp_path / "records", tmp_path / "out"
    asked_for = ("--http", "127.0.0.1:0", "--log-format", "json", "--mode", "off", "--record", str(records))
    arguments = ("serve", "--source", detector.url, "--feed", feed, "--out", str(out), *asked_for)
    with Child("service", "stream_rrvae", *arguments, log=True) as service, Subscriber(feed) as viewer:
        url = service.line_with("health ")
        assert asked(f"{url}/livez") == (200, "ok"), "also while kernels are compiled"
        told(systemd, b"READY=1\n")
        assert json.loads(asked(f"{url}/readyz")[1])["ready"]
        told(systemd, b"WATCHDOG=1")
        detector.start(specimen.frames, user_data=APPENDIX)
        for number in range(SENT):
            detector.image(number, specimen.frames[number])
        while (snapshot := viewer.receive(1.0)) is None or snapshot.counters.processed < SENT:
            service.check()
        values = metrics(url)
        assert values["stream_rrvae_frames_processed_total"] == values["stream_rrvae_frames_received_total"] == SENT
        assert values["stream_rrvae_scan_running"] == values["stream_rrvae_ready"] == 1
        assert values["stream_rrvae_compute_busy_seconds_total"] > 0
        for _ in range(signals):
            service.process.send_signal(signal.SIGTERM)
        told(systemd, b"STOPPING=1")
        lines = list(service.lines())
        assert service.process.wait() == 0
    _check_log([json.loads(line) for line in lines if line.startswith("{")])
    with h5py.File(next(out.glob("*.results.h5"))) as file:
        assert file["entry/state"][()] == b"aborted"
        assert np.isfinite(file["entry/maps/sum"][()]).sum() == SENT
        assert file["entry/quality/frames_missing"][()] == 256 - SENT
    (folder,) = records.iterdir()
    assert folder.suffix != ".part"
    with h5py.File(folder / "master.h5") as file:
        assert np.array_equal(file["entry/frames/data"][()], specimen.frames[:SENT])
        assert "maps" in file["entry"]
    assert read_journal(folder / "journal.jsonl")[-1]["closed"] == "aborted"


def _check_log(lines: list[dict[str, object]]) -> None:
    events = {str(line["event"]): line for line in lines}
    assert {"scan_opened", "scan_closed", "results_written", "recording_finished"} <= set(events)
    assert all(line["ts"] and line["level"] and line["stage"] for line in lines)
    assert events["scan_closed"]["scan_id"] and events["scan_closed"]["state"] == "aborted"


def test_a_folder_that_cannot_be_written_to_is_said_before_anything_begins(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("a file")
    arguments = ("serve", "--source", "native+pull://127.0.0.1:1", "--record", str(tmp_path / "records"))
    with Child("service", "stream_rrvae", *arguments, log=True) as service:
        assert any("--record" in line for line in service.lines())
        assert service.process.wait() == 2
