"""A viewer that gets what changed sees, to the bit, what one sees that gets everything; also when updates are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from stream_rrvae.errors import FeedError
from stream_rrvae.feed import publisher as publishing
from stream_rrvae.feed import subscriber as subscribing
from stream_rrvae.feed.codec import BEGINNING, PROTOCOL_OF_CHANGES, decode_message, decode_snapshot, encode_snapshot
from stream_rrvae.feed.follower import Follower
from stream_rrvae.feed.patched_maps import MOST_PATCHES, PatchedMaps
from stream_rrvae.feed.publisher import Publisher
from stream_rrvae.feed.runs import changed_runs, differing
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.feed.updates import Updates
from stream_rrvae.messages import Float32Array, Snapshot

MakeSnapshot = Callable[[int, tuple[int, int]], Snapshot]
SHAPE, N = (12, 10), 120
TIMEOUT_S = 20.0


class GrowingScan:
    """A snapshot with some more positions at every call: some maps written in place and told of, one always new."""

    def __init__(self, make: MakeSnapshot, step: int = 7) -> None:
        self.base = make(1, SHAPE)
        self.step, self.done, self.serial = step, 0, 0
        self.sum = np.full(SHAPE, np.nan, np.float32)
        self.still = np.full(SHAPE, 3, np.float32)
        self.changed: dict[str, slice] = {}

    def __call__(self) -> Snapshot:
        span = slice(self.done, min(N, self.done + self.step))
        self.sum.reshape(-1)[span] = np.arange(span.start, span.stop) + 1000 * self.serial
        self.done, self.serial = span.stop % N, self.serial + 1
        self.changed = {"sum": span, "still": slice(0, 0)}
        rotation = np.where(np.isnan(self.sum), np.float32(np.nan), np.float32(self.serial // 5))
        maps = {"sum": self.sum, "still": self.still, "rotation": rotation}
        return replace(self.base, serial=self.serial, maps=maps, units=dict.fromkeys(maps, "1"))


@pytest.fixture
def scan(make_snapshot: MakeSnapshot) -> GrowingScan:
    return GrowingScan(make_snapshot)


def copied(snapshot: Snapshot) -> Snapshot:
    return decode_snapshot(encode_snapshot(snapshot))


def assert_same(got: Snapshot | None, expected: Snapshot) -> None:
    assert got is not None
    assert got.serial == expected.serial
    assert list(got.maps) == list(expected.maps)
    for name, image in expected.maps.items():
        np.testing.assert_array_equal(got.maps[name], image, err_msg=name)


def sent(scan: GrowingScan, count: int, wholes: tuple[int, ...] = (0,)) -> list[tuple[bytes, Snapshot]]:
    """So many messages, those of `wholes` whole, and what each stands for."""
    updates, messages = Updates(), []
    for number in range(count):
        snapshot = scan()
        message, is_whole = updates.message(snapshot, scan.changed, number in wholes)
        assert is_whole == (number in wholes)
        messages.append((bytes(message), copied(snapshot)))
    return messages


def test_whoever_gets_every_change_sees_all_of_it_at_any_time(scan: GrowingScan) -> None:
    follower = Follower()
    seen = [(follower.take(message), expected) for message, expected in sent(scan, 60)]
    for got, expected in seen:
        assert_same(got, expected)


def test_changes_are_small_and_leave_what_did_not_change_the_array_it_was(scan: GrowingScan) -> None:
    (whole, _), (change, expected) = sent(scan, 2)
    follower = Follower()
    first, second = follower.take(whole), follower.take(change)
    assert first is not None and second is not None
    assert second.maps["still"] is first.maps["still"]
    assert not second.maps["sum"].flags.writeable
    runs = msgpack.unpackb(change)["runs"]
    assert list(runs) == ["sum", "rotation"]
    assert (runs["sum"]["first"], len(runs["sum"]["values"]["bytes"])) == (7, 4 * 7)
    assert_same(second, expected)


@pytest.mark.parametrize("lost", [(3,), (3, 4, 5), (0,), (9, 10)])
def test_after_a_loss_nothing_is_shown_until_a_whole_snapshot_comes(scan: GrowingScan, lost: tuple[int, ...]) -> None:
    follower, lacks = Follower(), False
    for number, (message, expected) in enumerate(sent(scan, 16, wholes=(0, 10))):
        if number in lost:
            lacks = True
            continue
        lacks = lacks and number != 10
        got = follower.take(message)
        assert follower.lacks == lacks
        if lacks:
            assert got is None
        else:
            assert_same(got, expected)


def test_changes_of_a_service_that_began_anew_are_not_put_upon_the_old(
    make_snapshot: MakeSnapshot, scan: GrowingScan
) -> None:
    old, new = sent(scan, 3), sent(GrowingScan(make_snapshot), 3)
    follower = Follower()
    for message, _ in old[:2]:
        follower.take(message)
    assert follower.take(new[2][0]) is None and follower.lacks
    assert_same(follower.take(new[0][0]), new[0][1])


def test_other_maps_another_grid_and_much_that_changes_are_sent_whole(scan: GrowingScan) -> None:
    updates, first = Updates(), scan()
    assert updates.message(first, scan.changed, False)[1]
    without = replace(first, maps={"sum": scan.sum})
    assert updates.message(without, {"sum": slice(0, 0)}, False)[1]
    assert not updates.message(without, {"sum": slice(0, 0)}, False)[1]
    assert updates.message(without, {}, False)[1], "nothing is told of an array that is still the same"
    smaller = replace(without, scan_shape=(4, 30), maps={"sum": scan.sum.reshape(4, 30)})
    assert updates.message(smaller, {}, False)[1]
    with pytest.raises(FeedError):
        updates.message(replace(smaller, metadata={"object": object()}), {"sum": slice(0, 0)}, False)
    assert updates.message(smaller, {"sum": slice(0, 0)}, False)[1], "what was not sent is not known to anybody"


def test_the_run_that_differs(scan: GrowingScan) -> None:
    before = np.array([np.nan, 0.0, 1.0, 2.0, np.nan], np.float32)
    assert differing(before.copy(), before) == slice(0, 0)
    now = before.copy()
    now[[1, 3]] = 5.0
    assert differing(now, before) == slice(1, 4)
    now[4] = -0.0
    assert differing(now, before) == slice(1, 5)
    grid: dict[str, Float32Array] = {"sum": now.reshape(1, 5), "still": before.reshape(1, 5)}
    runs = changed_runs(grid, {"sum": before.reshape(1, 5), "still": grid["still"]}, {})
    assert {name: (run.first, run.values.size) for name, run in runs.items()} == {"sum": (1, 4), "still": (0, 5)}


def test_what_waits_to_be_looked_at_is_bounded(scan: GrowingScan) -> None:
    follower = Follower()
    got = None
    for message, _ in sent(scan, 3 * MOST_PATCHES):
        got = follower.take(message)
    assert got is not None and isinstance(got.maps, PatchedMaps)
    waiting = got.maps._images["sum"]._patches
    assert 0 < len(waiting) <= MOST_PATCHES
    assert sum(run.values.size for run in waiting) <= N


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("runs", []),
        ("runs", {"<script>": {"first": 0, "values": {"dtype": "<f4", "bytes": b""}}}),
        ("runs", {"other": {"first": 0, "values": {"dtype": "<f4", "bytes": bytes(4)}}}),
        ("runs.sum", None),
        ("runs.sum.first", -1),
        ("runs.sum.first", True),
        ("runs.sum.first", N - 6),
        ("runs.sum.first", 1 << 62),
        ("runs.sum.values", None),
        ("runs.sum.values.dtype", "<f8"),
        ("runs.sum.values.bytes", b"123"),
        ("runs.sum.values.bytes", bytes(4 * (N + 1))),
        ("since", None),
        ("since", "1"),
        ("update", True),
        ("stream", 3),
        ("scan_shape", [3]),
        ("v", 2),
    ],
)
def test_malformed_changes_are_refused_and_cost_nothing_else(scan: GrowingScan, path: str, value: Any) -> None:
    (whole, _), (change, expected) = sent(scan, 2)
    *parents, last = path.split(".")
    plain = msgpack.unpackb(change)
    node = plain
    for name in parents:
        node = node[name]
    node[last] = value
    follower = Follower()
    follower.take(whole)
    with pytest.raises(FeedError):
        follower.take(msgpack.packb(plain))
    assert_same(follower.take(change), expected)


@pytest.fixture
def publish() -> Iterator[Callable[..., Publisher]]:
    publishers: list[Publisher] = []

    def start(scan: GrowingScan, rate_hz: float = 100.0) -> Publisher:
        made = Publisher("tcp://127.0.0.1:*", "test", rate_hz, scan, changed=lambda: scan.changed)
        publishers.append(made)
        made.start()
        return made

    yield start
    for publisher in publishers:
        publisher.stop()


class OldViewer:
    """As viewers were before there were changes: every message is a snapshot, or refused."""

    def __init__(self, url: str, topic: bytes = b"") -> None:
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self.socket.subscribe(topic)
        self.socket.connect(url)

    def receive(self) -> bytes:
        assert self.socket.poll(int(1000 * TIMEOUT_S))
        return self.socket.recv()

    def until(self, wanted: Callable[[bytes], bool]) -> bytes:
        while not wanted(message := self.receive()):
            pass
        return message


def is_change(message: bytes) -> bool:
    return bool(msgpack.unpackb(message)["p"] == PROTOCOL_OF_CHANGES)


@pytest.fixture
def old_viewer() -> Iterator[Callable[..., OldViewer]]:
    made: list[OldViewer] = []

    def connect(url: str, topic: bytes = b"") -> OldViewer:
        made.append(OldViewer(url, topic))
        return made[-1]

    yield connect
    for viewer in made:
        viewer.socket.close(0)


def test_newcomers_begin_with_all_and_go_on_with_changes(
    publish: Callable[..., Publisher], scan: GrowingScan, old_viewer: Callable[..., OldViewer]
) -> None:
    url = publish(scan).url
    watching = old_viewer(url, BEGINNING)
    for _ in range(2):
        watching.until(is_change)
        with Subscriber(url) as viewer:
            for _ in range(30):
                got = viewer.receive(TIMEOUT_S)
                assert got is not None
                assert_is_of_this_scan(got)
        watching.until(lambda message: not is_change(message))


def assert_is_of_this_scan(got: Snapshot) -> None:
    """Every value is of the call that wrote it last: no run between was lost."""
    expected, done = np.full(N, np.nan, np.float32), 0
    for serial in range(got.serial):
        span = slice(done, min(N, done + 7))
        expected[span] = np.arange(span.start, span.stop) + 1000 * serial
        done = span.stop % N
    np.testing.assert_array_equal(got.maps["sum"].ravel(), expected)
    np.testing.assert_array_equal(np.isnan(got.maps["rotation"]).ravel(), np.isnan(expected))
    assert (got.maps["still"] == 3).all()


def test_while_an_old_viewer_looks_everything_is_sent_to_all(
    publish: Callable[..., Publisher], scan: GrowingScan, old_viewer: Callable[..., OldViewer]
) -> None:
    url = publish(scan).url
    watching = old_viewer(url, BEGINNING)
    watching.until(is_change)
    old = old_viewer(url)
    old.until(lambda message: not is_change(message))
    messages = [old.receive() for _ in range(10)]
    serials = [decode_snapshot(message).serial for message in messages]
    assert serials == list(range(serials[0], serials[0] + 10))
    old.socket.close(0)
    watching.until(is_change)


def test_a_viewer_that_missed_updates_asks_and_gets_all(
    publish: Callable[..., Publisher],
    scan: GrowingScan,
    old_viewer: Callable[..., OldViewer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "WHOLE_AGAIN_S", 0.0)
    url = publish(scan, 200.0).url
    watching = old_viewer(url, BEGINNING)
    with Subscriber(url) as viewer:
        assert viewer.receive(TIMEOUT_S) is not None
        lost = viewer._socket.recv()
        while is_change(lost) is False:  # what comes first may be whole for both
            viewer._follower.take(lost)
            lost = viewer._socket.recv()
        watching.until(is_change)
        got = viewer.receive(TIMEOUT_S)
        assert got is not None
        assert got.serial > decode_message(lost).snapshot.serial
        assert_is_of_this_scan(got)


def test_a_viewer_that_stands_still_makes_nothing_wait_and_then_sees_the_newest(
    publish: Callable[..., Publisher], make_snapshot: MakeSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long enough that its queues and the service's are full, and updates are dropped."""
    monkeypatch.setattr(publishing, "WHOLE_AGAIN_S", 0.0)
    monkeypatch.setattr(subscribing, "WAITING_LIMIT", 1)

    class Big(GrowingScan):
        def __call__(self) -> Snapshot:
            return replace(super().__call__(), pattern=np.zeros((512, 512), np.float32))

    scan = Big(make_snapshot)
    publisher = publish(scan, 1000.0)
    with Subscriber(publisher.url) as viewer, Subscriber(publisher.url) as other:
        assert viewer.receive(TIMEOUT_S) is not None
        while scan.serial < 200:
            assert other.receive(TIMEOUT_S) is not None
        before = scan.serial
        got = viewer.receive(TIMEOUT_S)
        while got is not None and got.serial < before:
            assert_is_of_this_scan(got)
            got = viewer.receive(TIMEOUT_S)
        assert got is not None
        assert_is_of_this_scan(got)
