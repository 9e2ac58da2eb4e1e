"""Maps of a scan's shards as maps of the scan: by what is measured, in any order, and a model's only if it is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import numpy as np

from stream_rrvae.maps.products import COVERAGE, merge_named
from stream_rrvae.maps.statistics import pearson
from stream_rrvae.messages import BoolArray, Float32Array

CLEAR_CORRELATION = 0.1  # below it neighbours decide nothing
LATENT, SIGNED_LATENT = "latent_", "latent_1"
LEARNT = ("rotation", "rotation_confidence", "misfit", LATENT)


def merged_maps(parts: Sequence[Mapping[str, Float32Array]], one_model: bool) -> dict[str, Float32Array]:
    """Every map of the parts [scan_y, scan_x] by name, those that were learnt only from `one_model`."""
    names = {name: None for part in parts for name in part}
    chosen = [name for name in names if one_model or not name.startswith(LEARNT)]
    lines = lines_of_each(parts)
    return {name: _merged(name, [part[name] for part in parts if name in part], lines) for name in chosen}


def merged_mean(parts: Iterable[tuple[int, Float32Array]]) -> tuple[int, Float32Array] | None:
    """The mean pattern [ky, kx] of all frames, of which each part has the mean of so many; None where there is none.

    A pixel that has no data in a part (NaN) is the mean of the others. Parts of another shape than the first's are
    left out.
    """
    told = [(frames, mean) for frames, mean in parts if frames > 0]
    alike = [(frames, mean) for frames, mean in told if mean.shape == told[0][1].shape]
    if not alike:
        return None
    means = np.stack([mean for _, mean in alike]).astype(np.float64)
    weights = np.array([float(frames) for frames, _ in alike])[:, None, None] * np.isfinite(means)
    weight = weights.sum(axis=0)
    total = np.where(weights > 0, weights * np.nan_to_num(means), 0.0).sum(axis=0)
    known = np.where(weight > 0, total / np.maximum(weight, 1), np.nan)
    return sum(frames for frames, _ in alike), known.astype(np.float32)


def _merged(name: str, parts: Sequence[Float32Array], lines: Sequence[BoolArray] | None) -> Float32Array:
    """By what is measured; the first latent is signed by the COM, further ones by nothing but their neighbours."""
    if not name.startswith(LATENT):
        return merge_named(name, parts) if lines is None or len(lines) != len(parts) else by_lines(parts, lines)
    if name == SIGNED_LATENT:
        return _centred(merge_named(name, parts))
    return _centred(reduce(lambda whole, part: merge_named(name, [whole, with_sign_of(whole, part)]), parts))


def _centred(latent: Float32Array) -> Float32Array:
    """Counted from the mean of the scan, as one service counts it; shards count from where their checkpoint says."""
    known = latent[np.isfinite(latent)]
    return latent - known.mean(dtype=np.float64).astype(np.float32) if known.size else latent


def lines_of_each(parts: Sequence[Mapping[str, Float32Array]]) -> list[BoolArray] | None:
    """Lines [scan_y] in which each part has measured anything; None where two have measured in one line."""
    if not all(COVERAGE in part for part in parts):
        return None
    lines = [np.asarray((part[COVERAGE] != 0).any(axis=1)) for part in parts]
    return lines if (np.sum(lines, axis=0, dtype=np.int64) <= 1).all() else None


def by_lines(parts: Sequence[Float32Array], lines: Sequence[BoolArray]) -> Float32Array:
    """What `merge_named` makes of maps with nothing in others' lines, at a quarter of the cost."""
    whole = parts[0].copy()
    for part, measured in zip(parts[1:], lines[1:], strict=True):
        whole[measured] = part[measured]
    return whole


def with_sign_of(reference: Float32Array, part: Float32Array) -> Float32Array:
    """`part` [y, x] or its negative, whichever continues `reference` [y, x] better from line to line; NaN = not there.

    For values whose sign is free, such as a principal score: positions on neighbouring lines are mostly alike.
    """
    here = np.concatenate([reference[:-1].ravel(), reference[1:].ravel()])
    beside = np.concatenate([part[1:].ravel(), part[:-1].ravel()])
    return -part if pearson(here, beside) < -CLEAR_CORRELATION else part
