"""The maps of a scan that grows: what did not change since the last look is not made again.

Twenty times a second all maps of 512x512 positions cost 7 ms each time; a look finds some lines new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.maps.com_shift import EVERYWHERE, depends_on_all
from stream_rrvae.maps.detector_maps import detector_maps
from stream_rrvae.maps.products import MapProduct, ScanMaps, maps_of, products
from stream_rrvae.maps.values import PositionValues, values_of
from stream_rrvae.messages import Calibration, Float32Array
from stream_rrvae.scan_store import LearnerMaps, ScanStore

LOOKS_BEFORE_ALL = 32  # then everything is made anew: nothing that changes in another way stays as it was for long


class GrowingMaps:
    """The maps of the latest store that was looked at, `extra` ones too; for one thread."""

    def __init__(self, extra: Sequence[MapProduct] = ()) -> None:
        self._extra = extra
        self._known: _Known | None = None

    def look(self, store: ScanStore, calibration: Calibration) -> ScanMaps:
        """All maps of `store` as they are now; the arrays are the same at the next look, and then hold what is new."""
        known = self._known
        if known is None or not known.is_of(store):
            known = self._known = _Known(store, self._extra)
        known.look(calibration)
        return known.maps

    @property
    def changed(self) -> Mapping[str, slice]:
        """Of maps that are the same arrays as at the look before, the positions that may differ, row-major."""
        return {} if self._known is None else self._known.changed


class _Known:
    """One store, and what was found in it."""

    def __init__(self, store: ScanStore, extra: Sequence[MapProduct]) -> None:
        self._store = store
        self._extra = extra
        self._calibration: Calibration | None = None
        self._coverage: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._learnt_serial = -1
        self._learnt: LearnerMaps | None = None
        self._looks = 0
        self._values: PositionValues | None = None
        self.maps = ScanMaps("", {}, {})
        self.changed: dict[str, slice] = {}

    def is_of(self, store: ScanStore) -> bool:
        return self._store is store

    def look(self, calibration: Calibration) -> None:
        """Bring the maps up to date."""
        store = self._store
        # Before any value is read: what is covered from here on is found at the next look.
        coverage, serial = _state_of(store), store.maps_published
        again = self._looks % LOOKS_BEFORE_ALL == 0 or calibration != self._calibration
        if self._learnt is None or serial != self._learnt_serial:
            self._learnt, again = store.read_maps(), True
        span = EVERYWHERE if again else _changed(coverage, self._coverage)
        if span.stop != 0 and depends_on_all(store):
            span = EVERYWHERE
        self.changed = dict.fromkeys(self.maps.maps, span)
        if span.stop != 0:
            self._take(values_of(store, self._learnt, calibration, span), span)
        self._coverage, self._learnt_serial, self._calibration = coverage, serial, calibration
        self._looks += 1

    def _take(self, part: PositionValues, span: slice) -> None:
        """Put the values of `span` to their place and make the maps of them."""
        if span == EVERYWHERE or self._values is None:
            self._values = part
            self.maps = _own(maps_of(part, self._extra))
            return
        values = self._values
        for field in _ARRAYS:
            getattr(values, field)[..., span] = getattr(part, field)
        for product in (*products(), *self._extra):
            if product.name in self.maps.not_made:
                continue
            image = self.maps.maps[product.name].reshape(-1)
            if _is_local(product):
                image[span] = product.compute(part)
            else:
                image[:] = product.compute(values)
                self.changed[product.name] = EVERYWHERE
        for number, latent in enumerate(part.latents, start=1):
            self.maps.maps[f"latent_{number}"].reshape(-1)[span] = latent
        for name, image, _unit in detector_maps(part):
            self.maps.maps[name].reshape(-1)[span] = image


_ARRAYS = tuple(field.name for field in fields(PositionValues) if field.type == "Float32Array")


def _is_local(product: MapProduct) -> bool:
    return bool(getattr(product, "is_local", False))


def _state_of(store: ScanStore) -> NDArray[np.uint8]:
    """What differs [n] at a position whose values have changed."""
    return store.visits.copy() if store.start.path.passes > 1 else store.coverage.copy()


def _changed(now: NDArray[np.uint8], before: NDArray[np.uint8]) -> slice:
    """From the first position that differs to the last; empty where none does."""
    differ: Any = now != before
    first = int(differ.argmax())
    if not differ[first]:
        return slice(0, 0)
    return slice(first, differ.size - int(differ[::-1].argmax()))


def _own(made: ScanMaps) -> ScanMaps:
    """The same with arrays that are nobody else's: products may give the values themselves, or one array twice."""
    maps: dict[str, Float32Array] = {name: image.copy() for name, image in made.maps.items()}
    return replace(made, maps=maps)
