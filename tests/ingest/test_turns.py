"""Work that several threads do: told of in the order it was begun, and nobody waits for one that failed."""

import random
import threading
import time

import pytest

from stream_rrvae.ingest.turns import Turns, TurnsFailedError

PATIENCE_S = 30.0


def test_told_in_the_order_begun_whatever_the_order_done() -> None:
    turns, told = Turns(ahead=4), list[int]()
    begun = [turns.begin() for _ in range(4)]
    for turn in (2, 0, 3, 1):
        turns.done(turn, lambda turn=turn: told.append(turn))  # type: ignore[misc]  # bound now
    assert told == begun == [0, 1, 2, 3]


def test_many_threads_and_pieces_of_work() -> None:
    turns, told, taking = Turns(ahead=6), list[int](), threading.Lock()
    telling = threading.Lock()

    def tell(turn: int) -> None:
        assert telling.acquire(blocking=False), "two are told of at once"
        told.append(turn)
        telling.release()

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(200):
            with taking:
                turn = turns.begin()
            time.sleep(rng.random() / 5000)
            turns.done(turn, lambda turn=turn: tell(turn))  # type: ignore[misc]  # bound now

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    turns.wait()
    assert told == list(range(600))


def test_no_more_is_begun_than_may_be_ahead() -> None:
    turns, begun = Turns(ahead=2), threading.Event()
    first, _ = turns.begin(), turns.begin()

    def begin_and_say_so() -> None:
        turns.begin()
        begun.set()

    threading.Thread(target=begin_and_say_so, daemon=True).start()
    assert not begun.wait(0.05)
    turns.done(first, lambda: None)
    assert begun.wait(PATIENCE_S)


def test_a_failure_wakes_who_waits_and_nothing_more_is_told() -> None:
    turns, told, errors = Turns(ahead=1), list[str](), list[BaseException]()
    turn = turns.begin()

    def wait() -> None:
        try:
            turns.wait()
        except TurnsFailedError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    turns.fail()
    waiting.join(PATIENCE_S)
    assert len(errors) == 1
    turns.done(turn, lambda: told.append("told"))
    assert not told
    with pytest.raises(TurnsFailedError):
        turns.begin()
