"""The receiving thread's work: drain the sockets, decode headers, ask the state machine, hand over in batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import monotonic
from typing import Any

from stream_rrvae.config import IngestSettings
from stream_rrvae.errors import WireError
from stream_rrvae.ingest.endpoint import Endpoint, Parts
from stream_rrvae.ingest.endpoint_order import EndpointOrder
from stream_rrvae.ingest.events import Accepted, Event, Opened, Refused, Rejected
from stream_rrvae.ingest.hand_over import Batch, HandOver
from stream_rrvae.ingest.lanes import EMPTY, FAILED, FULL, ODD
from stream_rrvae.ingest.line import Line
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.recording_hook import RecordedHandOver
from stream_rrvae.ingest.scan import ScanMachine
from stream_rrvae.ingest.sockets import DetectorSockets
from stream_rrvae.ingest.turning import Turning
from stream_rrvae.log import event as tell
from stream_rrvae.messages import Frame, Refusal, ScanStart
from stream_rrvae.wire.limits import ITEM_BYTES
from stream_rrvae.wire.protocol import DetectorProtocol

MESSAGES_A_ROUND = 512  # then the wake-up and the deadlines are looked at, however much is waiting
TURN_S = 0.5  # between two rounds at most, also when nothing comes: that it turns is a sign of life
FRAMES_A_ROUND = 4096  # MESSAGES_A_ROUND for the line
# Frames of the line are let gather for this part of the time that they may wait for their batch: waking
# up for every one or two would cost more than the frames.
GATHERING = 0.5


class Receiver:
    """Everything between the sockets and the hand-over; `run` is the whole life of its thread.

    `protocols` are decoders, one for each endpoint.
    """

    def __init__(
        self,
        sockets: DetectorSockets,
        protocols: Sequence[DetectorProtocol],
        machine: ScanMachine,
        hand_over: HandOver | RecordedHandOver,
        settings: IngestSettings,
        meter: Meter,
        line: Line | None = None,
        turning: Turning | None = None,
    ) -> None:
        self._turning = turning or Turning()
        self._sockets = sockets
        self._protocols = protocols
        self._machine = machine
        self._order = EndpointOrder(machine, len(sockets.endpoints))
        self._hand_over = hand_over
        self._settings = settings
        self._meter = meter
        self._items: list[Accepted | Refused] = []
        self._size_bytes = 0
        self._uncharged_bytes = 0  # of the message at hand: kept alive by its first accepted frame
        self._flush_s: float | None = None
        self._line = line
        self._gathered = 0  # frames that the line took in this round
        self._frame_bytes = 0  # of the running scan's frames
        self._most_in_one = 1  # frames a message
        self._waited_for = 0  # of a scan's first frames: without them nothing is measured

    def run(self) -> None:
        """Receive until woken to stop; then close what runs and hand over what is left."""
        while self._sockets.wait(self._patience_s()):
            self._turning.turned()
            # The round's time is taken before draining: when handing over had to wait for long,
            # what was sent meanwhile counts before anything is called stalled.
            now_s = monotonic()
            self._drain()
            self._carry_out(self._order.on_tick(now_s))
            if self._flush_s is not None and now_s >= self._flush_s:
                self._flush()
            if self._gathered and not self._waited_for:
                self._sockets.rest(GATHERING * self._settings.batch_wait_s)
            self._sockets.listen_to(self._order.open)
        self._turning.ended()
        self._carry_out(self._order.close())

    def _patience_s(self) -> float:
        now_s = monotonic()
        deadlines = [s for s in (self._flush_s, self._order.deadline_s) if s is not None]
        return min([*deadlines, now_s + TURN_S]) - now_s

    def _drain(self) -> None:
        self._gathered = 0
        for place in self._order.open:
            self._drain_one(place)

    def _drain_one(self, place: int) -> None:
        enough = self._gathered + FRAMES_A_ROUND
        for _ in range(MESSAGES_A_ROUND):
            parts = self._next_message(self._sockets.endpoints[place], enough)
            if parts is None:
                return
            self._take(place, parts)
            if place not in self._order.open:
                return

    def _next_message(self, endpoint: Endpoint, enough: int) -> Parts | None:
        """A message to be decided on by itself, after what the line took; None when nothing waits or enough came."""
        scan = self._machine.open_scan
        if self._line is None or scan is None or not self._line.is_open or endpoint.is_lowering:
            return endpoint.receive()
        self._line.listen_to(endpoint.handle)
        while self._gathered < enough:
            stopped = self._take_fitting(self._line, endpoint)
            if stopped == EMPTY:
                return None
            if stopped == ODD:
                parts, more = self._line.odd_message()
                endpoint.took(1)
                if more:
                    endpoint.receive_rest(parts)
                return parts
            if stopped == FAILED or endpoint.is_lowering:
                return endpoint.receive()
        return None

    def _take_fitting(self, line: Line, endpoint: Endpoint) -> int:
        """Let the line take what it can; gives why it stopped."""
        now_s = monotonic()
        stopped, count, first_seen = line.receive(now_s)
        endpoint.took(line.messages_taken)
        if count:
            self._flush_items()
            self._gathered += count
            self._meter.frame_arrived(now_s)
            self._machine.on_fitting(first_seen, now_s)
            self._set_flush_time()
            self._expect(line.most_in_one)
        is_waited_for = self._is_waited_for(count)
        if stopped == FULL or (is_waited_for and stopped != ODD):  # an odd message lies in the batch until it is taken
            self._flush()
        return stopped

    def _take(self, place: int, parts: Parts) -> None:
        self._uncharged_bytes = sum(part.nbytes for part in parts)
        try:
            messages = self._protocols[place].decode(parts)
        except WireError as error:
            self._tell("message_refused", error.reason, error.frame_number, error.detail)
            self._carry_out(self._machine.on_refused(error.reason, error.frame_number, monotonic()))
            return
        if not messages and self._line is not None:
            # It announces what the next message completes: the decoder has to see that one.
            self._line.close()
        now_s = monotonic()
        if messages and isinstance(messages[0], Frame):
            self._meter.frame_arrived(now_s)
        self._carry_out(self._order.on_messages(place, messages, now_s))
        self._expect(len(messages))

    def _expect(self, in_one: int) -> None:
        """So many frames may come in one message: fewer messages may wait."""
        if in_one > self._most_in_one and self._frame_bytes:
            self._most_in_one = in_one
            self._expect_messages_of(in_one * self._frame_bytes)

    def _expect_messages_of(self, message_bytes: int) -> None:
        for endpoint in self._sockets.endpoints:
            endpoint.expect_messages_of(message_bytes)

    def _carry_out(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Accepted | Refused):
                self._collect(event)
                if isinstance(event, Refused) and event.detail:
                    self._tell("frame_refused", event.reason, event.number, event.detail)
            elif isinstance(event, Rejected):
                self._meter.rejected(event.reason)
                self._tell("message_rejected", event.reason)
            else:
                self._flush()
                if self._line is not None:
                    self._line.close()
                if isinstance(event, Opened):
                    self._frame_bytes, self._most_in_one = _frame_bytes(event.start), 1
                    self._waited_for = self._settings.settle_frames
                    self._expect_messages_of(self._frame_bytes)
                self._hand_over.put(event)

    def _tell(self, name: str, reason: Refusal, number: int | None = None, detail: str = "") -> None:
        scan = self._machine.open_scan
        told: dict[str, Any] = {"scan_id": scan.start.scan_id} if scan is not None else {}
        tell(name, logging.WARNING, **told, seq=number, reason=str(reason), detail=detail)

    def _collect(self, event: Accepted | Refused) -> None:
        if self._line is not None and self._line.is_full:
            self._flush()
        if self._line is not None and self._line.takes(event):
            self._flush_items()
            self._line.add(event)
        else:
            self._flush_line()
            self._append(event)
        self._set_flush_time()

    def _append(self, event: Accepted | Refused) -> None:
        self._items.append(event)
        if isinstance(event, Accepted) or event.overflow is not None:
            self._size_bytes += self._uncharged_bytes
            self._uncharged_bytes = 0
        if isinstance(event, Accepted):
            self._open_line(event.frame)
        is_full = len(self._items) >= self._settings.batch_frames or self._size_bytes >= self._settings.queue_bytes // 4
        if self._is_waited_for(1) or is_full:
            self._flush()

    def _is_waited_for(self, count: int) -> bool:
        """Whether `count` frames more make whole what the scan's disc is looked for on."""
        before, self._waited_for = self._waited_for, max(0, self._waited_for - count)
        return before > 0 and self._waited_for == 0

    def _open_line(self, frame: Frame) -> None:
        scan = self._machine.open_scan
        if self._line is not None and not self._line.is_open and scan is not None:
            self._line.open(scan, frame)

    def _set_flush_time(self) -> None:
        if self._flush_s is None:
            self._flush_s = monotonic() + self._settings.batch_wait_s

    def _flush(self) -> None:
        """Hand over what was collected; it is one or the other."""
        self._flush_items()
        self._flush_line()
        self._flush_s = None

    def _flush_items(self) -> None:
        items, size_bytes = tuple(self._items), self._size_bytes
        self._items.clear()
        self._size_bytes = 0
        if items:
            self._hand_over.put(Batch(items, size_bytes))

    def _flush_line(self) -> None:
        batch = self._line.take() if self._line is not None else None
        if batch is not None:
            self._hand_over.put(batch)


def _frame_bytes(start: ScanStart) -> int:
    return start.frame_shape[0] * start.frame_shape[1] * ITEM_BYTES[start.pixel_type]
