"""The learner as a real process on a real scan store."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rrvae.config import LearnSettings
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.maps.statistics import angle_agreement, pearson
from stream_rrvae.messages import ModelStatus
from stream_rrvae.rrvae.checkpoint import checkpoint_of, content_hash, load, save
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.preparation import whitened
from stream_rrvae.rrvae.worker import run_worker
from stream_rrvae.scan_store import LearnerMaps, ScanStore

QUICK = LearnSettings(budget_s=2.0, round_s=0.5)
PATIENCE_S = 90.0
Start = Callable[..., tuple[BaseProcess, Connection]]


@pytest.fixture
def start_worker() -> Iterator[Start]:
    """Starts learners; none outlives the test. They begin where torch is loaded already, which takes seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["stream_rrvae.rrvae.worker"])
    running: list[tuple[BaseProcess, Connection]] = []

    def start(settings: LearnSettings = QUICK) -> tuple[BaseProcess, Connection]:
        ours, theirs = context.Pipe()
        process = context.Process(target=run_worker, args=(theirs, settings))
        process.start()
        theirs.close()
        running.append((process, ours))
        return running[-1]

    yield start
    for process, control in running:
        control.close()
        process.join(30)
        assert process.exitcode is not None


def work_on(control: Connection, store: ScanStore) -> None:
    control.send_bytes(json.dumps({"scan": str(store.path)}).encode())


def wait_until(store: ScanStore, reached: Callable[[ModelStatus], bool]) -> ModelStatus:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        status = store.read_status()
        if reached(status):
            return status
        time.sleep(0.05)  # the store is shared memory: there is no event to wait for
    pytest.fail(f"the learner stayed at {store.read_status()}")


def is_ready(status: ModelStatus) -> bool:
    return status.state == "ready"


def check_maps(maps: LearnerMaps, scan: Any) -> None:
    rotation = angle_agreement(maps.rotation, scan.angle, scan.lean)
    assert rotation.sense == 1 and abs(rotation.offset_rad) < 0.1
    assert np.degrees(rotation.error_rad) < 5.0
    assert pearson(maps.latents[0], scan.lean) < -0.95
    com = scan.lean * np.exp(1j * scan.angle)
    seen = com - com.mean()  # the model is not shown what is the same everywhere
    told = angle_agreement(maps.rotation, np.angle(seen), np.abs(seen))
    assert maps.status.quality["angle_error_deg"] == pytest.approx(np.degrees(told.error_rad), abs=0.1)


def test_maps_come_during_the_scan_and_are_whole_at_its_end(
    scan_store: Callable[..., ScanStore], fill: Any, end: Any, start_worker: Start, turning_scan: Any
) -> None:
    store = scan_store()
    process, control = start_worker()
    work_on(control, store)
    assert "64" in wait_until(store, lambda s: s.state == "waiting").detail
    fill(store, 200)
    first = wait_until(store, lambda s: s.version >= 1)
    partial = store.read_maps()
    assert first.state == "training" and np.isfinite(partial.rotation[:200]).all()
    assert np.isnan(partial.rotation[200:]).all()
    fill(store, 400)
    end(store)
    last = wait_until(store, is_ready)
    assert last.version > first.version
    check_maps(store.read_maps(), turning_scan)
    control.send_bytes(json.dumps({"stop": True}).encode())
    process.join(30)
    assert process.exitcode == 0


def test_a_killed_learner_is_replaced_on_the_same_store(
    scan_store: Callable[..., ScanStore], fill: Any, end: Any, start_worker: Start, turning_scan: Any
) -> None:
    store = scan_store()
    fill(store, 300)
    process, control = start_worker(LearnSettings(budget_s=600.0, round_s=0.2))
    work_on(control, store)
    before = wait_until(store, lambda s: s.version >= 2)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    fill(store, 400)
    end(store)
    _, control = start_worker()
    work_on(control, store)
    assert wait_until(store, is_ready).version > before.version
    check_maps(store.read_maps(), turning_scan)


