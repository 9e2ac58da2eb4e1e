"""Map products: frame results -> one value a position, NaN where there is none.

A product sees only values of positions, so partial scans and shards merge in any order
(`merge`). Third parties add theirs by the entry-point group `stream_rrvae.map_products`. A product may also have
`is_local` (see `SimpleProduct`), `results_only` (see `derived_products`), `why_not(values)`, a text where it cannot be
made of what is known, and `note(values)`, what to know of the map; both go into the results file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

import numpy as np

from stream_rrvae.found import DescanFound
from stream_rrvae.maps.derived import DERIVED
from stream_rrvae.maps.detector_maps import detector_maps, detector_notes, left_out_of
from stream_rrvae.maps.values import PositionValues, position_values
from stream_rrvae.messages import Calibration, Float32Array
from stream_rrvae.scan_store import ScanStore

ENTRY_POINTS = "stream_rrvae.map_products"
COVERAGE = "coverage"


class MapProduct(Protocol):
    """One map of the results file and of the feed."""

    @property
    def name(self) -> str:
        """Its name in the results file."""
        ...

    def unit(self, values: PositionValues) -> str:
        """The unit of the map, given what is calibrated."""
        ...

    def compute(self, values: PositionValues) -> Float32Array:
        """The map as [n], row-major; NaN = not measured."""
        ...


@dataclass(frozen=True, slots=True)
class ScanMaps:
    """All maps of a moment: float32 [scan_y, scan_x] by name, with their units."""

    axes: str  # what the vectors refer to: "scan" or "detector"
    maps: dict[str, Float32Array]
    units: dict[str, str]
    descan: DescanFound | None = None  # what of it was taken out of the COM
    notes: dict[str, str] = field(default_factory=dict)  # by map, what to know before it is trusted
    not_made: dict[str, str] = field(default_factory=dict)  # maps that could not be made, and why


@dataclass(frozen=True, slots=True)
class SimpleProduct:
    """A product made of two functions."""

    name: str
    compute: Callable[[PositionValues], Float32Array]
    unit: Callable[[PositionValues], str]
    is_local: bool = False  # a position's value depends on nothing but that position's values


def _always(unit: str) -> Callable[[PositionValues], str]:
    return lambda _values: unit


def direction(values: PositionValues) -> Float32Array:
    """Angle of the COM, atan2(y, x) in (-pi, pi]; NaN where the COM is."""
    angle = np.full_like(values.com_y, np.nan)
    # Of NaN it would take ten times as long as of numbers.
    return np.arctan2(values.com_y, values.com_x, out=angle, where=~(np.isnan(values.com_y) | np.isnan(values.com_x)))


BUILT_IN: tuple[MapProduct, ...] = (
    SimpleProduct("sum", lambda v: v.sum, _always("counts"), True),
    SimpleProduct("com_x", lambda v: v.com_x, lambda v: v.com_unit, True),
    SimpleProduct("com_y", lambda v: v.com_y, lambda v: v.com_unit, True),
    SimpleProduct("com_magnitude", lambda v: np.hypot(v.com_y, v.com_x), lambda v: v.com_unit, True),
    SimpleProduct("com_direction", direction, _always("rad"), True),
    SimpleProduct("rotation", lambda v: v.rotation, _always("rad"), True),
    SimpleProduct("rotation_confidence", lambda v: v.confidence, _always("1"), True),
    SimpleProduct("misfit", lambda v: v.misfit, _always("1"), True),
    SimpleProduct("bright_field", lambda v: v.bright_field, _always("counts"), True),
    SimpleProduct("annular_dark_field", lambda v: v.annular_dark_field, _always("counts"), True),
    SimpleProduct(COVERAGE, lambda v: v.coverage, _always("1"), True),
)


@cache
def products() -> tuple[MapProduct, ...]:
    """The products of the live feed and of every results file: built-in, then those of installed packages."""
    return BUILT_IN + tuple(each for each in _of_packages() if not _is_for_results_only(each))


@cache
def derived_products() -> tuple[MapProduct, ...]:
    """The products of results files only, which need the whole scan: built-in, then those of installed packages."""
    return DERIVED + tuple(each for each in _of_packages() if _is_for_results_only(each))


@cache
def _of_packages() -> tuple[MapProduct, ...]:
    return tuple(point.load() for point in entry_points(group=ENTRY_POINTS))


def _is_for_results_only(product: MapProduct) -> bool:
    return bool(getattr(product, "results_only", False))


def scan_maps(store: ScanStore, extra: Iterable[MapProduct] = (), calibration: Calibration | None = None) -> ScanMaps:
    """Every product over the store's present content, and the latents by number; calibrated as `position_values` is."""
    made = maps_of(position_values(store, calibration), extra)
    return replace(made, not_made=made.not_made | left_out_of(store))


def maps_of(values: PositionValues, extra: Iterable[MapProduct] = ()) -> ScanMaps:
    """Every product over `values`, on the scan grid."""
    wanted = [*products(), *extra]
    not_made = _said_by(wanted, "why_not", values)
    chosen = [product for product in wanted if product.name not in not_made]
    maps = {p.name: p.compute(values).reshape(values.scan_shape).astype(np.float32, copy=False) for p in chosen}
    units = {p.name: p.unit(values) for p in chosen}
    for number, latent in enumerate(values.latents, start=1):
        maps[f"latent_{number}"] = latent.reshape(values.scan_shape)
        units[f"latent_{number}"] = "1"
    for name, image, unit in detector_maps(values):
        maps[name], units[name] = image.reshape(values.scan_shape), unit
    notes = _said_by(chosen, "note", values) | detector_notes(values)
    return ScanMaps(values.axes, maps, units, values.descan, notes, not_made)


def _said_by(asked: Iterable[MapProduct], method: str, values: PositionValues) -> dict[str, str]:
    """What those of the products that have `method` say of themselves, by name, where they say anything."""
    said = {product.name: getattr(product, method)(values) for product in asked if hasattr(product, method)}
    return {name: text for name, text in said.items() if text}


def merge(first: Float32Array, second: Float32Array) -> Float32Array:
    """Two partial maps of one scan in one; where both have a value, the first's."""
    return np.where(np.isnan(first), second, first)


def merge_named(name: str, parts: Iterable[Float32Array]) -> Float32Array:
    """The map `name` from its parts, in any order where no position is in two; coverage is 0 where not measured."""
    first, *others = parts
    whole = first.copy()
    for part in others:
        np.copyto(whole, part, where=whole == 0 if name == COVERAGE else np.isnan(whole))
    return whole
