"""Stopping at any moment, and errors that must not die silently."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from stream_rrvae.config import Settings
from stream_rrvae.errors import ConfigError
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.messages import ScanState
from stream_rrvae.metrics import Metrics, new_metrics
from stream_rrvae.scan_store import ScanStore
from tests.ingest.conftest import CENTER_PX, PATIENCE_S, Listener, NativeDetector, Receive, Specimen, make_specimen

Acquire = Callable[..., Acquisition]
# A centre that the site knows and a mask: the store is there before the first frame.
AT_ONCE = {"calibration": {"beam_center_px": CENTER_PX}}
LARGE = {"ingest": {"queue_bytes": 1 << 20, "batch_frames": 8}, **AT_ONCE}


class HeldListener(Listener):
    """Stays in `opened` until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def opened(self, store: ScanStore) -> None:
        super().opened(store)
        assert self.go.wait(PATIENCE_S)


@pytest.fixture
def acquire(native: NativeDetector, listener: Listener, tmp_path: Path) -> Iterator[Acquire]:
    """Makes acquisitions from `native`, which the tests start and stop; none outlives its test, whatever happens."""
    made: list[Acquisition] = []

    def make(
        told: Listener = listener, metrics: Metrics | None = None, folder: Path = tmp_path, **settings: Any
    ) -> Acquisition:
        asked = Settings(source=f"native+pull://127.0.0.1:{native.port}", **settings)
        made.append(Acquisition(asked, metrics or new_metrics(), told, folder))
        return made[-1]

    yield make
    for acquisition in made:
        acquisition.stop(PATIENCE_S)


def fill(detector: NativeDetector, specimen: Specimen) -> int:
    """Send until nothing goes through any more; gives how many frames went."""
    payload = specimen.frames[0].tobytes()
    for number in range(specimen.n):
        fields = {"series": 1, "numbers": [number], "sizes": [len(payload)], "encoding": "none", "seq": number}
        header = detector.header("frames", shape=list(specimen.frame_shape), dtype="uint16", **fields)
        try:
            detector.socket.sndtimeo = 1000
            detector.send(header, payload)
        except zmq.Again:
            return number
    return specimen.n


def test_stop_while_nothing_happens(acquire: Acquire) -> None:
    acquisition = acquire()
    acquisition.start()
    assert not acquisition.join(0.01)
    assert acquisition.stop(PATIENCE_S)
    assert acquisition.join(PATIENCE_S)
    assert acquisition.stop(PATIENCE_S)


def test_stop_before_start(acquire: Acquire) -> None:
    assert acquire().stop()


def test_stop_closes_the_running_scan_and_keeps_what_came(
    native: NativeDetector,
    listener: Listener,
    acquire: Acquire,
    specimen: Specimen,
    assert_measured: Callable[..., None],
) -> None:
    acquisition = acquire()
    acquisition.start()
    native.start(specimen)
    native.packed(specimen, [0, 1, 2, 3])
    listener.wait_processed(4)
    assert acquisition.stop(PATIENCE_S)
    store = listener.wait_closed()
    assert store.read_account().state is ScanState.ABORTED
    assert_measured(store, specimen, [0, 1, 2, 3])


def test_a_slow_consumer_holds_the_sender_back_and_loses_nothing(native: NativeDetector, acquire: Acquire) -> None:
    small, listener = make_specimen((20, 50)), HeldListener()
    large = Specimen((20, 50), small.frames.repeat(8, axis=1).repeat(8, axis=2))
    native.socket.sndhwm = 16
    acquisition = acquire(listener, **LARGE)
    acquisition.start()
    native.start_masked(large)
    listener.wait_for(lambda: bool(listener.stores))
    sent = fill(native, large)
    assert 0 < sent < large.n, "nothing held the sender back"
    listener.go.set()
    native.socket.sndtimeo = int(PATIENCE_S * 1000)
    for number in range(sent, large.n):
        native.frame(large, number)
    native.end()
    counters = listener.wait_closed().read_account().counters
    assert (counters.processed, counters.missing) == (large.n, 0)
    assert acquisition.stop(PATIENCE_S)
    listener.stores[0].close()


def test_stop_while_the_receiver_is_held_back(native: NativeDetector, acquire: Acquire) -> None:
    small, listener = make_specimen((20, 50)), HeldListener()
    large = Specimen((20, 50), small.frames.repeat(8, axis=1).repeat(8, axis=2))
    acquisition = acquire(listener, **LARGE)
    acquisition.start()
    native.start_masked(large)
    listener.wait_for(lambda: bool(listener.stores))
    assert fill(native, large) > 0
    assert not acquisition.stop(0.05)
    listener.go.set()
    assert acquisition.stop(PATIENCE_S)
    account = listener.wait_closed().read_account()
    assert account.state is ScanState.ABORTED
    assert account.counters.processed > 0
    listener.stores[0].close()


class FailingListener(Listener):
    def opened(self, store: ScanStore) -> None:
        super().opened(store)
        raise ValueError("the listener has a fault")


def test_an_error_in_a_thread_ends_everything_and_is_shown(
    native: NativeDetector, acquire: Acquire, specimen: Specimen
) -> None:
    listener = FailingListener()
    acquisition = acquire(listener, **AT_ONCE)
    acquisition.start()
    native.start_masked(specimen)
    with pytest.raises(ValueError, match="the listener has a fault"):
        acquisition.join(PATIENCE_S)
    assert isinstance(acquisition.error, ValueError)
    assert acquisition.stop(PATIENCE_S)
    assert listener.stores[0].read_account().state is ScanState.ABORTED
    listener.stores[0].close()


def test_a_scan_without_room_is_not_measured_and_the_next_one_is(
    native: NativeDetector, acquire: Acquire, tmp_path: Path, specimen: Specimen, assert_measured: Callable[..., None]
) -> None:
    listener, metrics = Listener(), new_metrics()
    folder = tmp_path / "not there yet"
    acquisition = acquire(listener, metrics, folder, **AT_ONCE)
    acquisition.start()
    native.start_masked(specimen)
    native.packed(specimen, list(range(specimen.n)))
    native.end()
    while metrics.registry.get_sample_value("stream_rrvae_scans_total", {"outcome": "aborted"}) != 1:
        assert not acquisition.join(0.01)
    folder.mkdir()
    native.scan(specimen, series=2)
    store = listener.wait_closed()
    assert store.start.series == 2
    assert_measured(store, specimen)
    assert acquisition.stop(PATIENCE_S)
    assert acquisition.health().rejected_messages == 30
    store.close()


def test_a_source_that_cannot_be(listener: Listener, metrics: Metrics, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dectris-v2"):
        Acquisition(Settings(source="tcp://host:9999"), metrics, listener, tmp_path)


def test_an_endpoint_that_cannot_be_connected_to(listener: Listener, metrics: Metrics, tmp_path: Path) -> None:
    acquisition = Acquisition(Settings(source="native+pull://host!name:5555"), metrics, listener, tmp_path)
    with pytest.raises(ConfigError, match="cannot connect"):
        acquisition.start()


def test_no_thread_is_left_behind(
    native: NativeDetector, receive: Receive, specimen: Specimen, listener: Listener
) -> None:
    before = {thread.name for thread in threading.enumerate()}
    acquisition = receive(f"native+pull://127.0.0.1:{native.port}")
    native.scan(specimen)
    listener.wait_closed()
    acquisition.stop(PATIENCE_S)
    assert {thread.name for thread in threading.enumerate()} == before
