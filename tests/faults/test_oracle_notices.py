"""An oracle is worth what it notices: scans that are not as they should be are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from detector_sim.encoding import encode_frame
from detector_sim.truth import InjectedFault
from stream_rrvae.bench.trust.fault_oracle import SentScan, problems_of, unexplained
from stream_rrvae.messages import Calibration, Counters, Encoding, ScanStart, ScanState
from stream_rrvae.scan_store import Account, ScanStore

StoreMaker = Callable[..., ScanStore]
CENTER_PX, RADIUS_PX = (3.5, 3.5), 2.2
N = 20


def sent_scan(*faults: InjectedFault) -> SentScan:
    known = Calibration(beam_center_px=CENTER_PX, disc_radius_px=RADIUS_PX)
    start = ScanStart("scan-1", 1, (8, 8), "uint16", N, (4, 5), calibration=known)
    rng = np.random.default_rng(1)
    frames = {n: encode_frame(n, rng.poisson(4.0, (8, 8)).astype(np.uint16), Encoding.NONE) for n in range(N)}
    return SentScan(start, frames, faults)


@pytest.fixture
def store(make_store: StoreMaker) -> ScanStore:
    """A scan of which frame 7 was dropped and all else is as it should be."""
    made = make_store(calibration=Calibration(beam_center_px=CENTER_PX, disc_radius_px=RADIUS_PX))
    scan, usable = sent_scan(), np.ones((8, 8), np.bool_)
    for number in (n for n in range(N) if n != 7):
        values = scan.values(number, CENTER_PX, usable)
        made.sum[number], made.com_y[number], made.com_x[number], made.bright_field[number] = values
        made.coverage[number] = 1
    made.write_account(Account(ScanState.COMPLETE, Counters(20, 19, 1, 19)))
    return made


DROPPED = sent_scan(InjectedFault(1, 7, "drop"))


def test_a_scan_as_it_should_be_has_no_problems(store: ScanStore) -> None:
    assert problems_of(store, DROPPED) == []


def _value(store: ScanStore) -> None:
    store.com_x[3] += 0.01


def _value_in_a_hole(store: ScanStore) -> None:
    store.sum[7] = 3.0


def _too_much_covered(store: ScanStore) -> None:
    store.coverage[7] = 1


def _uncounted_hole(store: ScanStore) -> None:
    store.coverage[11] = 0


def _wrong_account(store: ScanStore) -> None:
    store.write_account(Account(ScanState.COMPLETE, Counters(20, 20, 0, 19, duplicate=1)))


def _unexplained(store: ScanStore) -> None:
    store.write_account(Account(ScanState.COMPLETE, Counters(21, 19, 1, 19)))


def _aborted(store: ScanStore) -> None:
    store.write_account(replace(store.read_account(), state=ScanState.ABORTED))


@pytest.mark.parametrize(
    "spoil", [_value, _value_in_a_hole, _too_much_covered, _uncounted_hole, _wrong_account, _unexplained, _aborted]
)
def test_what_is_not_is_told(store: ScanStore, spoil: Callable[[ScanStore], None]) -> None:
    spoil(store)
    assert problems_of(store, DROPPED)


def test_what_fails_an_identity_is_unexplained() -> None:
    assert unexplained(Counters(20, 19, 1, 19)) == 0
    assert unexplained(Counters(20, 19, 0, 19)) == 1
    assert unexplained(Counters(20, 19, 1, 17, 1)) == 1
