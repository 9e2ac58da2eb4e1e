"""Weights from a file, checked against what a model has before they go into it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stream_rrvae.errors import CheckpointError
from stream_rrvae.rrvae.model import Arrays


def check_weights(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises CheckpointError unless `arrays` are finite float32 of exactly these names and `shapes`."""
    if set(arrays) != set(shapes):
        raise CheckpointError("the checkpoint holds other weights than its model has")
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise CheckpointError(f"weights {name} have shape {arrays[name].shape}, the model wants {shape}")
        if not np.isfinite(arrays[name]).all():
            raise CheckpointError(f"weights {name} are not finite")
