"""Faults put into the stream on purpose, seeded: what real detectors and networks do now and then.

A frame suffers at most one fault. Rates are probabilities a frame, those of `SCAN_FAULTS` a scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from detector_sim.altered_frames import ALTERATIONS
from detector_sim.encoding import EncodedFrame
from detector_sim.message_format import MessageFormat, Parts
from detector_sim.truth import InjectedFault
from stream_rrvae.errors import ConfigError

LATEST_REORDER = 8  # frames by which a late one is late, at most
FURTHEST_JUMP_S = 86_400.0  # of the detector's clock
FRAME_FAULTS = ("drop", "duplicate", "reorder", *ALTERATIONS, "clock_jump")
SCAN_FAULTS = ("abort", "stall", "restart", "second_consumer")
FAULTS = (*FRAME_FAULTS, *SCAN_FAULTS)


def check_rates(rates: Mapping[str, float], pixel_type: str, protocol: str = "dectris-v2") -> None:
    """Raises ConfigError for unknown faults, impossible rates, NaN in whole numbers, and jumps of no clock."""
    for name, rate in rates.items():
        if name not in FAULTS:
            raise ConfigError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
        if not 0 <= rate <= 1:
            raise ConfigError(f"the rate of {name} must be within 0 and 1, not {rate:g}")
    if sum(rate for name, rate in rates.items() if name not in SCAN_FAULTS) > 1:
        raise ConfigError("the rates of all faults of frames together cannot exceed 1")
    if rates.get("nan") and pixel_type != "float32":
        raise ConfigError("the fault nan needs a float32 detector")
    if rates.get("clock_jump") and protocol == "native":
        raise ConfigError("the fault clock_jump needs a protocol that tells times: dectris-v1 or dectris-v2")


@dataclass(frozen=True, slots=True)
class ScanFaults:
    """The frame after which each happens to a scan; None = it does not."""

    abort: int | None = None  # nothing more is sent, and no end
    stall: int | None = None  # nothing is sent for a while
    restart: int | None = None  # the detector is gone with all that it had queued, then comes back with the next scan
    second_consumer: int | None = None  # somebody else takes his share of the rest

    @property
    def last(self) -> int | None:
        """The last frame that is sent."""
        return min((after for after in (self.abort, self.restart) if after is not None), default=None)


NO_FAULTS = ScanFaults()


class FaultInjector:
    """Turns frames into messages, some of them faulty; `injected` is the list of all faults so far."""

    def __init__(self, rates: Mapping[str, float], form: MessageFormat, seed: int) -> None:
        self._form = form
        self._rng = np.random.default_rng([seed, 2])
        self._names = [name for name in rates if name not in SCAN_FAULTS]
        self._until = np.cumsum([rates[name] for name in self._names])
        self._of_scans = {name: rates[name] for name in SCAN_FAULTS if name in rates}
        self.injected: list[InjectedFault] = []

    def of_scan(self, series: int, count: int) -> ScanFaults:
        """What happens to this scan of `count` frames, and after which of them."""
        found = {}
        for name, rate in self._of_scans.items():
            if self._rng.random() < rate:
                found[name] = int(self._rng.integers(0, count))
                self.injected.append(InjectedFault(series, found[name], name))
        return ScanFaults(**found)

    def messages(self, series: int, frames: Iterable[EncodedFrame]) -> Iterator[Parts]:
        """The scan's messages; late ones come at most `LATEST_REORDER` frames late."""
        late: list[tuple[int, Parts]] = []
        for frame in frames:
            name = self._drawn()
            if name:
                self.injected.append(InjectedFault(series, frame.number, name))
            if name == "reorder":
                due = frame.number + int(self._rng.integers(1, LATEST_REORDER + 1))
                late.append((due, self._form.frames([frame])))
            else:
                yield from self._sent(frame, name)
            yield from (parts for due, parts in late if due <= frame.number)
            late = [item for item in late if item[0] > frame.number]
        yield from (parts for _, parts in late)

    def _drawn(self) -> str | None:
        index = int(np.searchsorted(self._until, self._rng.random(), side="right"))
        return self._names[index] if index < len(self._names) else None

    def _sent(self, frame: EncodedFrame, name: str | None) -> list[Parts]:
        if name == "drop":
            return []
        if name == "clock_jump":  # from here on, as clocks that are set do
            self._form.clock_offset_s = float(self._rng.uniform(-FURTHEST_JUMP_S, FURTHEST_JUMP_S))
        if name is not None and name in ALTERATIONS:
            return [ALTERATIONS[name](frame, self._form, self._rng)]
        message = self._form.frames([frame])
        return [message, message] if name == "duplicate" else [message]
