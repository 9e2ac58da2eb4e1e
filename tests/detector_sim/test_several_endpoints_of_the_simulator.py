"""One simulated detector with several endpoints: frames in turn, or lines as shards; a peer that is gone stops none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import zmq

from stream_rrvae.messages import Frame, Message, ScanEnd, ScanStart
from stream_rrvae.wire.registry import protocol

if TYPE_CHECKING:
    from tests.detector_sim.conftest import Simulator

PATIENCE_MS = 60_000
SMALL = ("--detector", "24x24:uint16", "--dose", "300", "--scan-shape", "6x5", "--bind", "tcp://127.0.0.1:*")
Start = Callable[..., "Simulator"]
PullBoth = Callable[["Simulator"], list[zmq.Socket[bytes]]]


@pytest.fixture
def pull_both() -> Iterator[PullBoth]:
    """Connects both endpoints of a simulator, which waits for everybody."""
    context, sockets = zmq.Context(), list[zmq.Socket[bytes]]()

    def connected(simulator: Simulator) -> list[zmq.Socket[bytes]]:
        for _ in range(2):
            socket = context.socket(zmq.PULL)
            socket.rcvtimeo = PATIENCE_MS
            socket.connect(simulator.endpoint())
            sockets.append(socket)
        return sockets

    yield connected
    for socket in sockets:
        socket.close(linger=0)
    context.term()


def scan(name: str, socket: zmq.Socket[bytes]) -> tuple[ScanStart, list[int], ScanEnd]:
    """One scan's share: its start, the numbers of its frames, its end."""
    decoder, found = protocol(name, None, 1 << 24), list[Message]()
    while not found or not isinstance(found[-1], ScanEnd):
        found += decoder.decode([memoryview(part) for part in socket.recv_multipart()])
    start, *frames, end = found
    assert isinstance(start, ScanStart) and isinstance(end, ScanEnd)
    return start, [frame.number for frame in frames if isinstance(frame, Frame)], end


@pytest.mark.parametrize("name", ["dectris-v1", "dectris-v2", "native"])
def test_messages_are_dealt_in_turn_and_all_hear_start_and_end(
    name: str, start_simulator: Start, pull_both: PullBoth
) -> None:
    simulator = start_simulator("--protocol", name, "--scans", "1", *SMALL)
    first, second = (scan(name, socket) for socket in pull_both(simulator))
    assert (first[0].scan_id, first[0].shard_count, first[2]) == (second[0].scan_id, 1, second[2])
    assert sorted(first[1] + second[1]) == list(range(30))
    if name != "native":  # there many frames share a message
        assert first[1] == list(range(0, 30, 2))
    assert simulator.ended()[0] == 0


@pytest.mark.parametrize("name", ["dectris-v1", "dectris-v2", "native"])
def test_shards_get_their_lines(name: str, start_simulator: Start, pull_both: PullBoth) -> None:
    shards = ("--deal", "shards", "--shard-lines", "2")
    simulator = start_simulator("--protocol", name, "--scans", "1", *SMALL, *shards)
    first, second = (scan(name, socket) for socket in pull_both(simulator))
    told = [(start.shard_id, start.shard_count, start.shard_lines) for start, _, _ in (first, second)]
    assert told == [(0, 2, 2), (1, 2, 2)]
    assert first[0].frames_expected == 30 and first[0].scan_shape == (6, 5)
    assert first[1] == [*range(10), *range(20, 30)]
    assert second[1] == [*range(10, 20)]


def test_a_peer_that_is_gone_stops_nobody(start_simulator: Start, pull_both: PullBoth) -> None:
    shards = ("--deal", "shards", "--shard-lines", "1", "--protocol", "dectris-v2")
    simulator = start_simulator(*SMALL, *shards)
    living, dying = pull_both(simulator)
    scan("dectris-v2", dying)
    dying.close(linger=0)
    ids = [scan("dectris-v2", living)[0].series for _ in range(20)]
    assert ids == list(range(1, 21))


def test_shards_without_a_shape_are_refused(start_simulator: Start) -> None:
    status, said = start_simulator(*SMALL, "--deal", "shards", "--announce", "nothing").ended()
    assert status == 2 and "--announce nothing" in said
