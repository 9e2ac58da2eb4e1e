"""The thread that looks for calibration while a scan runs: it finds, tells, forgets with the next scan, and ends."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from stream_rrvae import calibrator
from stream_rrvae.calibrator import Calibrator
from stream_rrvae.found import CalibrationFound
from stream_rrvae.messages import Counters, ScanState
from stream_rrvae.own_load import SHORTEST_S, OwnLoad
from stream_rrvae.scan_store import Account, ScanStore
from tests.conftest import StoreMaker

SHAPE = (32, 32)


def lit(store: ScanStore) -> ScanStore:
    """A hexagonal field, drawn to where the dark field is bright."""
    y, x = np.indices(SHAPE) / 7.3
    com_y, com_x, image = np.zeros(SHAPE), np.zeros(SHAPE), np.zeros(SHAPE)
    for angle in np.radians((10, 70, 130)):
        phase = 2 * np.pi * (np.sin(angle) * y + np.cos(angle) * x)
        com_y, com_x = com_y - np.sin(angle) * np.sin(phase), com_x - np.cos(angle) * np.sin(phase)
        image = image + np.cos(phase)
    store.com_y[:], store.com_x[:], store.annular_dark_field[:] = com_y.ravel(), com_x.ravel(), 10 + image.ravel()
    store.coverage[:] = 1
    return store


def test_a_running_scan_is_looked_at_and_the_next_one_starts_anew(
    make_store: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrator, "SHORTEST_REST_S", 0.01)
    told: list[CalibrationFound] = []
    heard = threading.Event()

    def on_found(_store: ScanStore, found: CalibrationFound) -> None:
        told.append(found)
        heard.set()

    working = Calibrator(None, on_found)
    working.start()
    first, second = lit(make_store(SHAPE)), make_store(SHAPE)
    working.work_on(first)
    assert heard.wait(30)
    found = working.found(first)
    assert found is told[-1]
    assert found.positions == 32 * 32
    assert found.rotation is not None
    assert abs(np.degrees(found.rotation.rotation_rad)) < 1
    working.work_on(second)
    assert working.found(first) is None
    assert working.found(second) is None
    working.stop()


def test_no_look_is_begun_while_acquisition_is_behind(make_store: StoreMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrator, "SHORTEST_REST_S", 0.01)
    asked, heard = threading.Semaphore(0), threading.Event()
    order: list[str] = []

    def is_behind() -> bool:
        order.append("asked")
        asked.release()
        return len(order) <= 5

    def on_found(_store: ScanStore, _found: CalibrationFound) -> None:
        order.append("found")
        heard.set()

    working = Calibrator(None, on_found, is_behind)
    working.start()
    working.work_on(lit(make_store(SHAPE)))
    for _ in range(5):
        assert asked.acquire(timeout=30)
    assert heard.wait(30)
    working.stop()
    assert order.index("found") == 6, "asked until it was not behind any more"


def test_a_scan_that_takes_the_processors_is_looked_at_when_it_is_over(
    make_store: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrator, "SHORTEST_REST_S", 0.01)
    asked, heard = threading.Semaphore(0), threading.Event()
    store = lit(make_store(SHAPE))
    store.write_account(Account(ScanState.RUNNING, Counters()))

    def load() -> float:
        asked.release()
        return 0.9

    working = Calibrator(None, lambda _store, _found: heard.set(), load=load)
    working.start()
    working.work_on(store)
    for _ in range(5):
        assert asked.acquire(timeout=30)
    assert working.found(store) is None
    store.write_account(Account(ScanState.COMPLETE, Counters()))
    assert heard.wait(30)
    working.stop()


def test_own_load_is_a_part_of_the_processors() -> None:
    load = OwnLoad()
    assert load.look() == 0.0  # over no time nothing is known
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < 1.1 * SHORTEST_S:
        pass
    assert 0.0 < load.look() <= 1.0


def test_the_last_word_is_given_without_the_thread(make_store: StoreMaker) -> None:
    working, store = Calibrator(None, lambda _store, _found: None), lit(make_store(SHAPE))
    working.work_on(store)
    found = working.last_word_on(store)
    assert found is not None
    assert working.found(store) is found
    working.stop()
