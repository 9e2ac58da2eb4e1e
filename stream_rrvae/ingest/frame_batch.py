"""Received frames of one scan in the order they came: where their bytes lie, and what keeps these alive.

Once for all frames of a batch: no object a frame. The bytes lie in the messages that libzmq allocated.
Whoever holds the batch may read them by (address, size, number) until `release`.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest import lanes
from stream_rrvae.ingest.events import Accepted, Refused
from stream_rrvae.ingest.lanes import Room
from stream_rrvae.ingest.libzmq import MESSAGE_BYTES, ZmqCalls
from stream_rrvae.ingest.sources import STAMP
from stream_rrvae.kernels.c_calls import tell, tell_word
from stream_rrvae.kernels.compiled import compiled_entry
from stream_rrvae.messages import Encoding, Frame, FrameSkip, Refusal
from stream_rrvae.wire.native_encode import MAX_BATCH

BATCHES_KEPT = 16
REFUSALS = tuple(Refusal)  # a refusal's code is its place here, plus 1; 0 = a frame
CODES = {reason: code for code, reason in enumerate(REFUSALS, 1)}
SKIPS = tuple(FrameSkip)
SKIP_CODES = {reason: code for code, reason in enumerate(SKIPS, len(REFUSALS) + 1)}  # of frames left out
NO_NUMBER = -1
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class FrameKind:
    """What all frames of a batch are."""

    series: int
    shape: tuple[int, int]  # (ky, kx)
    pixel_type: str
    encoding: Encoding


class FrameBatch:
    """Room for `frames` entries and the messages of as many; an entry is a frame or a refusal."""

    def __init__(
        self, calls: ZmqCalls, frames: int, limit_bytes: int, released: Callable[[FrameBatch], object] = id
    ) -> None:
        self._calls = calls
        self._released = released
        entries = frames + MAX_BATCH  # the last message may hold so many
        self.addresses = np.zeros(entries, np.uint64)  # of the payloads
        self.sizes = np.zeros(entries, np.int64)  # bytes of the payloads
        self.numbers = np.zeros(entries, np.int64)  # positions in the scan; NO_NUMBER where not known
        self.refusals = np.zeros(entries, np.uint8)  # code of the reason, 0 = a frame
        self.received_s = np.zeros(entries)
        self._counts = np.zeros(lanes.N_COUNTS, np.int64)
        self._messages = _aligned((frames + lanes.SLOTS_BESIDE) * MESSAGE_BYTES)
        self.room = Room(
            self._messages, self.addresses, self.sizes, self.numbers, self._counts, frames, limit_bytes, frames
        )
        self._kept: list[memoryview] = []  # payloads that came another way
        self.kind: FrameKind | None = None
        self._holders = 1
        self._holders_lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._counts[lanes.FRAMES])

    @property
    def messages(self) -> int:
        """How many messages' content it holds, not counting what was added by itself."""
        return int(self._counts[lanes.MESSAGES])

    @property
    def is_full(self) -> bool:
        """Whether it should be handed on."""
        counts, room = self._counts, self.room
        return bool(
            counts[lanes.FRAMES] >= room.frames_wanted
            or counts[lanes.CHARGED_BYTES] >= room.bytes_wanted
            or counts[lanes.MESSAGES] >= room.slots
        )

    @property
    def size_bytes(self) -> int:
        """What it takes of the memory, messages and notes."""
        return int(self._counts[lanes.CHARGED_BYTES]) + self._messages.nbytes + 6 * self.addresses.nbytes

    @property
    def frames_are(self) -> FrameKind:
        """What its frames have in common. Raises ValueError when it was released."""
        if self.kind is None:
            raise ValueError("the batch was released")
        return self.kind

    def stamp(self, begin: int, received_s: float) -> None:
        """Entries from `begin` on are frames that came at `received_s`."""
        self.refusals[begin : len(self)] = 0
        self.received_s[begin : len(self)] = received_s

    def add(self, event: Accepted | Refused) -> None:
        """Append what the state machine decided on one by one; the frame is of the batch's kind."""
        place = len(self)
        accepted = event if isinstance(event, Accepted) else event.overflow
        if accepted is not None:
            self._put(place, accepted)
        else:
            self.addresses[place] = self.sizes[place] = 0
        if isinstance(event, Refused):
            self.numbers[place] = NO_NUMBER if event.number is None else event.number
            self.refusals[place] = CODES[event.reason]
        self._counts[lanes.FRAMES] += 1

    def _put(self, place: int, accepted: Accepted) -> None:
        payload = accepted.frame.payload
        self.addresses[place] = np.frombuffer(payload, np.uint8).ctypes.data
        self.sizes[place], self.numbers[place], self.refusals[place] = payload.nbytes, accepted.frame.number, 0
        self.received_s[place] = accepted.received_s
        self._kept.append(payload)
        self._counts[lanes.CHARGED_BYTES] += payload.nbytes

    def frame(self, index: int) -> Frame:
        """Entry `index` as a frame whose payload is valid as long as the batch."""
        kind = self.frames_are
        content = (ctypes.c_ubyte * int(self.sizes[index])).from_address(int(self.addresses[index]))
        payload = memoryview(content).cast("B").toreadonly()
        return Frame(kind.series, int(self.numbers[index]), kind.shape, kind.pixel_type, kind.encoding, payload)

    def take_events(self, most: int) -> list[Accepted | Refused]:
        """The first `most` entries by themselves, their payloads copied; they are no part of the batch any more."""
        events = [self._event(index) for index in range(min(most, len(self)))]
        left = len(self) - len(events)
        for entries in (self.addresses, self.sizes, self.numbers, self.refusals, self.received_s):
            entries[:left] = entries[len(events) : len(events) + left].copy()
        self._counts[lanes.FRAMES] = left
        return events

    def hold(self) -> Callable[[], None]:
        """Keep the messages for one more besides, until what this gives is called, once.

        Their addresses are to be copied: whoever measures the batch takes entries out of it.
        """
        with self._holders_lock:
            self._holders += 1
        return self._let_go

    def release(self) -> None:
        """Let the messages go, unless somebody else holds them. Does nothing the second time."""
        if self.kind is not None:
            self.kind = None
            self._let_go()

    def _let_go(self) -> None:
        """One holder less; after the last the batch is empty again."""
        with self._holders_lock:
            self._holders -= 1
            if self._holders:
                return
            self._holders = 1
        close_messages(self._calls.msg_close, self._messages, int(self._counts[lanes.MESSAGES]))
        self._counts[:] = 0
        self._kept.clear()
        self._released(self)

    def take_odd(self, slots: tuple[int, ...]) -> list[bytes]:
        """Copies of the parts of the message that stopped the loop, which lie in `slots` behind the others."""
        behind = int(self._counts[lanes.MESSAGES])
        parts = [self._take(behind + slot) for slot in slots[: int(self._counts[lanes.ODD_PARTS])]]
        self._counts[lanes.ODD_PARTS] = 0
        return parts

    @property
    def has_more_parts(self) -> bool:
        """Whether parts of the odd message are still in the socket."""
        return bool(self._counts[lanes.MORE_PARTS])

    @property
    def first_seen(self) -> int:
        """Positions that had not been seen before, in the last call of the loop."""
        return int(self._counts[lanes.FIRST_SEEN])

    @property
    def most_in_one(self) -> int:
        """Frames of the message that held most of them; 0 where each holds one."""
        return int(self._counts[lanes.MOST_IN_ONE])

    def _event(self, index: int) -> Accepted | Refused:
        if self.refusals[index]:
            number = int(self.numbers[index])
            return Refused(REFUSALS[self.refusals[index] - 1], None if number == NO_NUMBER else number)
        frame = self.frame(index)
        copy = Frame(
            frame.series, frame.number, frame.shape, frame.pixel_type, frame.encoding, memoryview(bytes(frame.payload))
        )
        return Accepted(copy, float(self.received_s[index]))

    def _take(self, slot: int) -> bytes:
        message = self._messages[slot * MESSAGE_BYTES :]
        address, size = message_content(self._calls, message)
        content = ctypes.string_at(address, size)
        close_messages(self._calls.msg_close, message, 1)
        return content


