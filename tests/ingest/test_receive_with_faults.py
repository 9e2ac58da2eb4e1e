"""What goes wrong with one message costs that message, is counted by reason, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.messages import Counters, ScanState
from stream_rrvae.metrics import Metrics
from tests.ingest.conftest import Listener, NativeDetector, Specimen, make_specimen

Pull = Callable[..., Acquisition]
Measured = Callable[..., None]
Fault = Callable[[NativeDetector, Specimen], None]
GOOD = Counters(30, 30, 0, 30, 0, 0, 0, {})
BAD_BLOCKS = (960).to_bytes(8, "big") + (8192).to_bytes(4, "big") + (40).to_bytes(4, "big") + b"\xff" * 40


def drop(native: NativeDetector, specimen: Specimen) -> None:
    """Frame 9 is lost."""


def double(native: NativeDetector, specimen: Specimen) -> None:
    native.frame(specimen, 9)
    native.frame(specimen, 9)


def late(native: NativeDetector, specimen: Specimen) -> None:
    native.frame(specimen, 10)
    native.frame(specimen, 9)


def truncated(native: NativeDetector, specimen: Specimen) -> None:
    native.frame(specimen, 9, encoding="none", sizes=[950])


def cut_short(native: NativeDetector, specimen: Specimen) -> None:
    """Bytes are missing behind a header that says they are not."""
    fields = {"series": 1, "numbers": [9], "sizes": [400], "shape": [20, 24], "dtype": "uint16", "encoding": "none"}
    native.send(native.header("frames", **fields, seq=9), bytes(400))


def undecodable(native: NativeDetector, specimen: Specimen) -> None:
    fields = {"series": 1, "numbers": [9], "shape": [20, 24], "dtype": "uint16", "encoding": "bslz4", "seq": 9}
    native.send(native.header("frames", sizes=[len(BAD_BLOCKS)], **fields), BAD_BLOCKS)


def undecodable_then_good(native: NativeDetector, specimen: Specimen) -> None:
    undecodable(native, specimen)
    native.frame(specimen, 9)


def garbage(native: NativeDetector, specimen: Specimen) -> None:
    native.send(b"\xc1\xff not msgpack")


def many_parts(native: NativeDetector, specimen: Specimen) -> None:
    native.send(*[b"x"] * 1000)


def wrong_type(native: NativeDetector, specimen: Specimen) -> None:
    native.frame(Specimen(specimen.scan_shape, specimen.frames.astype("uint8")), 9)


def wrong_shape(native: NativeDetector, specimen: Specimen) -> None:
    native.frame(Specimen(specimen.scan_shape, specimen.frames[:, :10]), 9)


def beyond(native: NativeDetector, specimen: Specimen) -> None:
    native.frame(specimen, 9)
    native.frame(specimen, 30)


def refused(reason: str, **counts: Any) -> Counters:
    return replace(GOOD, processed=29, refused=1, refusals={reason: 1}, **counts)


LOST_9 = [n for n in range(30) if n != 9]
FAULTS: list[tuple[Fault, Counters, list[int] | None]] = [
    (drop, replace(GOOD, received=29, processed=29, missing=1), LOST_9),
    (double, replace(GOOD, expected=31, received=31, duplicate=1), None),
    (late, replace(GOOD, expected=31, received=31, duplicate=1, reordered=1), None),
    (truncated, refused("size"), LOST_9),
    (cut_short, refused("size"), LOST_9),
    (undecodable, refused("decode"), LOST_9),
    (undecodable_then_good, Counters(31, 31, 0, 30, 1, 0, 0, {"decode": 1}), None),
    (garbage, refused("header"), LOST_9),
    (many_parts, refused("parts"), LOST_9),
    (wrong_type, refused("pixel_type"), LOST_9),
    (wrong_shape, refused("shape"), LOST_9),
    (beyond, Counters(31, 31, 0, 30, 1, 0, 0, {"number": 1}), None),
]


@pytest.mark.parametrize(("fault", "counters", "numbers"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_one_fault_costs_one_message(
    native: NativeDetector,
    pull: Pull,
    listener: Listener,
    specimen: Specimen,
    assert_measured: Measured,
    metrics: Metrics,
    fault: Fault,
    counters: Counters,
    numbers: list[int] | None,
) -> None:
    pull(ingest={"end_grace_s": 0.05})
    native.start(specimen)
    for number in range(30):
        if number == 9:
            fault(native, specimen)
        else:
            native.frame(specimen, number)
    native.end()
    store = listener.wait_closed()
    assert store.read_account().state is ScanState.COMPLETE
    assert store.read_account().counters == counters
    assert_measured(store, specimen, numbers)
    for reason, count in counters.refusals.items():
        assert metrics.registry.get_sample_value("stream_rrvae_frames_refused_total", {"reason": reason}) == count
    assert metrics.registry.get_sample_value("stream_rrvae_frames_missing_total") == counters.missing
    assert metrics.registry.get_sample_value("stream_rrvae_frames_received_total") == counters.received


def test_a_frame_that_does_not_fit_is_told_with_what_was_announced(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, caplog: pytest.LogCaptureFixture
) -> None:
    pull(ingest={"end_grace_s": 0.05})
    native.start(specimen)
    native.frame(specimen, 0)
    wrong_type(native, specimen)
    native.end()
    listener.wait_closed()
    told = [vars(record)["fields"] for record in caplog.records if record.msg == "frame_refused"]
    assert [(fields["seq"], fields["reason"]) for fields in told] == [(9, "pixel_type")]
    assert told[0]["detail"] == "its pixels are uint8, uint16 was announced"


def test_a_message_over_the_limit_does_not_cost_the_connection(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    pull(ingest={"frame_bytes_limit": 100_000})
    native.start(specimen)
    for number in range(30):
        native.frame(specimen, number)
        fields = {"series": 1, "numbers": [0], "shape": [20, 24], "dtype": "uint16", "encoding": "none", "seq": 0}
        native.send(native.header("frames", sizes=[150_000], **fields), bytes(150_000))
    native.end()
    store = listener.wait_closed()
    assert_measured(store, specimen)
    assert store.read_account().counters == Counters(60, 60, 0, 30, 30, 0, 0, {"size": 30})


def test_half_of_all_messages_are_garbage(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    pull()
    native.start(specimen)
    for number in range(30):
        native.send(bytes([0x93, number]) * 20)
        native.frame(specimen, number)
    native.end()
    store = listener.wait_closed()
    assert_measured(store, specimen)
    assert store.read_account().counters.refused == 30


def test_what_comes_outside_any_scan_is_counted_apart(
    native: NativeDetector,
    pull: Pull,
    listener: Listener,
    specimen: Specimen,
    assert_measured: Measured,
    metrics: Metrics,
) -> None:
    acquisition = pull()
    native.frame(specimen, 3)
    native.end()
    native.send(b"\xc1")
    native.start(specimen, series=2)
    native.frame(specimen, 0, series=1)
    native.packed(specimen, list(range(30)), series=2)
    native.end(series=2)
    store = listener.wait_closed()
    assert_measured(store, specimen)
    assert store.read_account().counters == GOOD
    assert acquisition.health().rejected_messages == 4
    for reason, count in {"no_scan": 2, "header": 1, "stale": 1}.items():
        assert metrics.registry.get_sample_value("stream_rrvae_messages_rejected_total", {"reason": reason}) == count


def test_a_new_start_aborts_the_scan_and_the_new_one_is_whole(
    native: NativeDetector,
    pull: Pull,
    listener: Listener,
    specimen: Specimen,
    assert_measured: Measured,
    metrics: Metrics,
) -> None:
    other = make_specimen((4, 4), seed=2)
    pull()
    native.start(specimen, series=1)
    native.packed(specimen, list(range(12)), series=1)
    native.start(other, series=2)
    native.frame(specimen, 12, series=1)
    native.packed(other, list(range(16)), series=2)
    native.end(series=1)
    native.end(series=2)
    aborted, whole = listener.wait_closed(1), listener.wait_closed(2)
    assert aborted.read_account().state is ScanState.ABORTED
    assert aborted.read_account().counters == Counters(30, 12, 18, 12, 0, 0, 0, {})
    assert_measured(aborted, specimen, list(range(12)))
    assert whole.read_account().state is ScanState.COMPLETE
    assert_measured(whole, other)
    assert metrics.registry.get_sample_value("stream_rrvae_scans_total", {"outcome": "aborted"}) == 1


def test_frames_that_stop_coming_end_the_scan_as_aborted(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    pull(ingest={"stall_timeout_s": 0.3})
    native.start(specimen)
    native.packed(specimen, [0, 1, 2])
    store = listener.wait_closed()
    assert store.read_account().state is ScanState.ABORTED
    assert_measured(store, specimen, [0, 1, 2])
    native.scan(specimen, series=2)
    assert_measured(listener.wait_closed(2), specimen)


def test_a_scan_without_an_end_is_complete_when_it_has_everything(
    native: NativeDetector, pull: Pull, listener: Listener, specimen: Specimen, assert_measured: Measured
) -> None:
    pull(ingest={"end_grace_s": 0.05, "stall_timeout_s": 1000.0})
    native.start(specimen)
    native.packed(specimen, list(range(30)))
    store = listener.wait_closed()
    assert store.read_account().state is ScanState.COMPLETE
    assert_measured(store, specimen)
