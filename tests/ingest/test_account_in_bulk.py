"""Many entries counted at once are the same entries counted one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rrvae.ingest.account import ScanAccount
from stream_rrvae.ingest.frame_batch import CODES, NO_NUMBER, SKIP_CODES
from stream_rrvae.messages import FrameSkip, Refusal
from tests.ingest.conftest import check_identities

N_POSITIONS = 9
ENTRIES = st.lists(
    st.one_of(
        st.tuples(st.just("good"), st.integers(0, N_POSITIONS - 1), st.none()),
        st.tuples(st.just("damaged"), st.integers(0, N_POSITIONS - 1), st.sampled_from(Refusal)),
        st.tuples(st.just("skipped"), st.integers(0, N_POSITIONS - 1), st.sampled_from(FrameSkip)),
        st.tuples(st.just("refused"), st.none() | st.integers(0, N_POSITIONS + 2), st.sampled_from(Refusal)),
    ),
    max_size=40,
)
Entry = tuple[str, int | None, Refusal | FrameSkip | None]
ALL_CODES: dict[str, int] = {
    **{str(one): code for one, code in CODES.items()},
    **{str(one): code for one, code in SKIP_CODES.items()},
}


def one_by_one(account: ScanAccount, entries: list[Entry]) -> list[int]:
    placed = []
    for index, (kind, number, reason) in enumerate(entries):
        if kind == "refused" and isinstance(reason, Refusal):
            account.refused(reason, number)
        elif number is not None and account.is_placed(number):
            account.duplicate()
        elif isinstance(reason, FrameSkip) and number is not None:
            account.skipped(reason, number)
        elif isinstance(reason, Refusal):
            account.refused(reason, number)
        elif number is not None:
            account.processed(number)
            placed.append(index)
    return placed


def at_once(account: ScanAccount, entries: list[Entry]) -> list[int]:
    numbers = np.array([NO_NUMBER if number is None else number for _, number, _ in entries], np.int64)
    codes = np.array([ALL_CODES[str(reason)] if reason else 0 for _, _, reason in entries], np.uint8)
    before = np.array([kind == "refused" for kind, _, _ in entries], np.uint8)
    return account.take(numbers, codes * before, codes * (1 - before)).tolist()  # type: ignore[no-any-return]


@settings(deadline=None)  # the first call compiles
@given(st.lists(ENTRIES, max_size=4))
def test_the_account_and_what_is_placed_are_the_same(batches: list[list[Entry]]) -> None:
    slow, quick = ScanAccount(N_POSITIONS), ScanAccount(N_POSITIONS)
    for entries in batches:
        assert at_once(quick, entries) == one_by_one(slow, entries)
        assert quick.counters() == slow.counters()
        check_identities(quick.counters())
    slow.end()
    quick.end()
    assert quick.counters() == slow.counters()
    check_identities(quick.counters())


def test_what_is_skipped_is_not_missing_and_may_still_come() -> None:
    account = ScanAccount(N_POSITIONS)
    account.skipped(FrameSkip.EVERY_KTH, 2)
    account.skipped(FrameSkip.RECORD_ONLY, 3)
    account.end()
    counters = account.counters()
    assert (counters.skipped, counters.missing, counters.expected) == (2, N_POSITIONS - 2, N_POSITIONS)
    assert counters.skips == {"every_kth": 1, "record_only": 1} and not counters.refusals
    account.processed(2)
    account.skipped(FrameSkip.EVERY_KTH, 3)
    counters = account.counters()
    assert (counters.processed, counters.skipped, counters.missing) == (1, 3, N_POSITIONS - 2)
    check_identities(counters)