class BatchPool:
    """Batches that are used again and again; those in use are bounded by the hand-over, in bytes."""

    def __init__(self, calls: ZmqCalls, frames: int, limit_bytes: int) -> None:
        self._made_with = calls, frames, limit_bytes
        self._spare: deque[FrameBatch] = deque(maxlen=BATCHES_KEPT)

    def take(self, kind: FrameKind) -> FrameBatch:
        """An empty batch for frames of this kind."""
        try:
            batch = self._spare.pop()  # the latest, which caches still hold
        except IndexError:
            batch = FrameBatch(*self._made_with, self._spare.append)
        batch.kind = kind
        return batch


def _entries(stamp: int) -> tuple[Callable[..., None], Callable[..., tuple[int, int]]]:
    @compiled_entry
    def close_messages(msg_close: int, messages: NDArray[np.uint8], count: int) -> None:
        """Let go of the first `count` of `messages`."""
        _ = stamp
        first = messages.ctypes.data
        for i in range(count):
            tell(msg_close, first + i * MESSAGE_BYTES)

    @compiled_entry
    def message_content(calls: ZmqCalls, message: NDArray[np.uint8]) -> tuple[int, int]:
        """Address and size of a message's bytes."""
        _ = stamp
        first = message.ctypes.data
        return tell_word(calls.msg_data, first), tell_word(calls.msg_size, first)

    return close_messages, message_content


close_messages, message_content = _entries(STAMP)


def _aligned(size: int) -> NDArray[np.uint8]:
    """Zeros at an address that a zmq_msg_t may have."""
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    return memory[begin : begin + size]
