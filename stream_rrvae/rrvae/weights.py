"""A model's weights as arrays, and back; checked against what the model has before they go into it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from stream_rrvae.errors import CheckpointError
from stream_rrvae.rrvae.model import Arrays


def weights_of(network: torch.nn.Module) -> Arrays:
    """A copy of every weight by its name."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}


def put_weights(network: torch.nn.Module, arrays: Arrays) -> None:
    """Load `arrays` into `network`. Raises CheckpointError unless they are exactly what it has."""
    check_weights(arrays, {name: tuple(value.shape) for name, value in network.state_dict().items()})
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in arrays.items()})


def check_weights(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises CheckpointError unless `arrays` are finite float32 of exactly these names and `shapes`."""
    if set(arrays) != set(shapes):
        raise CheckpointError("the checkpoint holds other weights than its model has")
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise CheckpointError(f"weights {name} have shape {arrays[name].shape}, the model wants {shape}")
        if not np.isfinite(arrays[name]).all():
            raise CheckpointError(f"weights {name} are not finite")
