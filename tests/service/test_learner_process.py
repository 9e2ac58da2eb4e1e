"""The keeper of the learner, with the real learner process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_rrvae.config import LearnSettings
from stream_rrvae.learner import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Learner, pause_after
from stream_rrvae.messages import Counters, ModelStatus, ScanState
from stream_rrvae.metrics import Metrics, new_metrics
from stream_rrvae.scan_store import Account, ScanStore


@pytest.fixture
def metrics() -> Metrics:
    return new_metrics()


@pytest.fixture
def learner(metrics: Metrics) -> Iterator[Learner]:
    made = Learner(LearnSettings(budget_s=1.0, round_s=0.5), metrics)
    made.start()
    yield made
    made.stop()


def test_a_killed_learner_is_replaced_and_finishes_the_same_scan(
    learner: Learner, metrics: Metrics, filled_store: ScanStore
) -> None:
    filled_store.write_account(Account(ScanState.COMPLETE, Counters()))
    first = learner.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    learner.work_on(filled_store.path)
    learner.last_word_on(filled_store)
    assert filled_store.read_status().state in ("ready", "failed")
    assert learner.pid != first
    assert learner.restarts == 1
    assert metrics.registry.get_sample_value("stream_rrvae_learner_restarts_total") == 1


def test_stop_ends_the_process(learner: Learner) -> None:
    pid = learner.pid
    assert pid is not None
    learner.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert learner.restarts == 0


def test_one_that_was_let_go_ends_and_is_not_started_again(learner: Learner) -> None:
    learner.let_go()
    while learner.is_running:
        time.sleep(0.01)  # another process: nothing tells
    learner.stop()
    assert learner.restarts == 0


def test_learners_that_die_soon_wait_longer_each_time_and_one_that_lived_does_not() -> None:
    pauses_s = [0.0]
    for _ in range(8):
        pauses_s.append(pause_after(1.0, pauses_s[-1]))
    assert pauses_s[1] == FIRST_PAUSE_S
    assert pauses_s[1:] == sorted(pauses_s[1:]) and pauses_s[-1] == LONGEST_PAUSE_S
    assert pause_after(STEADY_S, LONGEST_PAUSE_S) == FIRST_PAUSE_S


def test_the_wait_for_the_last_word_is_cut_short_when_there_is_no_patience(
    learner: Learner, filled_store: ScanStore
) -> None:
    filled_store.write_status(ModelStatus(state="training"))
    asked = threading.Event()

    def no_patience() -> float:
        asked.set()
        return 0.0

    learner.last_word_on(filled_store, no_patience)
    assert asked.is_set()
    assert filled_store.read_status().state == "training"


def test_a_learner_that_reads_nothing_keeps_nobody_waiting_and_is_replaced(learner: Learner, tmp_path: Path) -> None:
    stopped = learner.pid
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    told = 0
    while learner.restarts == 0:
        learner.work_on(tmp_path / f"scan-{told:0100}")
        told += 1
        assert told < 1_000_000
    while learner.pid == stopped:
        time.sleep(0.01)
