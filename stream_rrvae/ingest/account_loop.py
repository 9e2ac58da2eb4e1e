"""The account's rules for many frames at once, compiled; see `account.ScanAccount`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled, compiled_entry

UNSEEN, REFUSED, PLACED = range(3)  # what is known of a position
# Entries of `counts`: one more than the highest number seen; frames; positions in state REFUSED; and
# refusals of frames that did not say which they are.
SEEN, PROCESSED, DUPLICATE, REORDERED, REFUSED_POSITIONS, UNNUMBERED, N_COUNTS = range(7)

Integers = NDArray[np.int64]
Codes = NDArray[np.uint8]


@compiled_entry
def count_entries(
    positions: Codes,
    counts: Integers,
    refusals: Integers,
    numbers: Integers,
    refused: Codes,
    outcome: Codes,
    placed: NDArray[np.intp],
) -> int:
    """Count every entry; gives how many of them were placed, and their indices in `placed`."""
    n_placed = 0
    for i in range(numbers.size):
        number = numbers[i]
        if refused[i] != 0:
            _refuse(positions, counts, refusals, number, refused[i])
        elif positions[number] == PLACED:
            counts[DUPLICATE] += 1
        elif outcome[i] != 0:
            _refuse(positions, counts, refusals, number, outcome[i])
        else:
            _place(positions, counts, number)
            placed[n_placed] = i
            n_placed += 1
    return n_placed


@compiled
def _place(positions: Codes, counts: Integers, number: int) -> None:
    counts[REFUSED_POSITIONS] -= positions[number] == REFUSED
    positions[number] = PLACED
    counts[PROCESSED] += 1
    counts[REORDERED] += number < counts[SEEN] - 1
    counts[SEEN] = max(counts[SEEN], number + 1)


@compiled
def _refuse(positions: Codes, counts: Integers, refusals: Integers, number: int, code: int) -> None:
    refusals[code] += 1
    if number < 0:
        counts[UNNUMBERED] += 1
    elif number < positions.size:
        counts[SEEN] = max(counts[SEEN], number + 1)
        if positions[number] == UNSEEN:
            positions[number] = REFUSED
            counts[REFUSED_POSITIONS] += 1
