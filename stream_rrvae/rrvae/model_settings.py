"""What a checkpoint says that its model is, read back and kept within bounds: whatever it asks for is allocated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from stream_rrvae.errors import CheckpointError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.plain import from_plain, to_plain
from stream_rrvae.rrvae.leading import Leading, center_of_mass

LARGEST_LATENTS, LARGEST_HIDDEN, LARGEST_BASIS = 8, 1024, 32


class ModelSpec(Protocol):
    """What the description of every kind of model has."""

    @property
    def basis(self) -> BasisSpec: ...
    @property
    def latents(self) -> int: ...
    @property
    def hidden(self) -> int: ...


S = TypeVar("S", bound=ModelSpec)


def read_settings(kind: type[S], settings: Mapping[str, Any], is_sound: Callable[[S], bool]) -> tuple[S, Leading]:
    """The model's description, sound in what it has of its own, and its leading coefficient. Raises CheckpointError."""
    try:
        spec = from_plain(kind, settings.get("spec"))
        order = settings["leading_order"]
    except (TypeError, ValueError, KeyError) as error:
        raise CheckpointError(f"the checkpoint's model settings do not make sense: {error}") from error
    if not (_sizes_fit(spec) and is_sound(spec)):
        raise CheckpointError(f"the checkpoint's model settings are out of bounds: {to_plain(spec)}")
    if type(order) is not int or not 1 <= order <= spec.basis.max_order:
        raise CheckpointError(f"the checkpoint's leading order is {order!r}")
    leading = center_of_mass(spec.basis)
    return spec, Leading(order, leading.real, leading.imaginary)


def _sizes_fit(spec: ModelSpec) -> bool:
    return (
        1 <= spec.latents <= LARGEST_LATENTS
        and 1 <= spec.hidden <= LARGEST_HIDDEN
        and 1 <= spec.basis.max_order <= LARGEST_BASIS
        and 1 <= spec.basis.n_radial <= LARGEST_BASIS
    )
