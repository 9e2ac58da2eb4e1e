"""The feed over real sockets: the newest snapshot wins, whoever is slow."""

from __future__ import annotations

import itertools
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zmq

from stream_rrvae.errors import ConfigError, FeedError, SecurityError, StoreError
from stream_rrvae.feed.codec import BEGINNING, encode_snapshot
from stream_rrvae.feed.publisher import MOST_LEFT_OUT, Publisher, next_deadline
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[[int, tuple[int, int]], Snapshot]
ANY_PORT = "tcp://127.0.0.1:*"
TIMEOUT_S = 20.0


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Counting:
    """Gives numbered snapshots and tells when a number has been reached."""

    def __init__(self, make: MakeSnapshot, shape: tuple[int, int], awaited: int = 0) -> None:
        self.make, self.shape, self.awaited = make, shape, awaited
        self.reached = threading.Event()
        self._numbers = itertools.count(1)

    def __call__(self) -> Snapshot:
        number = next(self._numbers)
        if number == self.awaited:
            self.reached.set()
        return self.make(number, self.shape)


@pytest.fixture
def publish() -> Iterator[Callable[..., Publisher]]:
    publishers: list[Publisher] = []

    def start(
        take: Callable[[], Snapshot], rate_hz: float = 50.0, url: str = ANY_PORT, is_behind: Callable[[], bool] = bool
    ) -> Publisher:
        publishers.append(Publisher(url, "test", rate_hz, take, is_behind=is_behind))
        publishers[-1].start()
        return publishers[-1]

    yield start
    for publisher in publishers:
        publisher.stop()


def test_viewers_get_newer_and_newer_snapshots(publish: Callable[..., Publisher], make_snapshot: MakeSnapshot) -> None:
    publisher = publish(Counting(make_snapshot, (6, 4)))
    with Subscriber(publisher.url) as first, Subscriber(publisher.url) as second:
        for viewer in (first, second):
            got = [viewer.receive(TIMEOUT_S) for _ in range(3)]
            serials = [snapshot.serial for snapshot in got if snapshot]
            assert len(serials) == 3
            assert serials == sorted(set(serials))


def test_a_viewer_that_does_not_read_costs_no_memory_and_gets_the_newest(
    publish: Callable[..., Publisher], make_snapshot: MakeSnapshot
) -> None:
    big = (512, 512)  # two maps of 1 MiB each: 150 of them kept would be 300 MiB
    take = Counting(make_snapshot, big, awaited=150)

    def all_new() -> Snapshot:
        snapshot = take()
        maps = {name: image + np.float32(snapshot.serial) for name, image in snapshot.maps.items()}
        return replace(snapshot, maps=maps)

    publisher = publish(all_new, rate_hz=1000.0)
    with Subscriber(publisher.url) as viewer:
        first = viewer.receive(TIMEOUT_S)
        assert first is not None
        before = resident_bytes()
        assert take.reached.wait(60)
        grown = resident_bytes() - before
        assert grown < 150 << 20
        # At most what the queues and the two kernel buffers hold is older than the newest.
        serials = [first.serial]
        while serials[-1] <= 150:
            later = viewer.receive(TIMEOUT_S)
            assert later is not None
            serials.append(later.serial)
        assert np.diff(serials).min() > 0 and np.diff(serials).max() > 75


def test_a_viewer_may_come_before_its_service(publish: Callable[..., Publisher], make_snapshot: MakeSnapshot) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    with Subscriber(url) as viewer:
        assert viewer.receive(0.0) is None
        publish(Counting(make_snapshot, (3, 2)), url=url)
        assert viewer.receive(TIMEOUT_S) is not None


def test_no_snapshot_is_made_while_nobody_looks(publish: Callable[..., Publisher], make_snapshot: MakeSnapshot) -> None:
    publisher = publish(Counting(make_snapshot, (3, 2)), rate_hz=200.0)
    time.sleep(0.1)  # twenty turns
    assert publisher.published == 0
    for _ in range(2):
        with Subscriber(publisher.url) as one, Subscriber(publisher.url) as other:
            assert one.receive(TIMEOUT_S) is not None
            assert other.receive(TIMEOUT_S) is not None
            one.close()
            assert comes_true(lambda: not is_at_rest(publisher))
        assert comes_true(lambda: is_at_rest(publisher))


