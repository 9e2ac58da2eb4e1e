"""Where a recorder stands: it is told of everything that is handed over to be measured, and before that.

`ingest` knows it by this protocol alone; the service puts them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np

from stream_rrvae.ingest.events import Accepted, Closed, Opened, Refused
from stream_rrvae.ingest.frame_batch import FrameBatch
from stream_rrvae.ingest.hand_over import Batch, HandOver, Item
from stream_rrvae.messages import ReceivedFrames, ScanStart, ScanState


class FrameRecorder(Protocol):
    """Told in the order in which it was received; only `frames` may take its time, which holds the sender back."""

    def opened(self, start: ScanStart, scan_shape: tuple[int, int]) -> None:
        """A scan begins."""
        ...

    def frames(self, frames: ReceivedFrames) -> None:
        """Frames of the scan, good or not; to be let go once."""
        ...

    def closed(self, state: ScanState) -> None:
        """The scan takes no more frames."""
        ...

    def undecodable(self, start: ScanStart, number: int, received_s: float) -> None:
        """A frame that came at this time (monotonic) turned out to be damaged; from any computing thread."""
        ...


class RecordedHandOver:
    """The giving side of a hand-over of which a recorder is told too."""

    def __init__(self, hand_over: HandOver, recorder: FrameRecorder) -> None:
        self._hand_over = hand_over
        self._recorder = recorder

    def put(self, item: Item) -> None:
        """Give `item` to both, waiting for room. Raises QueueClosedError when it is not measured any more."""
        if isinstance(item, Opened):
            self._recorder.opened(item.start, item.scan_shape)
        elif isinstance(item, Closed):
            self._recorder.closed(item.state)
        elif isinstance(item, FrameBatch):
            self._recorder.frames(_shared(item))
        elif isinstance(item, Batch):
            for frames in _by_encoding(item.items):
                self._recorder.frames(frames)
        self._hand_over.put(item)


def _shared(batch: FrameBatch) -> ReceivedFrames:
    """What of a batch can be recorded, which the batch then is kept for."""
    here = np.flatnonzero(batch.sizes[: len(batch)])
    return ReceivedFrames(
        addresses=batch.addresses[here],
        sizes=batch.sizes[here],
        numbers=batch.numbers[here],
        received_s=batch.received_s[here],
        encoding=batch.frames_are.encoding,
        size_bytes=batch.size_bytes,
        release=batch.hold(),
    )


def _by_encoding(items: Sequence[Accepted | Refused]) -> Iterator[ReceivedFrames]:
    """The same for items one by one, in runs of one encoding."""
    accepted = (item if isinstance(item, Accepted) else item.overflow for item in items)
    present = (item for item in accepted if item is not None)
    for encoding, run in groupby(present, key=lambda item: item.frame.encoding):
        kept = list(run)
        payloads = [item.frame.payload for item in kept]
        yield ReceivedFrames(
            addresses=np.array([np.frombuffer(payload, np.uint8).ctypes.data for payload in payloads], np.uint64),
            sizes=np.array([payload.nbytes for payload in payloads], np.int64),
            numbers=np.array([item.frame.number for item in kept], np.int64),
            received_s=np.array([item.received_s for item in kept]),
            encoding=encoding,
            size_bytes=sum(payload.nbytes for payload in payloads),
            release=payloads.clear,  # they live as long as this can be called
        )
