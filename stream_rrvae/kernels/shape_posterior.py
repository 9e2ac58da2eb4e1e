"""The exact posterior over (which shape, which angle) of frames, given a bank of shapes.

log p(k, theta | x) = log w_k + <x, R_theta c_k> - |c_k|^2 / 2 + const for features of unit noise. Turning by theta
multiplies what belongs to order m by exp(-i m theta), so one shape costs a few complex products and a short Fourier
sum over its angles. Shapes stand upright (leading coefficient real and positive) and are sorted by its size: a frame's
own leading coefficient then says which shapes and angles can matter at all, and the others are not looked at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled, compiled_entry
from stream_rrvae.messages import Float32Array

REACH = 5.0  # noise units between a frame's leading coefficient and a shape's, beyond which exp(-12) is nothing
FAINT = 12.0  # nats below the best, likewise


class ShapeTable(NamedTuple):
    """Upright shapes as the loops read them; features are `n_level` real numbers, then (re, im) pairs."""

    shapes: Float32Array  # [k, n], by ascending lead
    lead: Float32Array  # [k] length of the leading coefficient
    bias: Float32Array  # [k] log weight less half the squared length
    row_of: NDArray[np.int32]  # [n_pairs] row of `cos` and `sin` that turns the pair
    cos: Float32Array  # [n_rows, 2 n_angles], the circle twice so that any window is one run
    sin: Float32Array
    n_level: int
    leading_row: int
    single_turn: bool  # the leading coefficient turns once with the shape: a direction belongs to one angle


@compiled_entry
def posterior_means(x: Any, lead: Any, table: ShapeTable, values: Any, means: Any) -> float:
    """Fill `means` [n, 2 + q] for frames `x` [n, n_features]; gives their summed log-likelihood beyond pure noise.

    `lead` [n, 2]: length and direction (rad, order times angle) of each frame's leading coefficient. Columns: means
    of cos and sin of the leading order times theta, then those of `values` [k, q].
    """
    logs, windows, sums = _room(table)
    total = 0.0
    for i in range(x.shape[0]):
        total += _weigh(x[i], lead[i], table, logs, windows, sums)
        means[i, :] = 0
        for k in range(windows.shape[0]):
            if windows[k, 1] > 0:
                _add_means(k, table, logs, windows[k], values[k], means[i])
    return total


@compiled_entry
def posterior_sums(x: Any, lead: Any, table: ShapeTable, sums: Any, weights: Any) -> float:
    """Add to each shape's `sums` [k, n_features] the frames turned back onto it, and to `weights` [k] their number.

    Both weighted by the posterior: what an expectation-maximisation step needs. Gives the summed log-likelihood.
    """
    logs, windows, products = _room(table)
    total = 0.0
    for i in range(x.shape[0]):
        total += _weigh(x[i], lead[i], table, logs, windows, products)
        for k in range(windows.shape[0]):
            if windows[k, 1] > 0:
                weights[k] += _add_turned_back(x[i], k, table, logs, windows[k], products, sums[k])
    return total


@compiled
def _room(table: ShapeTable) -> tuple[Any, Any, Any]:
    k, n_angles = table.shapes.shape[0], table.cos.shape[1] // 2
    return (
        np.empty((k, n_angles), np.float32),
        np.zeros((k, 2), np.int64),
        np.empty((2, table.cos.shape[0]), np.float32),
    )


@compiled
def _weigh(x: Any, lead: Any, table: ShapeTable, logs: Any, windows: Any, products: Any) -> float:
    """Posterior weights of one frame in `logs` [k, angle in window]; gives its log-likelihood."""
    windows[:, 1] = 0
    first, last = np.searchsorted(table.lead, lead[0] - REACH), np.searchsorted(table.lead, lead[0] + REACH)
    if first == last:
        first, last = 0, table.lead.size
    best = np.float32(-np.inf)
    near = min(max(np.searchsorted(table.lead, lead[0]), first), last - 1)
    for step in range(2 * (last - first)):  # outwards from the nearest, which sets a high mark early
        k = near + (step + 1) // 2 if step % 2 else near - step // 2
        if first <= k < last:
            _window(lead, table, k, windows[k])
            best = max(best, _logs_of(x, k, table, best, logs[k], windows[k], products))
    total = np.float32(0)
    for k in range(first, last):
        total += _exponentials(logs[k], windows[k], best)
    for k in range(first, last):
        for t in range(windows[k, 1]):
            logs[k, t] /= total
    likelihood: float = float(best) + np.log(float(total)) - np.log(table.cos.shape[1] / 2)
    return likelihood


@compiled
def _window(lead: Any, table: ShapeTable, k: int, window: Any) -> None:
    """First angle and number of angles at which the leading coefficients lie within reach of one another."""
    n_angles = table.cos.shape[1] // 2
    window[0], window[1] = 0, n_angles
    reach = REACH * REACH - (lead[0] - table.lead[k]) ** 2
    span = 4 * lead[0] * table.lead[k]
    if table.single_turn and 0 <= reach < span:
        step = 2 * np.pi / n_angles
        half = int(2 * np.arcsin(np.sqrt(reach / span)) / step) + 1
        if 2 * half + 1 < n_angles:
            window[0], window[1] = (int(np.round(lead[1] / step)) - half) % n_angles, 2 * half + 1


@compiled
def _logs_of(x: Any, k: int, table: ShapeTable, best: Any, logs: Any, window: Any, products: Any) -> Any:
    """Log weights of shape k in its window; gives the largest. A shape that cannot come near `best` is left out."""
    shape, n_level = table.shapes[k], table.n_level
    base = table.bias[k]
    for j in range(n_level):
        base += x[j] * shape[j]
    products[:] = 0
    for j in range(table.row_of.size):
        row, at = table.row_of[j], n_level + 2 * j
        products[0, row] += x[at] * shape[at] + x[at + 1] * shape[at + 1]
        products[1, row] += x[at + 1] * shape[at] - x[at] * shape[at + 1]
    bound = base
    for row in range(products.shape[1]):
        bound += np.sqrt(products[0, row] ** 2 + products[1, row] ** 2)
    if bound < best - np.float32(FAINT):
        window[1] = 0
        return bound
    return _along(base, table, products, logs, window[0], window[1])


@compiled
def _along(base: Any, table: ShapeTable, products: Any, logs: Any, begin: int, count: int) -> Any:
    logs[:count] = base
    for row in range(products.shape[1]):
        real, imaginary = products[0, row], products[1, row]
        cos, sin = table.cos[row, begin : begin + count], table.sin[row, begin : begin + count]
        for t in range(count):
            logs[t] += real * cos[t] - imaginary * sin[t]
    largest = np.float32(-np.inf)
    for t in range(count):
        largest = max(largest, logs[t])
    return largest


@compiled
def _exponentials(logs: Any, window: Any, best: Any) -> Any:
    """Turn log weights into weights of the best's scale; gives their sum. A faint shape's window is emptied."""
    total = np.float32(0)
    for t in range(window[1]):
        below = logs[t] - best
        weight = np.exp(below) if below > -np.float32(FAINT) else np.float32(0)
        logs[t] = weight
        total += weight
    if total == 0:
        window[1] = 0
    return total


@compiled
def _add_means(k: int, table: ShapeTable, weights: Any, window: Any, values: Any, means: Any) -> None:
    begin, count = window[0], window[1]
    row = table.leading_row
    cos, sin = table.cos[row, begin : begin + count], table.sin[row, begin : begin + count]
    weight = along = across = np.float32(0)
    for t in range(count):
        weight += weights[k, t]
        along += weights[k, t] * cos[t]
        across += weights[k, t] * sin[t]
    means[0] += along
    means[1] += across
    for q in range(values.size):
        means[2 + q] += weight * values[q]


@compiled
def _add_turned_back(x: Any, k: int, table: ShapeTable, weights: Any, window: Any, moments: Any, sums: Any) -> Any:
    begin, count, n_level = window[0], window[1], table.n_level
    weight = np.float32(0)
    for t in range(count):
        weight += weights[k, t]
    for row in range(moments.shape[1]):
        cos, sin = table.cos[row, begin : begin + count], table.sin[row, begin : begin + count]
        along = across = np.float32(0)
        for t in range(count):
            along += weights[k, t] * cos[t]
            across += weights[k, t] * sin[t]
        moments[0, row], moments[1, row] = along, across
    for j in range(n_level):
        sums[j] += weight * x[j]
    for j in range(table.row_of.size):
        row, at = table.row_of[j], n_level + 2 * j
        sums[at] += moments[0, row] * x[at] - moments[1, row] * x[at + 1]
        sums[at + 1] += moments[0, row] * x[at + 1] + moments[1, row] * x[at]
    return weight
