"""Descan in the COM: the part of it that grows evenly over the scan, because the pattern walks over the detector.

A plane, or a quadratic surface, is fitted to the COM maps with weights that fall to 0 towards the edges of what is
measured: a lattice, whose periods the scan cuts anywhere, then hardly leans on it (its share falls with the square of
the number of periods; without the weights in proportion). Positions far off the surface (defects, nearly empty frames)
lose their weight in some rounds: iteratively reweighted least squares with Tukey's biweight, Holland & Welsch, Commun.
Stat. A 6, 813 (1977).

What a specimen's own field does evenly over the whole scan cannot be told from descan and goes with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.found import DescanFound, DescanKind

N_TERMS: dict[DescanKind, int] = {"plane": 2, "quadratic": 5}
FEWEST_POSITIONS = 16
MOST_POSITIONS = 1 << 14  # that the fit looks at; more do not make it finer
ROUNDS = 6
LEAST_SPAN, LEAST_SHARE = 8, 0.25  # positions, and of a side: what must be measured of it to tell a walk along it
CUT_OFF = 6.0  # times the median distance from the surface: what is farther off has no say
CERTAIN = 0.25  # of the walk: above it, halves of the scan disagree on it and it may be the specimen's own field
SMOOTH = (
    0.5  # of the rest: above it, the specimen's field shows less than a period or two, and part of it is in the walk
)
SMOOTH_ORDER = 4  # of a polynomial
SAME = 1e-14  # of the largest eigenvalue of the terms' products: below it two terms cannot be told apart

Float = NDArray[np.float64]
AnyFloat = NDArray[np.floating[Any]]


def shifts_px(descan: DescanFound, scan_shape: tuple[int, int]) -> tuple[Float, Float]:
    """The walk (ky, kx) at every position, row-major [n]."""
    rows, columns = scan_shape
    walk = terms(np.arange(rows * columns), scan_shape, descan.kind) @ np.array(descan.terms_px)
    return walk[:, 0], walk[:, 1]


def fit_surface(com_y: AnyFloat, com_x: AnyFloat, scan_shape: tuple[int, int], kind: DescanKind) -> DescanFound | None:
    """The same as `fit_descan` gives without a look at how certain it is, which takes most of the time."""
    at = _looked_at(np.flatnonzero(np.isfinite(com_y) & np.isfinite(com_x)))
    if at.size < FEWEST_POSITIONS * N_TERMS[kind] / N_TERMS["plane"]:
        return None
    com = np.stack([com_y[at], com_x[at]], axis=1).astype(np.float64)
    return DescanFound(kind, _as_terms(_fit(com, at, scan_shape, kind)), None, False)


def fit_descan(
    com_y: AnyFloat, com_x: AnyFloat, scan_shape: tuple[int, int], kind: DescanKind = "plane"
) -> DescanFound | None:
    """The surface in COM maps [n] (px, row-major, NaN = not measured); None where too little is measured for one."""
    at = _looked_at(np.flatnonzero(np.isfinite(com_y) & np.isfinite(com_x)))
    if at.size < FEWEST_POSITIONS * N_TERMS[kind] / N_TERMS["plane"]:
        return None
    com = np.stack([com_y[at], com_x[at]], axis=1).astype(np.float64)
    walk = _fit(com, at, scan_shape, kind)
    over_rows, over_columns = (_disagreement(com, at, scan_shape, axis) for axis in (0, 1))
    found = _as_terms(walk)
    if over_rows is None or over_columns is None:
        return DescanFound(kind, found, None, False)
    agree = np.hypot(over_rows, over_columns) <= CERTAIN * np.linalg.norm(walk[:2])
    certain = bool(agree) and _smooth_share(com, at, scan_shape, kind) < SMOOTH
    return DescanFound(kind, found, (over_rows, over_columns), certain)


def terms(positions: NDArray[np.int64], scan_shape: tuple[int, int], kind: DescanKind) -> Float:
    """Row, column (and their squares and product) of `positions` as [n, terms], the scan's sides being 1; mean 0."""
    parts = zip(np.divmod(positions, scan_shape[1]), scan_shape, strict=True)
    u, v = (part / (side - 1) - 0.5 if side > 1 else np.zeros(positions.size) for part, side in parts)
    if kind == "plane":
        return np.stack([u, v], axis=1)
    u_square, v_square = (_mean_square(side) for side in scan_shape)
    return np.stack([u, v, u**2 - u_square, u * v, v**2 - v_square], axis=1)


