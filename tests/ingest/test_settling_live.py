"""A scan whose disc nobody knows: its first frames are held, looked at, and measured like the others."""

from collections.abc import Callable
from time import sleep
from typing import Any

import numpy as np
import pytest

from stream_rrvae.calibration.disc import find_disc
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.ingest.mean_pattern import MeanPattern
from stream_rrvae.ingest.scan_work import MOST_REFUSALS_HELD
from stream_rrvae.ingest.settle import NOTE
from stream_rrvae.messages import Counters, ScanState
from stream_rrvae.metrics import Metrics
from tests.ingest.conftest import CENTER_PX, RADIUS_PX, Listener, NativeDetector, Specimen
from tests.ingest.test_receive_with_faults import undecodable

Pull = Callable[..., Acquisition]
UNKNOWN: dict[str, Any] = {"calibration": {"semiangle_mrad": 20.0}}


@pytest.mark.parametrize("settle_frames", [1, 8, 32, 1000])
def test_the_disc_is_found_and_no_frame_is_lost(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, settle_frames: int
) -> None:
    pull(ingest={"settle_frames": settle_frames, "batch_frames": 4})
    native.scan(specimen, **UNKNOWN)
    store = listener.wait_closed()
    assert store.read_account().counters == Counters(30, 30, 0, 30, 0, 0, 0, {})
    calibration = store.start.calibration
    assert calibration.beam_center_px == pytest.approx(CENTER_PX, abs=1.0)
    assert calibration.disc_radius_px == pytest.approx(RADIUS_PX, abs=1.0)
    assert store.features_info["com_reference"] == "scan_mean"
    assert store.features_info["basis"]["max_order"] == 12
    np.testing.assert_allclose(store.com_x, specimen.com(1, calibration.beam_center_px or CENTER_PX), atol=1e-4)


@pytest.mark.parametrize("told", [{}, UNKNOWN])
def test_frames_that_are_looked_at_wait_for_no_batch(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, told: dict[str, Any]
) -> None:
    pull(ingest={"settle_frames": 8, "batch_wait_s": 1000.0})
    native.start(specimen, **told)
    for number in range(8):
        native.frame(specimen, number)
    listener.wait_processed(8)


@pytest.mark.parametrize("pause_s", [0.0, 0.7])
def test_where_the_disc_is_found_depends_on_frames_and_not_on_when_they_come(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, pause_s: float
) -> None:
    pull(ingest={"settle_frames": 8})
    native.start(specimen, **UNKNOWN)
    for first in (0, 3, 6, 9):
        native.packed(specimen, list(range(first, first + 3 if first < 9 else 30)))
        sleep(pause_s if first < 3 else 0)
    native.end()
    store = listener.wait_closed()
    assert store.read_account().counters.processed == 30
    seen = MeanPattern(store.start)
    for frame in specimen.frames[:8]:
        seen.add(frame)
    assert store.start.calibration.beam_center_px == find_disc(seen.values, np.ones((20, 24), np.bool_)).center_px


def test_a_scan_of_fewer_frames_than_are_looked_at_is_measured_at_its_end(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen
) -> None:
    pull(ingest={"settle_frames": 30})
    native.start(specimen, **UNKNOWN)
    native.packed(specimen, [0, 1, 2])
    native.end()
    counters = listener.wait_closed().read_account().counters
    assert (counters.processed, counters.missing) == (3, 27)


def test_a_storm_between_the_first_frames_is_counted_and_not_kept(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen
) -> None:
    pull(ingest={"settle_frames": 30})
    native.start(specimen, **UNKNOWN)
    native.packed(specimen, [0, 1, 2])
    for _ in range(2 * MOST_REFUSALS_HELD):
        native.send(b"\xc1")
    native.packed(specimen, list(range(3, 30)))
    native.end()
    counters = listener.wait_closed().read_account().counters
    assert counters == Counters(542, 542, 0, 30, 512, 0, 0, {"header": 512})


def test_bad_frames_are_not_looked_at(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen
) -> None:
    pull(ingest={"settle_frames": 10})
    native.start(specimen, **UNKNOWN)
    undecodable(native, specimen)
    native.send(b"\xc1")
    for number in range(30):
        native.frame(specimen, number)
    native.end()
    store = listener.wait_closed()
    assert store.start.calibration.beam_center_px == pytest.approx(CENTER_PX, abs=1.0)
    assert NOTE not in store.start.metadata
    counters = store.read_account().counters
    assert (counters.processed, counters.refused, counters.missing) == (30, 2, 0)


def test_a_storm_before_the_first_frame_is_counted_and_not_kept(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, metrics: Metrics
) -> None:
    pull(ingest={"end_grace_s": 0.05})
    native.start(specimen, **UNKNOWN)
    for _ in range(500):
        native.send(b"\xc1")
        undecodable(native, specimen)
    native.packed(specimen, list(range(30)))
    native.end()
    counters = listener.wait_closed().read_account().counters
    assert counters == Counters(1030, 1030, 0, 30, 1000, 0, 9, {"header": 500, "decode": 500})
    assert metrics.registry.get_sample_value("stream_rrvae_frames_refused_total", {"reason": "header"}) == 500
    assert metrics.registry.get_sample_value("stream_rrvae_frames_received_total") == 1030


def test_a_dark_scan_is_measured_with_a_guess(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen
) -> None:
    specimen.frames[:] = 0
    pull()
    native.scan(specimen, **UNKNOWN)
    store = listener.wait_closed()
    assert (store.coverage == 2).all()
    assert "guess" in store.start.metadata[NOTE]


def test_an_announced_scan_without_a_frame_is_there_and_aborted(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen
) -> None:
    pull()
    native.start(specimen, series=1, **UNKNOWN)
    native.scan(specimen, series=2)
    store = listener.wait_closed(1)
    assert store.read_account().state is ScanState.ABORTED
    assert store.read_account().counters == Counters(30, 0, 30, 0, 0, 0, 0, {})
    assert listener.wait_closed(2).read_account().counters.processed == 30


def test_a_saturation_value_of_zero_does_not_lose_the_scan(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen
) -> None:
    pull()
    native.scan(specimen, saturation=0.0, **UNKNOWN)
    store = listener.wait_closed()
    assert store.read_account().counters.processed == 30
    np.testing.assert_allclose(store.sum, specimen.sums())
    assert "saturation" in store.start.metadata[NOTE]
