"""The receiving thread's quick way: compiled loops fill batches with the frames that need no decision.

The first frame of a scan comes the slow way and shows how frames are packed; from then on the lane is
open, until the end is announced. A message that is not exactly of the lane's kind is given back to be
decoded and decided on one by one; what comes of it goes into the same batch, in its place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from stream_rrvae.config import IngestSettings
from stream_rrvae.errors import ConfigError
from stream_rrvae.ingest import lanes
from stream_rrvae.ingest.events import Accepted, Refused
from stream_rrvae.ingest.frame_batch import BatchPool, FrameBatch, FrameKind
from stream_rrvae.ingest.lanes import Lane, Name, Notes, Room
from stream_rrvae.ingest.libzmq import NoLibzmqError, ZmqCalls, find_calls
from stream_rrvae.ingest.receive_dectris import receive_images
from stream_rrvae.ingest.receive_dectris_v1 import SLOTS, receive_described_images
from stream_rrvae.ingest.receive_native import receive_frames
from stream_rrvae.ingest.scan import OpenScan
from stream_rrvae.kernels.frame_pass import despite_full_disk
from stream_rrvae.log import event as tell
from stream_rrvae.messages import Encoding, Frame, ScanStart
from stream_rrvae.wire.dectris_arrays import TYPE_TAGS
from stream_rrvae.wire.dectris_fields import choose_channel
from stream_rrvae.wire.dectris_v1_image import usual_name
from stream_rrvae.wire.limits import ITEM_BYTES, MAX_HEADER_BYTES

Loop = Callable[[ZmqCalls, int, Lane, Notes, Room], int]


def _own_name(encoding: Encoding, _item_bytes: int) -> str:
    return encoding.value


@dataclass(frozen=True, slots=True)
class Quick:
    """How a protocol's usual frames are received."""

    loop: Loop
    odd_slots: tuple[int, ...]  # where the parts of a message that stops the loop lie
    limit_extra_bytes: int  # a message part may be so much larger than a frame
    has_channels: bool
    encoding_name: Callable[[Encoding, int], str] = _own_name  # from the bytes of a pixel


QUICK = {
    "dectris-v2": Quick(receive_images, (0,), MAX_HEADER_BYTES, has_channels=True),
    "native": Quick(receive_frames, (1, 0), 0, has_channels=False),
    "dectris-v1": Quick(receive_described_images, SLOTS, 0, has_channels=False, encoding_name=usual_name),
}