def test_one_learner_works_on_scan_after_scan(
    scan_store: Callable[..., ScanStore], fill: Any, end: Any, start_worker: Start, turning_scan: Any
) -> None:
    _, control = start_worker()
    stores = [scan_store(), scan_store()]
    for store in stores:
        fill(store, 400)
        end(store)
        work_on(control, store)
        wait_until(store, is_ready)
        check_maps(store.read_maps(), turning_scan)
    first, second = (store.read_status().model for store in stores)
    assert (first["began_with"], second["began_with"]) == ("random weights", "previous scan")
    assert first["sha256"] != second["sha256"] and "checkpoint_sha256" not in second


@pytest.fixture
def trained_checkpoint(tmp_path: Path, turning_scan: Any) -> Path:
    data = whitened(turning_scan.features, np.arange(400), 1e4, 0.0)
    model = HarmonicLearner.create(data, BasisSpec(), 2, 0, "cpu")
    model.train(data, 1.0, (0.0, 1.0))
    path = tmp_path / "model.safetensors"
    save(path, checkpoint_of(model, {}))
    return path


def test_apply_encodes_with_a_checkpoint_and_does_not_train(
    scan_store: Callable[..., ScanStore],
    fill: Any,
    end: Any,
    start_worker: Start,
    turning_scan: Any,
    trained_checkpoint: Path,
) -> None:
    store = scan_store()
    fill(store, 200)
    _, control = start_worker(LearnSettings(mode="apply", checkpoint=trained_checkpoint))
    work_on(control, store)
    wait_until(store, lambda s: s.version == 1)
    fill(store, 400)
    end(store)
    status = wait_until(store, is_ready)
    assert status.version == 1 and "n_trained" not in status.quality
    assert (status.model["decoder"], status.model["latents"], status.model["began_with"]) == (
        "harmonic",
        2,
        "checkpoint",
    )
    assert status.model["checkpoint_sha256"] == content_hash(load(trained_checkpoint)) == status.model["sha256"]
    check_maps(store.read_maps(), turning_scan)


def _empty(store: ScanStore) -> None:
    store.coverage[:] = 2


def _constant(store: ScanStore) -> None:
    store.features[:] = 0.125
    store.coverage[:] = 1


def _one(store: ScanStore) -> None:
    store.coverage[0] = 1


def _nan(store: ScanStore) -> None:
    store.features[:] = np.nan
    store.coverage[:] = 1


def test_scans_that_cannot_be_learnt_fail_plainly_and_poison_nothing(
    scan_store: Callable[..., ScanStore], fill: Any, end: Any, start_worker: Start, turning_scan: Any
) -> None:
    process, control = start_worker()
    for spoil, word in ((_empty, "positions"), (_constant, "differ"), (_one, "positions"), (_nan, "positions")):
        store = scan_store()
        spoil(store)
        end(store)
        work_on(control, store)
        status = wait_until(store, lambda s: s.state == "failed")
        assert word in status.detail
        assert np.isnan(store.read_maps().rotation).all()
    store = scan_store()
    fill(store, 400)
    end(store)
    work_on(control, store)
    wait_until(store, is_ready)
    check_maps(store.read_maps(), turning_scan)
    assert process.is_alive()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (LearnSettings(mode="apply"), "checkpoint"),
        (LearnSettings(checkpoint=Path("/nonexistent/model.safetensors")), "cannot read"),
    ],
)
def test_what_cannot_begin_says_why(
    scan_store: Callable[..., ScanStore], start_worker: Start, settings: LearnSettings, word: str
) -> None:
    store = scan_store()
    _, control = start_worker(settings)
    work_on(control, store)
    assert word in wait_until(store, lambda s: s.state == "failed").detail


def test_a_scan_that_is_gone_and_a_checkpoint_that_does_not_fit_leave_the_worker_alive(
    scan_store: Callable[..., ScanStore], start_worker: Start, trained_checkpoint: Path
) -> None:
    _, control = start_worker(LearnSettings(checkpoint=trained_checkpoint))
    control.send_bytes(json.dumps({"scan": "/dev/shm/stream-rrvae-not-there"}).encode())
    for store, word in ((scan_store(basis=BasisSpec(max_order=4)), "basis"), (scan_store(n_latents=3), "3")):
        work_on(control, store)
        assert word in wait_until(store, lambda s: s.state == "failed").detail