def test_while_measuring_is_behind_most_turns_are_left_out_but_not_all(
    publish: Callable[..., Publisher], make_snapshot: MakeSnapshot
) -> None:
    asked, published = itertools.count(), []
    often = threading.Event()

    def is_behind() -> bool:
        if next(asked) == 10 * MOST_LEFT_OUT:
            published.append(publisher.published)
            often.set()
        return not often.is_set()

    counting = Counting(make_snapshot, (3, 2))

    def take() -> Snapshot:
        until_s = time.thread_time() + 0.005  # as long as a turn: too much for who is behind
        while time.thread_time() < until_s:
            pass
        return counting()

    publisher = publish(take, rate_hz=200.0, is_behind=is_behind)
    with Subscriber(publisher.url) as viewer:
        assert often.wait(TIMEOUT_S)
        assert published == [10], "one after as many as may be left out"
        serials: list[int] = []
        while len(serials) < 3:
            snapshot = viewer.receive(TIMEOUT_S)
            assert snapshot is not None
            serials.append(snapshot.serial)
        assert serials == sorted(set(serials))


def test_snapshots_that_cost_little_are_not_left_out(
    publish: Callable[..., Publisher], make_snapshot: MakeSnapshot
) -> None:
    asked = itertools.count()

    def is_behind() -> bool:
        return next(asked) >= 0

    publisher = publish(Counting(make_snapshot, (3, 2)), rate_hz=20.0, is_behind=is_behind)
    with Subscriber(publisher.url) as viewer:
        for _ in range(5):
            assert viewer.receive(TIMEOUT_S) is not None
    assert next(asked) == MOST_LEFT_OUT, "only until it was known what they cost"


@pytest.mark.parametrize("scheme", ["tcp", "ipc", "inproc"])
def test_a_viewer_is_noticed_whatever_way_it_comes(
    publish: Callable[..., Publisher], make_snapshot: MakeSnapshot, tmp_path: Path, scheme: str
) -> None:
    url = {"tcp": ANY_PORT, "ipc": f"ipc://{tmp_path}/feed", "inproc": "inproc://feed"}[scheme]
    publisher = publish(Counting(make_snapshot, (3, 2)), url=url)
    with Subscriber(publisher.url) as viewer:
        assert viewer.receive(TIMEOUT_S) is not None


def is_at_rest(publisher: Publisher) -> bool:
    before = publisher.published
    time.sleep(0.05)
    return publisher.published == before


def comes_true(condition: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return condition()


def test_a_bad_moment_of_the_service_ends_nothing(
    publish: Callable[..., Publisher], make_snapshot: MakeSnapshot
) -> None:
    good = Counting(make_snapshot, (3, 2))
    failures = iter([StoreError("gone"), ValueError("a mistake")])

    def take() -> Snapshot:
        error = next(failures, None)
        if error:
            raise error
        return good()

    publisher = publish(take)
    with Subscriber(publisher.url) as viewer:
        assert viewer.receive(TIMEOUT_S) is not None
    assert publisher.failures == 2


def test_rubbish_on_the_feed_is_refused_and_the_next_snapshot_taken(
    publish: Callable[..., Publisher], make_snapshot: MakeSnapshot
) -> None:
    sender: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
    with sender:
        port = sender.bind_to_random_port("tcp://127.0.0.1")
        with Subscriber(f"tcp://127.0.0.1:{port}") as viewer:
            assert sender.poll(20000) and sender.recv() == b"\x01" + BEGINNING  # the subscription has arrived
            sender.send(BEGINNING + b"\x91" * 3000)
            with pytest.raises(FeedError):
                viewer.receive(TIMEOUT_S)
            sender.send(encode_snapshot(make_snapshot(2, (3, 2))))
            got = viewer.receive(TIMEOUT_S)
            assert got is not None and got.serial == 2


def test_a_taken_port_and_an_open_bind_are_refused(
    publish: Callable[..., Publisher], make_snapshot: MakeSnapshot
) -> None:
    take = Counting(make_snapshot, (3, 2))
    taken = publish(take).url
    with pytest.raises(ConfigError, match="cannot publish"):
        publish(take, url=taken)
    with pytest.raises(SecurityError):
        Publisher("tcp://0.0.0.0:5556", "test", 10.0, take)
    with pytest.raises(ConfigError, match="no feed address"):
        Subscriber("nonsense")


def test_turns_keep_to_their_grid_and_late_ones_are_skipped() -> None:
    assert next_deadline(10.0, 10.01, 0.5) == 10.5
    assert next_deadline(10.0, 11.2, 0.5) == 11.5
    assert next_deadline(10.0, 9.9, 0.5) == 10.5
