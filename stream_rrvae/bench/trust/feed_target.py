"""The feed as a fuzz target: messages of anybody who publishes, to who has got a whole snapshot before.

An input is up to ten messages, one after the other; see `fuzz_targets.split`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from stream_rrvae.errors import FeedError
from stream_rrvae.feed.codec import decode_snapshot
from stream_rrvae.feed.ended_scans import EndedScans
from stream_rrvae.feed.follower import Follower
from stream_rrvae.feed.shards import Shards
from stream_rrvae.feed.snapshot import build_snapshot
from stream_rrvae.feed.updates import Updates
from stream_rrvae.maps.live_maps import LiveMaps
from stream_rrvae.messages import Counters, Health, ModelStatus, ScanStart, ScanState, Snapshot
from stream_rrvae.scan_store import Account, LearnerMaps, ScanStore, StoreShape

N_LATENTS = 2
STREAM = "fuzz"  # always the same: what was kept of an earlier time is still of this publisher
STEPS = 3  # in which the scan is measured


def feed_target(first: bytes, split: Callable[[bytes], Sequence[memoryview]]) -> Callable[[bytes], None]:
    """What a viewer that has taken `first` makes of messages, and who merges shards: every map is looked at."""
    other = decode_snapshot(first)

    def target(data: bytes) -> None:
        follower = Follower()
        follower.take(first)
        for message in split(data):
            snapshot = None
            with suppress(FeedError):
                snapshot = follower.take(message)
            if snapshot is not None:
                assert all(image.shape == snapshot.scan_shape for image in snapshot.maps.values())
                _merge(snapshot, replace(other, scan_id=snapshot.scan_id, shard_id=1))

    return target


def _merge(snapshot: Snapshot, other: Snapshot) -> None:
    """Without sockets: as it stands, and as it is written when one of the two says nothing any more."""
    shards, ended = Shards(2, "fuzz"), EndedScans(2, "fuzz")
    for number, each in enumerate((snapshot, other)):
        shards.take(number, each, 0.0)
        ended.take(number, each, 0.0)
    shards.merged(0.0)
    ended.rest()


def feed_messages(start: ScanStart) -> list[bytes]:
    """What is published of a shard's scan that grows and ends: a whole snapshot, changes, and the last one whole."""
    shape = StoreShape(start.scan_shape or (1, 1), start.frame_shape, 4, N_LATENTS)
    info = {"basis": {}, "com_reference": "beam_center"}
    updates, maps, messages = Updates(STREAM), LiveMaps(), list[bytes]()
    with (
        TemporaryDirectory(prefix="stream-rrvae-fuzz-") as folder,
        ScanStore.create(replace(start, shard_count=2), shape, info, folder=Path(folder)) as store,
    ):
        _learn(store)
        for step in (*range(STEPS), STEPS - 1):
            _measure(store, step)
            snapshot = build_snapshot(store, "fuzz", step + 1, Health(rate_fps=1000.0), look=maps.look)
            told = replace(snapshot, requests_url="tcp://127.0.0.1:5557")
            messages.append(bytes(updates.message(told, maps.changed, len(messages) == STEPS)[0]))
    return messages


def _learn(store: ScanStore) -> None:
    values = np.linspace(-1, 1, store.shape.n_positions, dtype=np.float32)
    status = ModelStatus(1, "ready", "apply", "", {"pearson": [0.5, 0.75]}, {"sha256": "ab12"})
    store.write_maps(LearnerMaps(status, values, values, np.tile(values, (N_LATENTS, 1))))


def _measure(store: ScanStore, step: int) -> None:
    """The part of the scan that this step brings."""
    n = store.shape.n_positions
    done, is_last = n * (step + 1) // STEPS, step == STEPS - 1
    store.sum[:done], store.com_y[:done], store.com_x[:done] = 100, np.arange(done), 0.5
    store.bright_field[:done], store.annular_dark_field[:done], store.coverage[:done] = 90, 10, 1
    pattern = np.ones(store.start.frame_shape, np.float32)
    store.write_pattern(done - 1, pattern)
    store.write_mean(done, pattern)
    store.write_account(Account(ScanState.COMPLETE if is_last else ScanState.RUNNING, Counters(done, done, 0, done)))
