"""What a page wishes to see. A page may be anybody: what makes no sense of its wishes is left as it was."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import RequestError

TEXT_LIMIT = 16384
LASSO_CORNERS = 96
FIRST_CHOICE = "latent_1"
PANELS = ("magnitude", "direction", "pattern", "rotation", "chosen", "latents")
LIMITED = ("magnitude", "pattern", "chosen")  # panels whose colours have limits
SIDE_PX = 16384
FAR = 1e6
LATEST, OF_SCAN = "latest", "scan"
AVERAGES = {LATEST: 1, OF_SCAN: 0, "mean_4": 4, "mean_8": 8, "mean_16": 16}  # of so many patterns; 0 = all


@dataclass(frozen=True, slots=True)
class Contrast:
    """Limits of a panel's colours: "percentiles" of what was measured, or "locked" values."""

    mode: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ring:
    """A virtual detector, in px of the detector; `inner` 0 = a disc."""

    inner: float
    outer: float
    center_ky: float
    center_kx: float


@dataclass(frozen=True, slots=True)
class Wishes:
    map: str = FIRST_CHOICE  # in the panel of choice
    frozen: bool = False
    back: int = 0  # so many steps before the frozen moment
    pinned: tuple[int, int] | None = None  # (y, x) whose pattern is shown
    linear: bool = False  # the pattern's scale
    average: str = LATEST  # which of AVERAGES the pattern is
    restarts: int = 0  # how often the mean of the scan was begun anew
    arrows: bool = False
    latents: tuple[str, str] = ("latent_1", "latent_2")
    contrast: Mapping[str, Contrast] = field(default_factory=lambda: MappingProxyType({}))  # by panel; absent = auto
    histogram: str = ""  # the panel whose histogram is open
    enlarged: str = ""  # the panel that is sent at full resolution
    lasso: tuple[tuple[float, float], ...] = ()  # corners in latent space
    ring: Ring | None = None


def wishes_of(text: object, before: Wishes) -> Wishes:
    """The wishes in a page's JSON `text`."""
    if not isinstance(text, str) or len(text) > TEXT_LIMIT:
        return before
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return before
    if not isinstance(told, dict):
        return before
    return Wishes(**{each.name: _taken(each.name, told, before) for each in fields(Wishes)})


def _taken(name: str, told: Mapping[str, Any], before: Wishes) -> Any:
    kept = getattr(before, name)
    if name not in told:
        return kept
    try:
        return _READERS[name](told)
    except (RequestError, TypeError, ValueError):
        return kept


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RequestError("not a mapping")
    return value


def _position(told: Mapping[str, Any]) -> tuple[int, int] | None:
    if told["pinned"] is None:
        return None
    y, x = told["pinned"]
    place = Arguments({"y": y, "x": x})
    return place.whole("y", 0, SIDE_PX), place.whole("x", 0, SIDE_PX)


def _contrast(told: Mapping[str, Any]) -> Mapping[str, Contrast]:
    given = _mapping(told["contrast"])
    return MappingProxyType({panel: _one_contrast(given[panel]) for panel in LIMITED if given.get(panel) is not None})


def _one_contrast(told: Any) -> Contrast:
    given = Arguments(_mapping(told))
    mode = given.choice("mode", ("percentiles", "locked"))
    least, most = (0.0, 100.0) if mode == "percentiles" else (-math.inf, math.inf)
    low, high = given.number("low", least, most), given.number("high", least, most)
    if not low < high or not math.isfinite(high - low):
        raise RequestError("low must be less than high")
    return Contrast(mode, low, high)


def _lasso(told: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    corners = told["lasso"]
    if len(corners) > LASSO_CORNERS:
        raise RequestError("too many corners")
    each = [Arguments({"x": x, "y": y}) for x, y in corners]
    return tuple((one.number("x", -FAR, FAR), one.number("y", -FAR, FAR)) for one in each)


def _ring(told: Mapping[str, Any]) -> Ring | None:
    if told["ring"] is None:
        return None
    given = Arguments(_mapping(told["ring"]))
    inner, outer = given.number("inner", 0, FAR), given.number("outer", 0, FAR)
    if outer <= inner:
        raise RequestError("outer must be more than inner")
    return Ring(inner, outer, given.number("center_ky", -FAR, FAR), given.number("center_kx", -FAR, FAR))


def _latents(told: Mapping[str, Any]) -> tuple[str, str]:
    x, y = told["latents"]
    both = Arguments({"x": x, "y": y})
    return both.text("x", 64), both.text("y", 64)


def _read(kind: str, name: str, *limits: Any) -> Callable[[Mapping[str, Any]], Any]:
    return lambda told: getattr(Arguments(told), kind)(name, *limits)


_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "map": _read("text", "map", 64),
    "frozen": _read("flag", "frozen"),
    "back": _read("whole", "back", 0, 1000),
    "pinned": _position,
    "linear": _read("flag", "linear"),
    "average": _read("choice", "average", tuple(AVERAGES)),
    "restarts": _read("whole", "restarts", 0, 2**31),
    "arrows": _read("flag", "arrows"),
    "latents": _latents,
    "contrast": _contrast,
    "histogram": _read("choice", "histogram", ("", *LIMITED)),
    "enlarged": _read("choice", "enlarged", ("", *PANELS)),
    "lasso": _lasso,
    "ring": _ring,
}
