"""The queue between the threads: in order, bounded in bytes, and nobody waits for one that is gone."""

import threading
from time import monotonic

import pytest

from stream_rrvae.byte_queue import QueueClosedError
from stream_rrvae.ingest.events import Closed, Ended, Refused
from stream_rrvae.ingest.hand_over import ITEM_BYTES, Batch, HandOver, Item
from stream_rrvae.messages import Refusal, ScanState

PATIENCE_S = 30.0


def batch(size_bytes: int) -> Batch:
    return Batch((Refused(Refusal.SIZE),), size_bytes - ITEM_BYTES)


def test_first_in_first_out() -> None:
    hand_over = HandOver(10_000)
    items: list[Item] = [batch(500), Ended(), Closed(ScanState.COMPLETE)]
    for item in items:
        hand_over.put(item)
    assert [hand_over.get() for _ in items] == items


def test_nothing_by_the_deadline() -> None:
    assert HandOver(10_000).get(monotonic()) is None


class Giver(threading.Thread):
    """Puts batches of 1,000 bytes and remembers how it ended."""

    def __init__(self, hand_over: HandOver, count: int) -> None:
        super().__init__(daemon=True)
        self.hand_over, self.count = hand_over, count
        self.given = threading.Semaphore(0)
        self.error: QueueClosedError | None = None

    def run(self) -> None:
        try:
            for _ in range(self.count):
                self.hand_over.put(batch(1000))
                self.given.release()
        except QueueClosedError as error:
            self.error = error

    def wait_given(self, count: int) -> None:
        for _ in range(count):
            assert self.given.acquire(timeout=PATIENCE_S)


def test_a_full_queue_holds_the_giver_until_there_is_room() -> None:
    sizes: list[int] = []
    hand_over = HandOver(4000, sizes.append)
    giver = Giver(hand_over, 20)
    giver.start()
    giver.wait_given(4)
    for _ in range(20):
        assert hand_over.get(monotonic() + PATIENCE_S) == batch(1000)
    giver.join(PATIENCE_S)
    assert not giver.is_alive()
    assert max(sizes) == 4000
    assert sizes[-1] == 0


def test_one_item_larger_than_the_queue_passes_alone() -> None:
    hand_over = HandOver(4000)
    hand_over.put(batch(100_000))
    assert hand_over.get() == batch(100_000)


def test_a_taker_that_leaves_wakes_the_giver() -> None:
    hand_over = HandOver(2000)
    giver = Giver(hand_over, 5)
    giver.start()
    giver.wait_given(2)
    hand_over.abandon()
    giver.join(PATIENCE_S)
    assert isinstance(giver.error, QueueClosedError)


def test_after_the_last_word_what_is_inside_is_still_taken() -> None:
    hand_over = HandOver(10_000)
    hand_over.put(batch(500))
    hand_over.finish()
    assert hand_over.get() == batch(500)
    with pytest.raises(QueueClosedError):
        hand_over.get()
