"""Whole scans through real sockets: the maps are the NumPy reference's, whatever the protocol."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.messages import Counters, ScanState
from stream_rrvae.metrics import Metrics
from tests.ingest.conftest import (
    CENTER_PX,
    RADIUS_PX,
    Listener,
    NativeDetector,
    Receive,
    Specimen,
    V1Detector,
    V2Detector,
    make_specimen,
)

Pull = Callable[..., Acquisition]
Measured = Callable[..., None]
ALL_30 = Counters(30, 30, 0, 30, 0, 0, 0, {})


def test_a_pushed_native_scan(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    pull()
    native.scan(specimen)
    store = listener.wait_closed()
    assert store.read_account().state is ScanState.COMPLETE
    assert store.read_account().counters == ALL_30
    assert_measured(store, specimen)


def test_a_published_native_scan(
    publisher: NativeDetector, receive: Receive, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    receive(f"native+sub://127.0.0.1:{publisher.port}")
    publisher.wait_for_subscriber()
    publisher.scan(specimen)
    assert_measured(listener.wait_closed(), specimen)


def test_a_dectris_scan(
    dectris: V2Detector, receive: Receive, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    receive(f"dectris-v2://127.0.0.1:{dectris.port}")
    dectris.scan(specimen)
    store = listener.wait_closed()
    assert store.read_account().counters == ALL_30
    assert store.shape.scan_shape == specimen.scan_shape
    assert_measured(store, specimen)


@pytest.mark.parametrize("detail", ["basic", "none"])
def test_a_scan_of_the_older_dectris_stream(
    dectris_v1: V1Detector,
    receive: Receive,
    listener: Listener,
    specimen: Specimen,
    assert_measured: Measured,
    detail: str,
) -> None:
    receive(f"dectris-v1://127.0.0.1:{dectris_v1.port}")
    dectris_v1.scan(specimen, detail=detail)
    store = listener.wait_closed()
    assert store.read_account().counters == ALL_30
    assert store.shape.scan_shape == specimen.scan_shape
    assert_measured(store, specimen)


def test_a_series_that_begins_again_without_configuration_is_a_new_scan(
    dectris_v1: V1Detector, receive: Receive, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    receive(f"dectris-v1://127.0.0.1:{dectris_v1.port}")
    dectris_v1.start(specimen, detail="none")
    for number in range(10):
        dectris_v1.send(*dectris_v1.image(specimen, number))
    dectris_v1.scan(specimen, detail="none")
    first = listener.wait_closed()
    assert first.read_account().state is ScanState.ABORTED
    assert_measured(first, specimen, list(range(10)))
    assert_measured(listener.wait_closed(2), specimen)


def test_the_wanted_dectris_channel_is_taken(
    dectris: V2Detector, receive: Receive, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    receive(f"dectris-v2://127.0.0.1:{dectris.port}", channel="threshold_2")
    dectris.scan(specimen)
    assert_measured(listener.wait_closed(), Specimen(specimen.scan_shape, specimen.frames // 2))


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16", "uint32", "float32"])
def test_every_pixel_type(
    native: NativeDetector, pull: Pull, listener: Listener, assert_measured: Measured, pixel_type: str
) -> None:
    specimen = make_specimen((2, 3), pixel_type)
    pull()
    native.scan(specimen)
    assert_measured(listener.wait_closed(), specimen)


def test_frames_packed_in_one_message(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    pull()
    native.start(specimen)
    native.packed(specimen, list(range(20)))
    native.packed(specimen, list(range(20, 30)))
    native.end()
    assert_measured(listener.wait_closed(), specimen)


def test_small_batches_and_one_position_a_line(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    pull(ingest={"batch_frames": 4, "batch_wait_s": 0.001})
    native.scan(specimen, scan_shape=None)
    store = listener.wait_closed()
    assert store.shape.scan_shape == (1, 30)
    assert_measured(store, specimen)


def test_the_site_knows_the_scan_shape_better(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen
) -> None:
    pull(scan_shape=(4, 7))
    native.scan(specimen)
    store = listener.wait_closed()
    assert store.shape.scan_shape == (4, 7)
    assert store.read_account().counters == Counters(30, 30, 0, 28, 2, 0, 0, {"number": 2})


def test_one_scan_after_another(
    native: NativeDetector,
    pull: Pull,
    listener: Listener,
    specimen: Specimen,
    assert_measured: Measured,
    metrics: Metrics,
) -> None:
    other = make_specimen((3, 3), "uint8", seed=1)
    pull()
    native.scan(specimen, series=1)
    native.scan(other, series=2)
    assert_measured(listener.wait_closed(1), specimen)
    assert_measured(listener.wait_closed(2), other)
    assert metrics.registry.get_sample_value("stream_rrvae_frames_processed_total") == 39
    assert metrics.registry.get_sample_value("stream_rrvae_scans_total", {"outcome": "complete"}) == 2


def test_an_empty_frame_is_measured_and_has_no_centre(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen
) -> None:
    specimen.frames[7] = 0
    pull()
    native.scan(specimen)
    store = listener.wait_closed()
    assert store.coverage[7] == 2
    assert store.sum[7] == 0
    assert np.isnan(store.com_x[7])
    assert (np.delete(store.coverage, 7) == 1).all()


def test_masked_and_saturated_pixels_count_nowhere_and_show_as_gaps(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    usable = np.ones(specimen.frame_shape, np.uint8)
    usable[:, 10] = 0
    clean = Specimen(specimen.scan_shape, np.where(usable, specimen.frames, 0).astype(np.uint16))
    specimen.frames[:, :, 10] = 4000
    specimen.frames[:, 0, 0] = 65535
    clean.frames[:, 0, 0] = 0
    pull()
    header = native.header(
        "start", scan_id="scan-1", series=1, frame_shape=[20, 24], pixel_type="uint16", frames_expected=30,
        scan_shape=[5, 6], calibration={"beam_center_px": list(CENTER_PX), "disc_radius_px": RADIUS_PX},
    )  # fmt: skip
    native.send(header, usable.tobytes())
    native.packed(specimen, list(range(30)))
    native.end()
    store = listener.wait_closed()
    assert_measured(store, clean)
    pattern = store.read_pattern()
    assert pattern is not None
    assert np.isnan(pattern[1][:, 10]).all() and np.isnan(pattern[1][0, 0])
    np.testing.assert_array_equal(pattern[1][5, 11:], specimen.frames[pattern[0], 5, 11:])


def test_how_it_is_doing(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, metrics: Metrics
) -> None:
    acquisition = pull()
    assert np.isnan(acquisition.health().latency_p50_s)
    native.scan(specimen)
    listener.wait_closed()
    health = acquisition.health()
    assert 0 < health.latency_p50_s <= health.latency_p95_s
    assert health.rate_fps > 0
    assert health.last_frame_age_s > 0
    assert health.rejected_messages == 0
    assert (metrics.registry.get_sample_value("stream_rrvae_frame_to_map_seconds_count") or 0) >= 1
    assert metrics.registry.get_sample_value("stream_rrvae_queue_bytes") == 0


def test_messages_that_wait_are_bounded_in_bytes_however_many_frames_they_hold(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen
) -> None:
    acquisition = pull(ingest={"queue_bytes": 1 << 26, "settle_frames": 1})
    sockets = acquisition._sockets
    assert sockets is not None
    socket = sockets.endpoints[0].socket
    native.start(specimen)
    native.packed(specimen, [0])
    native.packed(specimen, [1])
    listener.wait_processed(2)
    before = socket.rcvhwm
    native.packed(specimen, list(range(29)) * 8)  # not the last one: a whole scan waits for no more
    mark = (1 << 26) // (29 * 8 * specimen.frames[0].nbytes)
    for sent in (mark, 2 * mark):  # it is lowered within what comes one by one, from the second round on at the latest
        for _ in range(mark):
            native.packed(specimen, [0])
        copies = 29 * 7 + 2 + sent
        listener.wait_for(partial(listener.has_copies, copies))
    assert socket.rcvhwm == mark < before