class Line:
    """Fills one batch at a time; used by the receiving thread alone."""

    def __init__(
        self, quick: Quick, calls: ZmqCalls, socket: int, settings: IngestSettings, channel: str | None
    ) -> None:
        self._quick = quick
        self._calls = calls
        self._socket = socket
        self._limit_bytes = settings.frame_bytes_limit + quick.limit_extra_bytes
        self._wanted = channel
        self._pool = BatchPool(calls, settings.batch_frames, settings.queue_bytes // 4)
        self._kind: FrameKind | None = None
        self._lane: tuple[Lane, Notes] | None = None
        self._kept: list[NDArray[Any]] = []  # what the lane and its notes point to
        self._batch: FrameBatch | None = None
        self.messages_taken = 0  # by the latest `receive`

    def listen_to(self, socket: int) -> None:
        """Take frames from this socket from now on."""
        self._socket = socket

    @property
    def is_open(self) -> bool:
        return self._lane is not None

    @property
    def is_full(self) -> bool:
        return self._batch is not None and self._batch.is_full

    def open(self, scan: OpenScan, frame: Frame) -> None:
        """From now on, frames packed like this one of the scan."""
        self._kind = FrameKind(frame.series, frame.shape, frame.pixel_type, frame.encoding)
        channel = choose_channel(scan.start.channels, self._wanted) if self._quick.has_channels else ""
        encoding_name = self._quick.encoding_name(frame.encoding, ITEM_BYTES[frame.pixel_type])
        texts = [_text(text) for text in (frame.pixel_type, encoding_name, channel)]
        sizes = (lanes.FOUND, 2 * lanes.MOST_CHANNELS, lanes.MEMO_BYTES, lanes.FACTS)
        notes: list[NDArray[Any]] = [scan.seen, *(np.zeros(size, np.int64) for size in sizes)]
        self._kept = [*texts, *notes]
        names = (Name(text.ctypes.data, text.size) for text in texts)
        lane = _lane(self._kind, scan, self._limit_bytes, *names)
        self._lane = lane, Notes(*(note.ctypes.data for note in notes))

    def close(self) -> None:
        """No more frames of this scan; what is in the batch stays until it is taken."""
        self._lane = self._kind = None

    def receive(self, now_s: float) -> tuple[int, int, int]:
        """Fill the batch from the socket; gives why it stopped, the frames taken and the positions first seen."""
        if self._lane is None:
            raise ValueError("no lane is open")
        batch = self._filling()
        before, messages_before = len(batch), batch.messages
        stopped = self._quick.loop(self._calls, self._socket, *self._lane, batch.room)
        self.messages_taken = batch.messages - messages_before
        batch.stamp(before, now_s)
        return stopped, len(batch) - before, batch.first_seen

    @property
    def most_in_one(self) -> int:
        """Frames of the message that held most, of those in the batch."""
        return self._batch.most_in_one if self._batch is not None else 0

    def odd_message(self) -> tuple[list[memoryview], bool]:
        """The message that stopped `receive`, and whether more parts of it wait in the socket."""
        batch = self._filling()
        more = batch.has_more_parts
        return [memoryview(part) for part in batch.take_odd(self._quick.odd_slots)], more

    def takes(self, event: Accepted | Refused) -> bool:
        """Whether this can have its place in the batch."""
        if self._kind is None or self.is_full:
            return False
        accepted = event if isinstance(event, Accepted) else event.overflow
        return accepted is None or accepted.frame.encoding is self._kind.encoding

    def add(self, event: Accepted | Refused) -> None:
        self._filling().add(event)

    def take(self) -> FrameBatch | None:
        """The batch, if anything is in it."""
        batch, self._batch = self._batch, None
        if batch is not None and not len(batch):
            batch.release()
            return None
        return batch

    def _filling(self) -> FrameBatch:
        if self._batch is None:
            if self._kind is None:
                raise ValueError("no lane is open")
            self._batch = self._pool.take(self._kind)
        return self._batch


def make_line(protocol: str, socket: int, settings: IngestSettings, channel: str | None) -> Line | None:
    """The quick way for this protocol; None where there is none or it is not wanted. Raises ConfigError."""
    quick = QUICK.get(protocol)
    if settings.receive == "python" or (quick is None and settings.receive == "auto"):
        return None
    if quick is None:
        raise ConfigError(f"setting ingest.receive: there is no compiled receiver for {protocol}; write auto")
    try:
        return Line(quick, find_calls(), socket, settings, channel)
    except NoLibzmqError as error:
        if settings.receive == "compiled":
            raise ConfigError(f"setting ingest.receive: {error}; write auto") from error
        tell("received_one_by_one", logging.WARNING, reason=str(error))
        return None


def warm_up_line(protocol: str, settings: IngestSettings) -> None:
    """Compile what the line needs, or load it, before there is a connection where frames would wait for it."""
    quick = QUICK.get(protocol)
    if quick is not None and settings.receive != "python":
        with suppress(NoLibzmqError):  # `make_line` says so
            despite_full_disk(partial(_warm_up, quick, find_calls()))


def _warm_up(quick: Quick, calls: ZmqCalls) -> None:
    """Fill a batch from a socket where nothing comes."""
    with zmq.Context() as context, context.socket(zmq.PULL) as nothing:
        nothing.linger = 0
        line = Line(quick, calls, nothing.underlying, IngestSettings(batch_frames=1), None)
        start = ScanStart("", 0, (1, 1), "uint8", 1, channels=("",))
        scan = OpenScan(start, np.frombuffer(bytearray(1), np.uint8))
        line.open(scan, Frame(0, 0, (1, 1), "uint8", Encoding.NONE, memoryview(b"")))
        line.receive(0.0)
        line.odd_message()
        line.take()


def _lane(
    kind: FrameKind, scan: OpenScan, limit_bytes: int, type_name: Name, encoding_name: Name, channel: Name
) -> Lane:
    item_bytes = ITEM_BYTES[kind.pixel_type]
    return Lane(
        series=kind.series,
        first_number=scan.first_number,
        n_frames=scan.seen.size,
        rows=kind.shape[0],
        columns=kind.shape[1],
        type_tag=TYPE_TAGS[kind.pixel_type],
        type_name=type_name,
        item_bytes=item_bytes,
        frame_bytes=kind.shape[0] * kind.shape[1] * item_bytes,
        encoding=lanes.ENCODINGS.index(kind.encoding),
        encoding_name=encoding_name,
        channel=channel,
        limit_bytes=limit_bytes,
    )


def _text(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)
