"""Maps of which only changes came: each is put together when somebody looks at it, and not before.

A page shows four maps of fifteen; copying all of them for every update cost a viewer as much as decoding them whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np

from stream_rrvae.feed.runs import Run
from stream_rrvae.messages import Float32Array

MOST_PATCHES = 64  # then they are put together: what waits to be looked at is bounded by this and by the map's bytes


class PatchedImage:
    """An image [rows, columns] and what changed since, oldest first; frozen to whoever looks at it."""

    __slots__ = ("_base", "_patches", "_whole")

    def __init__(self, base: Float32Array, patches: tuple[Run, ...] = ()) -> None:
        self._base = base
        self._patches = patches
        self._whole: Float32Array | None = None if patches else base

    def whole(self) -> Float32Array:
        """The image as it is with all changes, read-only; the same array every time."""
        if self._whole is None:
            image = np.array(self._base)
            flat = image.reshape(-1)
            for run in self._patches:
                flat[run.first : run.first + run.values.size] = run.values
            image.flags.writeable = False
            self._whole = image
        return self._whole

    def then(self, run: Run) -> PatchedImage:
        """The image after a further change."""
        if self._whole is None and self._is_worth_waiting(run):
            return PatchedImage(self._base, (*self._patches, run))
        return PatchedImage(self.whole(), (run,))

    def _is_worth_waiting(self, run: Run) -> bool:
        waiting = run.values.size + sum(each.values.size for each in self._patches)
        return waiting <= self._base.size and len(self._patches) < MOST_PATCHES


class PatchedMaps(Mapping[str, Float32Array]):
    """Maps by name, as they were at one update."""

    def __init__(self, images: Mapping[str, PatchedImage]) -> None:
        self._images = images

    @classmethod
    def of(cls, maps: Mapping[str, Float32Array]) -> Self:
        """Maps that came whole."""
        return cls({name: PatchedImage(image) for name, image in maps.items()})

    def then(self, runs: Mapping[str, Run]) -> PatchedMaps:
        """The maps after these changed; the others are the same arrays."""
        return PatchedMaps(
            {name: image.then(runs[name]) if name in runs else image for name, image in self._images.items()}
        )

    def __getitem__(self, name: str) -> Float32Array:
        return self._images[name].whole()

    def __contains__(self, name: object) -> bool:
        return name in self._images

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)
