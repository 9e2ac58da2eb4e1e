"""Chunks on a cluster give the numbers of one machine, in whatever order they come and whoever dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rrvae.batch.begun_scan import BegunScan
from stream_rrvae.batch.chunk import VALUES, measure_chunk
from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.measure import measured
from stream_rrvae.batch.spread import Outcome, Spread, Told
from stream_rrvae.config import LearnSettings, Settings
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.messages import ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.rrvae import checkpoint
from stream_rrvae.rrvae.session import Session
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore

LINES_A_CHUNK = 2
CHUNK_BYTES = LINES_A_CHUNK * 20 * 32 * 32 * 2
APPLY = Settings(learn=LearnSettings(mode="apply", checkpoint=Path("pretrained")))


@contextmanager
def here(path: Path) -> Iterator[ScanStore]:
    """The scan's store as one machine makes it."""
    around = Surroundings(APPLY, Meter(new_metrics()), DEFAULT_FOLDER, lambda _store: None, lambda *_told: None)
    with open_frames(str(path)) as frames, measured(frames, around, lambda _done: None) as store:
        yield store


def spread(client: Any, sources: list[Path], told: Told = lambda _count: None) -> list[Outcome]:
    inputs = [Input.of(str(source)) for source in sources]
    return list(Spread(client, APPLY, told, CHUNK_BYTES).outcomes(inputs))


def require_same(store: ScanStore, other: ScanStore) -> None:
    assert store.start.calibration == other.start.calibration
    for name in ("coverage", *VALUES):
        np.testing.assert_array_equal(getattr(store, name), getattr(other, name), err_msg=name)
    assert store.read_account() == other.read_account()
    assert store.read_account().state is ScanState.COMPLETE


def learn(store: ScanStore) -> None:
    stored = checkpoint.load(Path("pretrained"))
    session = Session(store, APPLY.learn, stored.model("cpu"))
    while session.step() is not None:
        pass


def test_every_value_is_that_of_one_machine_and_so_is_what_is_learnt(cluster: Any, scan_file: Path) -> None:
    done: list[int] = []
    (outcome,) = spread(cluster, [scan_file], done.append)
    assert outcome.error is None and outcome.store is not None
    with outcome.store as store, here(scan_file) as reference:
        require_same(store, reference)
        assert (sum(done), len(done)) == (320, 1 + 320 // 40)
        for one in (store, reference):
            learn(one)
        ours, theirs = store.read_maps(), reference.read_maps()
        assert np.isfinite(ours.rotation).any()
        for name in ("rotation", "confidence", "latents", "misfit"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


def test_what_a_killed_worker_had_in_hand_is_done_again(cluster: Any, scan_file: Path) -> None:
    killed: list[int] = []

    def kill_after_the_first_chunk(_count: int) -> None:
        # The first word comes when the scan is begun, the second with a chunk, while others are under way.
        if len(killed) == 1:
            os.kill(next(iter(cluster.run(os.getpid).values())), signal.SIGKILL)
        killed.append(1)

    (outcome,) = spread(cluster, [scan_file], kill_after_the_first_chunk)
    assert len(killed) > 2
    assert outcome.error is None and outcome.store is not None
    with outcome.store as store, here(scan_file) as reference:
        require_same(store, reference)


def test_an_input_that_fails_ends_nothing_but_itself(cluster: Any, scan_file: Path, tmp_path: Path) -> None:
    outcomes = spread(cluster, [tmp_path / "nowhere.npy", scan_file])
    assert [outcome.error is None for outcome in outcomes] == [False, True]
    assert "nowhere.npy is not there" in str(outcomes[0].error)
    with ExitStack() as stack:
        for outcome in outcomes:
            if outcome.store is not None:
                stack.enter_context(outcome.store)


def test_a_file_that_goes_away_meanwhile_leaves_no_store(cluster: Any, scan_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "going.npy"
    path.write_bytes(scan_file.read_bytes())
    ours = f"stream-rrvae-{os.getpid()}-*"
    before = set(DEFAULT_FOLDER.glob(ours))
    (outcome,) = spread(cluster, [path], lambda _count: path.unlink(missing_ok=True))
    assert outcome.store is None
    assert "going.npy is not there" in str(outcome.error)
    assert set(DEFAULT_FOLDER.glob(ours)) == before


def test_a_disorderly_recording_gives_the_account_of_one_machine(cluster: Any, disorderly_recording: Path) -> None:
    (outcome,) = spread(cluster, [disorderly_recording])
    assert outcome.error is None and outcome.store is not None
    with outcome.store as store, here(disorderly_recording) as reference:
        require_same(store, reference)
        told = store.read_account().counters
        assert (told.missing, told.duplicate, told.refusals) == (1, 3, {"number": 1, "decode": 1})


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("kind", ["scan_file", "disorderly_recording"])
def test_chunks_merge_in_any_order_and_only_once(kind: str, order: int, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(kind)
    with here(path) as reference, open_frames(str(path)) as frames:
        scan = BegunScan(Input.of(str(path)), APPLY, CHUNK_BYTES)
        assert scan.recipe is not None
        measuring = scan.recipe.measuring()
        ranges = scan.ranges[::order]
        chunks = [
            measure_chunk(frames, measuring, first, last, scan.arrivals_done, APPLY.ingest) for first, last in ranges
        ]
        for chunk in (*chunks, chunks[0]):
            scan.take(chunk)
        with scan.close() as store:
            require_same(store, reference)
