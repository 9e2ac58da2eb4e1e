"""A shard of a scan: its own lines are due and no others, on every way that frames can go."""

from collections.abc import Callable

import numpy as np
import pytest

from stream_rrvae.ingest.account import ScanAccount
from stream_rrvae.ingest.leaving_out import LeavingOut
from stream_rrvae.messages import Counters, FrameSkip, Refusal, ScanStart, ScanState
from stream_rrvae.wire.shards import line_ranks, own_positions
from tests.ingest.conftest import Listener, NativeDetector, Specimen, make_specimen

Measured = Callable[..., None]
SHAPE = (40, 6)
LINES_OF_TWO = [line for line in range(SHAPE[0]) if line // 2 % 2 == 1]
OWN = [6 * line + column for line in LINES_OF_TWO for column in range(6)]
SECOND_OF_TWO = {"shard_id": 1, "shard_count": 2, "shard_lines": 2}


@pytest.fixture
def large() -> Specimen:
    """More frames than are looked at one by one."""
    return make_specimen(SHAPE)


def test_a_shard_is_complete_with_its_own_lines(
    native: NativeDetector, pull: Callable[..., None], listener: Listener, large: Specimen, assert_measured: Measured
) -> None:
    pull()
    native.start(large, **SECOND_OF_TWO)
    for number in OWN:
        native.frame(large, number)
    native.end()
    account = listener.wait_closed().read_account()
    assert account.state is ScanState.COMPLETE
    assert account.counters == Counters(120, 120, 0, 120, 0, 0, 0, {})
    assert_measured(listener.wait_closed(), large, OWN)


def test_frames_of_another_shard_are_refused_and_leave_no_hole(
    native: NativeDetector, pull: Callable[..., None], listener: Listener, large: Specimen, assert_measured: Measured
) -> None:
    pull()
    native.start(large, **SECOND_OF_TWO)
    kept = [number for number in OWN if number != OWN[50]]
    for number in kept:
        native.frame(large, number)
    for number in (0, 5, 200):
        native.packed(large, [number, number])
    native.end()
    store = listener.wait_closed()
    counters = store.read_account().counters
    assert counters.refusals == {"number": counters.refused}
    strangers = sum(2 for number in (0, 5, 200) if number not in OWN)
    assert counters.refused == strangers
    assert (counters.missing, counters.processed) == (1, 119)
    assert counters.expected == counters.received + counters.missing
    assert_measured(store, large, kept)


def test_what_is_due_so_far_are_own_positions_only() -> None:
    own = np.array([False, False, True, True, False, False, True, True])
    account = ScanAccount(8, own)
    account.processed(3)
    assert account.counters() == Counters(2, 1, 1, 1, 0, 0, 0, {})
    account.processed(6)
    assert account.counters().missing == 1
    account.refused(Refusal.DECODE, 5)  # of another shard: explains nothing here
    assert account.counters() == Counters(4, 3, 1, 2, 1, 0, 0, {"decode": 1})
    account.refused(Refusal.DECODE, 2)
    account.end()
    assert account.counters() == Counters(5, 4, 1, 2, 2, 0, 0, {"decode": 2})


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_coarser_grid_has_positions_of_every_shard(lines: int) -> None:
    leaving_out, columns, positions = LeavingOut(stride=2), 6, np.arange(12 * 6)
    leaving_out.reason = FrameSkip.EVERY_KTH
    for shard_id in range(2):
        start = ScanStart("s", 1, (4, 4), "uint8", 72, (12, 6), shard_id=shard_id, shard_count=2, shard_lines=lines)
        own = own_positions(start, (12, 6))
        codes = leaving_out.codes(positions, columns, line_ranks(start, 12))
        assert codes is not None and own is not None
        assert np.count_nonzero((codes == 0) & own) == 72 // 2 // 4
