"""What a model says of every position that was gathered: at once, or block by block where these are many."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.rrvae.gathering import Gathered
from stream_rrvae.rrvae.model import Encoding, Model
from stream_rrvae.rrvae.novelty import LARGEST_SAMPLE, Novelty, novelty, novelty_beside, usual_of
from stream_rrvae.scan_store import ScanStore


@dataclass(frozen=True, slots=True)
class Described:
    """What was said of row-major `positions` [n]."""

    positions: NDArray[np.int64]
    encoding: Encoding
    novelty: Novelty | None


def described(model: Model, gathered: Gathered, store: ScanStore, own_gauge: bool) -> Described:
    """`own_gauge`: latents count from the mean of these positions or of their sample, even if the model is settled."""
    if gathered.is_sample:
        return _by_blocks(model, gathered, store, own_gauge)
    data = gathered.data
    encoding = model.encode(data.x, own_gauge=True) if own_gauge else model.encode(data.x)
    return Described(data.positions, encoding, novelty(model, data))


def _by_blocks(model: Model, gathered: Gathered, store: ScanStore, own_gauge: bool) -> Described:
    reader = model
    if own_gauge or not model.is_settled:
        reader = copy.copy(model)  # the model itself stays as free as it was
        reader.settle(gathered.data.x)
    usual = usual_of(reader, gathered.data)
    step = -(-gathered.covered // LARGEST_SAMPLE)
    parts = [
        Described(block.positions, reader.encode(block.x), novelty_beside(usual, reader, block, step))
        for block in gathered.blocks(store)
    ]
    return _joined(parts)


def _joined(parts: list[Described]) -> Described:
    encodings = [part.encoding for part in parts]
    found = [part.novelty for part in parts if part.novelty is not None]
    latents = np.concatenate([encoding.latents for encoding in encodings])
    return Described(
        np.concatenate([part.positions for part in parts]),
        Encoding(
            np.concatenate([encoding.rotation for encoding in encodings]),
            np.concatenate([encoding.confidence for encoding in encodings]),
            latents,
            latents.var(axis=0, dtype=np.float64),
        ),
        Novelty(np.concatenate([one.misfit for one in found]), np.concatenate([one.unlike for one in found])),
    )
