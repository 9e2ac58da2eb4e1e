"""What the scan state machine says happened; frozen values, in the order they happened."""

from __future__ import annotations

from dataclasses import dataclass

from stream_rrvae.messages import Frame, Refusal, ScanStart, ScanState


@dataclass(frozen=True, slots=True)
class Opened:
    """A scan began; everything until its `Closed` belongs to it."""

    start: ScanStart
    scan_shape: tuple[int, int]  # (y, x), settled


@dataclass(frozen=True, slots=True)
class Accepted:
    """A frame of the running scan that fits it; its payload is not decoded yet.

    Second copies are accepted too: only whoever decodes knows whether the first was any good.
    """

    frame: Frame
    received_s: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame message that arrived within the scan and cannot be used; `number` if known, maybe outside."""

    reason: Refusal
    number: int | None = None
    overflow: Accepted | None = None  # the frame itself, when nothing but its number is wrong; for who records it
    detail: str = ""  # for the log; of the frames that do not fit a scan, with the first for each reason


@dataclass(frozen=True, slots=True)
class Ended:
    """The sender announced the end: every position is due from now on."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The scan is over; nothing of it follows."""

    state: ScanState  # COMPLETE or ABORTED


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that belongs to no running scan."""

    reason: Refusal


Event = Opened | Accepted | Refused | Ended | Closed | Rejected
