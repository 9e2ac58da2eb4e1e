"""The account of a scan: worked examples of what is lost, refused and double."""

from stream_rrvae.ingest.account import ScanAccount
from stream_rrvae.messages import Counters, Refusal


def account_of(n_positions: int, placed: list[int]) -> ScanAccount:
    account = ScanAccount(n_positions)
    for number in placed:
        account.processed(number)
    return account


def test_nothing_yet() -> None:
    assert ScanAccount(9).counters() == Counters()


def test_a_jump_in_the_numbers_is_missing_frames() -> None:
    counters = account_of(9, [0, 1, 4]).counters()
    assert (counters.expected, counters.received, counters.missing) == (5, 3, 2)


def test_a_late_frame_fills_its_hole_and_is_reordered() -> None:
    counters = account_of(9, [0, 2, 1, 3]).counters()
    assert (counters.missing, counters.processed, counters.reordered) == (0, 4, 1)


def test_the_end_makes_every_position_due() -> None:
    account = account_of(9, [0, 1])
    account.end()
    counters = account.counters()
    assert (counters.expected, counters.missing) == (9, 7)


def test_a_late_frame_in_order_after_the_end_is_not_reordered() -> None:
    account = account_of(3, [0, 1])
    account.end()
    account.processed(2)
    assert account.counters().reordered == 0


def test_a_refused_frame_explains_its_own_hole() -> None:
    account = account_of(9, [0, 1])
    account.refused(Refusal.SHAPE, 2)
    account.processed(3)
    assert account.counters() == Counters(4, 4, 0, 3, 1, 0, 0, {"shape": 1})


def test_a_refused_frame_that_comes_again_is_processed_and_hides_no_loss() -> None:
    account = account_of(9, [0])
    account.refused(Refusal.DECODE, 1)
    account.processed(1)
    account.processed(3)
    counters = account.counters()
    assert (counters.expected, counters.received, counters.missing) == (5, 4, 1)


def test_a_message_that_did_not_say_its_number_explains_any_hole() -> None:
    account = account_of(9, [0, 2])
    account.refused(Refusal.HEADER, None)
    assert account.counters().missing == 0
    account.refused(Refusal.HEADER, None)
    counters = account.counters()
    assert (counters.expected, counters.received, counters.missing) == (4, 4, 0)


def test_frames_beyond_the_scan_explain_no_hole() -> None:
    account = account_of(4, [0, 1, 3])
    account.refused(Refusal.NUMBER, 4)
    counters = account.counters()
    assert (counters.expected, counters.received, counters.missing) == (5, 4, 1)


def test_a_second_copy_is_expected_once_more() -> None:
    account = account_of(4, [0, 1])
    account.duplicate()
    assert account.counters() == Counters(3, 3, 0, 2, 0, 1, 0, {})


def test_a_frame_refused_twice_fills_one_hole() -> None:
    account = account_of(4, [1])
    account.refused(Refusal.DECODE, 0)
    account.refused(Refusal.DECODE, 0)
    counters = account.counters()
    assert (counters.expected, counters.received, counters.missing) == (3, 3, 0)
