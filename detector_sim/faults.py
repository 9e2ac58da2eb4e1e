"""Faults put into the stream on purpose, seeded: what real detectors and networks do now and then.

A frame suffers at most one fault. Rates are probabilities a frame, that of `abort` a scan.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector_sim.encoding import EncodedFrame, encode_frame
from detector_sim.message_format import MessageFormat, Parts
from detector_sim.truth import InjectedFault
from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import Encoding, Frame
from stream_rrvae.wire.pixels import decode_pixels

LATEST_REORDER = 8  # frames by which a late one is late, at most
_OVERSIZE_PX = 1 << 16
_NAN_PART = 0.05
_HEADER = struct.Struct(">QI")


def _truncate(frame: EncodedFrame, form: MessageFormat, rng: np.random.Generator) -> Parts:
    """The message's last part is cut short."""
    parts = form.frames([frame])
    return [*parts[:-1], parts[-1][: int(rng.integers(1, len(parts[-1])))]]


def _corrupt(frame: EncodedFrame, form: MessageFormat, rng: np.random.Generator) -> Parts:
    """Damage that can be noticed: LZ4 carries no checksum, so the length of its first block is hit, else the header."""
    if frame.encoding is Encoding.NONE:
        first, *rest = form.frames([frame])
        return [rng.bytes(4) + b"\xff\xff\xff\xff" + first[8:], *rest]
    size = _HEADER.size
    return form.frames([replace(frame, payload=frame.payload[:size] + b"\xff\xff\xff\xff" + frame.payload[size + 4 :])])


def _oversize(frame: EncodedFrame, form: MessageFormat, _rng: np.random.Generator) -> Parts:
    """The frame announces 2^32 pixels in a payload as small as ever."""
    return form.frames([replace(frame, shape=(_OVERSIZE_PX, _OVERSIZE_PX))])


def _wrong_shape(frame: EncodedFrame, form: MessageFormat, _rng: np.random.Generator) -> Parts:
    """One column more than was announced."""
    pixels = _pixels(frame)
    return form.frames([encode_frame(frame.number, np.pad(pixels, ((0, 0), (0, 1))), frame.encoding)])


def _wrong_dtype(frame: EncodedFrame, form: MessageFormat, _rng: np.random.Generator) -> Parts:
    """Another pixel type than was announced."""
    other = "uint16" if frame.pixel_type != "uint16" else "uint32"
    return form.frames([encode_frame(frame.number, np.zeros(frame.shape, other), frame.encoding)])


def _nodata(frame: EncodedFrame, form: MessageFormat, _rng: np.random.Generator) -> Parts:
    """No pixel holds data."""
    floating = frame.pixel_type == "float32"
    nothing = np.nan if floating else np.iinfo(frame.pixel_type).max
    return form.frames([encode_frame(frame.number, np.full(frame.shape, nothing, frame.pixel_type), frame.encoding)])


def _nan(frame: EncodedFrame, form: MessageFormat, rng: np.random.Generator) -> Parts:
    """One pixel in twenty is NaN or infinite."""
    pixels = _pixels(frame).copy()
    hit = rng.random(frame.shape) < _NAN_PART
    pixels[hit] = rng.choice(np.array([np.nan, np.inf, -np.inf], pixels.dtype), int(hit.sum()))
    return form.frames([encode_frame(frame.number, pixels, frame.encoding)])


def _pixels(frame: EncodedFrame) -> NDArray[Any]:
    return decode_pixels(
        Frame(0, frame.number, frame.shape, frame.pixel_type, frame.encoding, memoryview(frame.payload))
    )


_ALTER: Mapping[str, Callable[[EncodedFrame, MessageFormat, np.random.Generator], Parts]] = {
    "truncate": _truncate,
    "corrupt": _corrupt,
    "oversize": _oversize,
    "wrong_shape": _wrong_shape,
    "wrong_dtype": _wrong_dtype,
    "nodata": _nodata,
    "nan": _nan,
}
FAULTS = ("drop", "duplicate", "reorder", *_ALTER, "abort")


def check_rates(rates: Mapping[str, float], pixel_type: str) -> None:
    """Raises ConfigError for unknown faults, impossible rates, and NaN in whole numbers."""
    for name, rate in rates.items():
        if name not in FAULTS:
            raise ConfigError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
        if not 0 <= rate <= 1:
            raise ConfigError(f"the rate of {name} must be within 0 and 1, not {rate:g}")
    if sum(rate for name, rate in rates.items() if name != "abort") > 1:
        raise ConfigError("the rates of all faults of frames together cannot exceed 1")
    if rates.get("nan") and pixel_type != "float32":
        raise ConfigError("the fault nan needs a float32 detector")


class FaultInjector:
    """Turns frames into messages, some of them faulty; `injected` is the list of all faults so far."""

    def __init__(self, rates: Mapping[str, float], form: MessageFormat, seed: int) -> None:
        self._form = form
        self._rng = np.random.default_rng([seed, 2])
        self._names = [name for name in rates if name != "abort"]
        self._until = np.cumsum([rates[name] for name in self._names])
        self._abort_rate = rates.get("abort", 0.0)
        self.injected: list[InjectedFault] = []

    def last_frame(self, series: int, count: int) -> int | None:
        """The last frame before this scan is aborted; None when it is not."""
        if self._rng.random() >= self._abort_rate:
            return None
        last = int(self._rng.integers(0, count))
        self.injected.append(InjectedFault(series, last, "abort"))
        return last

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
        if name is not None and name in _ALTER:
            return [_ALTER[name](frame, self._form, self._rng)]
        message = self._form.frames([frame])
        return [message, message] if name == "duplicate" else [message]
