"""One detector's frames dealt over several real sockets come to one scan, by every way that frames can go."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
import zmq

from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.messages import Counters, ScanState
from tests.ingest.conftest import Listener, NativeDetector, Receive, Specimen, make_specimen

Measured = Callable[..., None]
SHAPE = (20, 24)
ALL = Counters(480, 480, 0, 480, 0, 0, 0, {})


@pytest.fixture
def detectors() -> Iterator[tuple[NativeDetector, NativeDetector]]:
    made = NativeDetector(zmq.PUSH), NativeDetector(zmq.PUSH)
    yield made
    for detector in made:
        detector.close()


@pytest.fixture
def pull_all(detectors: Sequence[NativeDetector], receive: Receive) -> Callable[..., Acquisition]:
    urls = ",".join(f"native+pull://127.0.0.1:{detector.port}" for detector in detectors)
    return lambda **settings: receive(urls, **settings)


@pytest.fixture
def large() -> Specimen:
    return make_specimen(SHAPE)


def send_share(detector: NativeDetector, specimen: Specimen, first: int, series: int = 1) -> None:
    """Start, every second frame from `first` on, end."""
    detector.start(specimen, series)
    for number in range(first, specimen.n, 2):
        detector.frame(specimen, number, series)
    detector.end(series)


def test_frames_dealt_in_turn_land_by_number(
    detectors: Sequence[NativeDetector],
    pull_all: Callable[..., Acquisition],
    listener: Listener,
    large: Specimen,
    assert_measured: Measured,
) -> None:
    pull_all()
    for first, detector in enumerate(detectors):
        send_share(detector, large, first)
    store = listener.wait_closed()
    account = store.read_account()
    assert account.state is ScanState.COMPLETE
    assert (account.counters.processed, account.counters.missing, account.counters.duplicate) == (480, 0, 0)
    assert_measured(store, large)


def test_scans_back_to_back_are_kept_apart_however_far_one_endpoint_is_ahead(
    detectors: Sequence[NativeDetector],
    pull_all: Callable[..., Acquisition],
    listener: Listener,
    large: Specimen,
    assert_measured: Measured,
) -> None:
    acquisition = pull_all()
    ahead, behind = detectors

    def send_all_but_the_last() -> None:
        for series in (1, 2, 3):
            send_share(ahead, large, 0, series)

    sender = threading.Thread(target=send_all_but_the_last, daemon=True)
    sender.start()
    behind.start(large)
    listener.wait_processed(240)
    for number in range(1, large.n, 2):
        behind.frame(large, number)
    behind.end()
    for series in (2, 3):
        send_share(behind, large, 1, series)
    sender.join()
    for count in (1, 2, 3):
        store = listener.wait_closed(count)
        counters = store.read_account().counters
        assert (counters.expected, counters.processed, counters.missing) == (480, 480, 0)
        assert_measured(store, large)
    assert acquisition.health().rejected_messages == 0


def test_start_and_end_may_come_on_one_endpoint_alone(
    detectors: Sequence[NativeDetector],
    pull_all: Callable[..., Acquisition],
    listener: Listener,
    large: Specimen,
    assert_measured: Measured,
) -> None:
    pull_all()
    announcing, other = detectors
    for number in range(1, large.n, 2):
        other.frame(large, number)
    send_share(announcing, large, 0)
    store = listener.wait_closed()
    assert store.read_account().counters.missing == 0
    assert_measured(store, large)


def test_an_endpoint_that_dies_leaves_the_frames_of_the_others(
    detectors: Sequence[NativeDetector],
    pull_all: Callable[..., Acquisition],
    listener: Listener,
    large: Specimen,
    assert_measured: Measured,
) -> None:
    pull_all(ingest={"stall_timeout_s": 0.3})
    living, dying = detectors
    dying.start(large)
    for number in range(1, 101, 2):
        dying.frame(large, number)
    living.start(large)
    listener.wait_processed(50)
    dying.close()
    for number in range(0, large.n, 2):
        living.frame(large, number)
    living.end()
    store = listener.wait_closed()
    account = store.read_account()
    assert account.state is ScanState.COMPLETE
    assert (account.counters.expected, account.counters.received, account.counters.missing) == (480, 290, 190)
    assert_measured(store, large, [*range(0, 480, 2), *range(1, 101, 2)])
