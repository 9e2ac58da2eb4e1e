"""A line on a socket beside the decoder that it has to agree with, and messages damaged at random."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import zmq

from stream_rrvae.config import IngestSettings
from stream_rrvae.errors import WireError
from stream_rrvae.ingest import lanes
from stream_rrvae.ingest.events import Accepted
from stream_rrvae.ingest.libzmq import find_calls
from stream_rrvae.ingest.line import QUICK, Line
from stream_rrvae.ingest.scan import OpenScan
from stream_rrvae.messages import Encoding, Frame, ScanStart
from stream_rrvae.wire.pixels import encode_bslz4, encode_lz4
from stream_rrvae.wire.protocol import DetectorProtocol

SERIES, N_POSITIONS, SHAPE = 7, 70_000, (6, 8)
LIMIT_BYTES = 1 << 16
START = ScanStart("a", SERIES, SHAPE, "uint16", N_POSITIONS, channels=("threshold_1", "threshold_2"))
PIXELS = np.arange(48, dtype=np.uint16).reshape(SHAPE)
PAYLOADS = {Encoding.NONE: PIXELS.tobytes(), Encoding.BSLZ4: encode_bslz4(PIXELS), Encoding.LZ4: encode_lz4(PIXELS)}


@dataclass
class Bench:
    """One line on a socket to which a test sends, and the decoder that it has to agree with."""

    line: Line
    sender: zmq.Socket[bytes]
    receiver: zmq.Socket[bytes]
    protocol: DetectorProtocol
    most_odd_parts: int  # that the line reads of a message before it gives it back

    def taken(self, parts: list[bytes]) -> tuple[list[Frame], list[bytes]]:
        """The frames that the line makes of a message, copied, or the parts that it gives back."""
        self.sender.send_multipart(parts)
        stopped, count, _ = self.line.receive(0.0)
        if stopped == lanes.ODD:
            assert count == 0
            odd, more = self.line.odd_message()
            left = bytes(self.receiver.recv()) if more else b""
            assert not more or left == parts[len(odd)]
            while more and self.receiver.getsockopt(zmq.RCVMORE):
                self.receiver.recv()
            return [], [bytes(part) for part in odd]
        batch = self.line.take()
        assert batch is not None and len(batch) == count
        events = batch.take_events(count)
        batch.release()
        return [event.frame for event in events if isinstance(event, Accepted)], []

    def check(self, parts: list[bytes]) -> bool:
        """The line agrees with the decoder or gives everything back; True if it took the message."""
        frames, odd = self.taken(parts)
        if not frames:
            assert odd == parts[: len(odd)] and 1 <= len(odd) <= self.most_odd_parts
            return False
        try:
            decoded = self.protocol.decode([memoryview(part) for part in parts])
        except WireError as error:
            pytest.fail(f"the decoder refuses what the line took: {error}")
        assert frames == list(decoded)
        return True


def make_bench(
    name: str, protocol: DetectorProtocol, encoding: Encoding, channel: str | None, shape: tuple[int, int] = SHAPE
) -> Iterator[Bench]:
    """A bench whose line is open for 16-bit frames of `shape` in this encoding."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as sender, context.socket(zmq.PULL) as receiver:
        sender.linger = receiver.linger = 0
        sender.bind("inproc://line")
        receiver.connect("inproc://line")
        line_settings = IngestSettings(batch_frames=64, frame_bytes_limit=LIMIT_BYTES)
        line = Line(QUICK[name], find_calls(), receiver.underlying, line_settings, channel)
        scan = OpenScan(START, np.zeros(N_POSITIONS, np.uint8))
        line.open(scan, Frame(SERIES, 0, shape, "uint16", encoding, memoryview(b"")))
        yield Bench(line, sender, receiver, protocol, len(QUICK[name].odd_slots))
        line.take()


@pytest.fixture(params=list(PAYLOADS), ids=str)
def encoding(request: pytest.FixtureRequest) -> Encoding:
    return Encoding(request.param)


def damaged(message: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, cut off, put in or repeated, mostly where the header is."""
    data = bytearray(message)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] = rng.randrange(256)
        elif kind == 1 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        else:
            data[at:at] = data[at : at + rng.randrange(1, 40)]
        if not data:
            break
    return bytes(data)
