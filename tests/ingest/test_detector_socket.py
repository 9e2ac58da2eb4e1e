"""The connected socket: waiting, waking, and messages nobody should have sent."""

import threading
import time
from collections.abc import Iterator

import pytest
import zmq

from stream_rrvae.ingest.endpoint import MAX_PARTS
from stream_rrvae.ingest.sockets import DetectorSockets
from stream_rrvae.ingest.source import parse_source
from tests.ingest.conftest import PATIENCE_S, NativeDetector

LIMIT_BYTES = 1 << 20


@pytest.fixture
def socket(native: NativeDetector) -> Iterator[DetectorSockets]:
    with DetectorSockets([parse_source(f"native+pull://127.0.0.1:{native.port}")], 1 << 20, LIMIT_BYTES) as made:
        yield made


def wait_for_message(socket: DetectorSockets) -> list[bytes]:
    """The next message; `wait` also returns when something happened to the connection."""
    while True:
        assert socket.wait(PATIENCE_S)
        parts = socket.endpoints[0].receive()
        if parts is not None:
            return [bytes(part) for part in parts]


def test_a_message_ends_the_wait(native: NativeDetector, socket: DetectorSockets) -> None:
    native.send(b"one", b"two")
    assert wait_for_message(socket) == [b"one", b"two"]
    assert socket.endpoints[0].receive() is None


def test_the_time_ends_the_wait(socket: DetectorSockets) -> None:
    assert socket.wait(0.001)
    assert socket.endpoints[0].receive() is None


def test_a_call_from_another_thread_ends_the_wait_for_good(socket: DetectorSockets) -> None:
    waker = threading.Timer(0.05, socket.wake)
    waker.start()
    while socket.wait(None):  # returns for events of the connection too
        pass
    waker.join()
    assert not socket.wait(None)


def test_waking_what_is_closed_does_nothing(native: NativeDetector) -> None:
    socket = DetectorSockets([parse_source(f"native+pull://127.0.0.1:{native.port}")], 1 << 20, LIMIT_BYTES)
    socket.close()
    socket.wake()
    socket.close()


def test_of_too_many_parts_only_the_first_are_kept(native: NativeDetector, socket: DetectorSockets) -> None:
    native.send(*[b"part"] * 5000)
    native.send(b"next")
    assert wait_for_message(socket) == [b"part"] * MAX_PARTS
    assert wait_for_message(socket) == [b"next"]


def test_smaller_messages_than_thought_do_not_stop_a_full_pipe(native: NativeDetector) -> None:
    source, first_mark, count = parse_source(f"native+pull://127.0.0.1:{native.port}"), 128, 50_000

    def send_all() -> None:
        for _ in range(count):
            native.send(bytes(1000))

    sender = threading.Thread(target=send_all, daemon=True)
    with DetectorSockets([source], first_mark << 16, LIMIT_BYTES) as socket:
        sender.start()
        for _ in range(first_mark - 20):  # beyond half of the mark, so that the pipe fills up once more
            wait_for_message(socket)
        time.sleep(0.2)  # let it: a pipe that is not full goes on whatever is done to it
        socket.endpoints[0].expect_messages_of(1000)
        left, in_vain = count - first_mark + 20, 0
        while left:
            left, in_vain = (left, in_vain + 1) if socket.endpoints[0].receive() is None else (left - 1, 0)
            assert in_vain < 5, f"nothing more comes, {left} messages before the end"  # events may end a wait or two
            if in_vain:
                socket.wait(PATIENCE_S / 10)
    sender.join()


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("read_before", [1, 63, 64, 100, 250, 400])
def test_larger_messages_than_thought_do_not_stop_the_pipe(
    native: NativeDetector, read_before: int, parts: int
) -> None:
    """As when a service joins in the middle of a scan: many messages were read, of which libzmq has not told yet."""
    source, first_mark, count = parse_source(f"native+pull://127.0.0.1:{native.port}"), 1000, 5000

    def send(how_many: int) -> None:
        for _ in range(how_many):
            native.send(*[bytes(1000)] * parts)

    sender = threading.Thread(target=send, args=(count - read_before,), daemon=True)
    with DetectorSockets([source], first_mark << 16, LIMIT_BYTES) as socket:
        endpoint = socket.endpoints[0]
        send(read_before)
        for _ in range(read_before):
            wait_for_message(socket)
        endpoint.expect_messages_of((first_mark << 16) // 200)
        sender.start()
        left = count - read_before
        while left:
            if endpoint.receive() is None:
                assert endpoint.socket.poll(int(PATIENCE_S * 1000)), (
                    f"nothing more comes, {left} messages before the end"
                )
            else:
                left -= 1
        assert (endpoint.socket.rcvhwm, endpoint.is_lowering) == (200, False)
    sender.join()


def test_a_part_beyond_reason_does_not_leave_us_deaf(native: NativeDetector, socket: DetectorSockets) -> None:
    native.send(b"before")
    assert wait_for_message(socket) == [b"before"]
    native.send(bytes(8 * LIMIT_BYTES))
    sender = threading.Thread(target=send_when_connected_again, args=(native,), daemon=True)
    sender.start()
    assert wait_for_message(socket) == [b"after"]
    sender.join()


def send_when_connected_again(native: NativeDetector) -> None:
    events = native.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    assert events.poll(int(PATIENCE_S * 1000))
    native.send(b"after")


def test_a_sender_that_starts_again_is_heard_again(native: NativeDetector, socket: DetectorSockets) -> None:
    native.send(b"one")
    assert wait_for_message(socket) == [b"one"]
    native.context.destroy(linger=0)
    native.context = zmq.Context()
    native.socket = native.context.socket(zmq.PUSH)
    native.bind_again()
    native.send(b"two")
    assert wait_for_message(socket) == [b"two"]


def test_connecting_before_the_detector_is_there(native: NativeDetector) -> None:
    port = native.port
    native.socket.unbind(f"tcp://127.0.0.1:{port}")
    with DetectorSockets([parse_source(f"native+pull://127.0.0.1:{port}")], 1 << 20, LIMIT_BYTES) as socket:
        assert socket.endpoints[0].receive() is None
        native.bind_again()
        native.send(b"hello")
        assert wait_for_message(socket) == [b"hello"]