def _mean_square(side: int) -> float:
    """Mean of the square over `side` places from -0.5 to 0.5."""
    return (side + 1) / (12 * (side - 1)) if side > 1 else 0.0


def _looked_at(measured: NDArray[np.int64]) -> NDArray[np.int64]:
    """All of them, or as many as are looked at, drawn by chance: a fixed step might beat with the lattice."""
    if measured.size <= MOST_POSITIONS:
        return measured
    return np.sort(np.random.default_rng(0).choice(measured, MOST_POSITIONS, replace=False))


def _as_terms(walk: Float) -> tuple[tuple[float, float], ...]:
    return tuple((y, x) for y, x in walk.tolist())


def _fit(com: Float, at: NDArray[np.int64], scan_shape: tuple[int, int], kind: DescanKind) -> Float:
    """Walk [terms, 2] in px; 0 along an axis of which too little is measured to tell."""
    design = terms(at, scan_shape, kind) * _told(at, scan_shape, kind)
    taper = _taper(at, scan_shape)
    weights: Float = taper
    solution: Float = np.zeros((design.shape[1], 2))
    for _ in range(ROUNDS):
        # Least squares about the means: what does not vary gets nothing instead of a share of the mean.
        varied, moved = (part - weights @ part / weights.sum() for part in (design, com))
        held = varied.T * weights
        solution = np.asarray(np.linalg.pinv(held @ varied, SAME, hermitian=True) @ (held @ moved), np.float64)
        off = moved - varied @ solution
        distance = np.sqrt(off[:, 0] ** 2 + off[:, 1] ** 2)
        reach = CUT_OFF * max(float(np.median(distance)), 1e-12)
        weights = np.asarray(taper * np.square(np.maximum(1 - np.square(distance / reach), 0.0)), np.float64)
    return np.asarray(solution)


def _told(at: NDArray[np.int64], scan_shape: tuple[int, int], kind: DescanKind) -> Float:
    """Which terms [terms] the measured positions can tell of: 1 or 0."""
    span = [int(np.ptp(part)) + 1 for part in np.divmod(at, scan_shape[1])]
    y, x = (float(n >= max(LEAST_SPAN, LEAST_SHARE * side)) for n, side in zip(span, scan_shape, strict=True))
    return np.array([y, x] if kind == "plane" else [y, x, y, x * y, x])


def _taper(at: NDArray[np.int64], scan_shape: tuple[int, int]) -> Float:
    """Half a sine over the rows and over the columns that hold `at`."""
    weights = np.ones(at.size)
    for part in np.divmod(at, scan_shape[1]):
        first, count = int(part.min()), int(np.ptp(part)) + 1
        weights = weights * np.sin(np.pi * (part - first + 0.5) / count)
    return np.asarray(weights)


def _disagreement(com: Float, at: NDArray[np.int64], scan_shape: tuple[int, int], axis: int) -> float | None:
    """Half the difference of the walk along `axis` in the two halves of what is measured of it; None = unknown."""
    part = np.divmod(at, scan_shape[1])[axis]
    near = part < (part.min() + part.max() + 1) / 2
    if min(np.count_nonzero(near), np.count_nonzero(~near)) < FEWEST_POSITIONS:
        return None
    first, second = (_fit(com[half], at[half], scan_shape, "plane")[axis] for half in (near, ~near))
    return float(np.linalg.norm(first - second) / 2)


def _smooth_share(com: Float, at: NDArray[np.int64], scan_shape: tuple[int, int], kind: DescanKind) -> float:
    """Part of what the surface leaves that a polynomial follows: 1 for less than a cell, little for a lattice."""
    taper, design = _taper(at, scan_shape), terms(at, scan_shape, kind)
    root, (u, v) = np.sqrt(taper)[:, None], design[:, :2].T
    rest = com - design @ _fit(com, at, scan_shape, kind)
    rest = rest - np.average(rest, axis=0, weights=taper)
    orders = [(i, j) for i in range(SMOOTH_ORDER + 1) for j in range(SMOOTH_ORDER + 1 - i)]
    powers = np.stack([u**i * v**j for i, j in orders], axis=1)
    followed = powers @ np.linalg.lstsq(powers * root, rest * root, rcond=1e-9)[0]
    return 1 - float((taper[:, None] * (rest - followed) ** 2).sum() / max((taper[:, None] * rest**2).sum(), 1e-300))
