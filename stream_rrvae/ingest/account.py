"""The account of one scan: every frame message in exactly one class, at every moment.

See decisions/002-account-of-a-scan.md for the definition. Used by one thread at a time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest.account_loop import (
    DUPLICATE,
    N_COUNTS,
    PLACED,
    PROCESSED,
    REFUSED_POSITIONS,
    REORDERED,
    SEEN,
    UNNUMBERED,
    UNSEEN,
    count_entries,
)
from stream_rrvae.ingest.frame_batch import CODES, NO_NUMBER, REFUSALS, SKIP_CODES, SKIPS
from stream_rrvae.messages import BoolArray, Counters, FrameSkip, Refusal

Codes = NDArray[np.uint8]


class ScanAccount:
    """Counts what became of the frames of a scan with `n_positions` positions.

    Of a shard only its `own` positions [n_positions] are due; None = all. Frames of others are refused.
    """

    def __init__(self, n_positions: int, own: BoolArray | None = None) -> None:
        self._own = own
        self._positions = np.zeros(n_positions, np.uint8)  # what is known of each
        self._counts = np.zeros(N_COUNTS, np.int64)
        self._refusals = np.zeros(len(REFUSALS) + len(SKIPS) + 1, np.int64)  # by code, skips too
        self._ended = False

    def is_placed(self, number: int) -> bool:
        """Whether position `number` has its frame."""
        return bool(self._positions[number] == PLACED)

    def are_placed(self, numbers: NDArray[np.int64]) -> BoolArray:
        """Which of `numbers`, all of the scan, have their frames."""
        return np.asarray(self._positions[numbers] == PLACED)

    def expects(self, number: int) -> bool:
        """Whether position `number` is due here."""
        return self._own is None or bool(self._own[number])

    def processed(self, number: int) -> None:
        """A good frame went to its position, which had none."""
        if self.is_placed(number):
            raise ValueError(f"position {number} has its frame already")
        self._count_one(number, 0, 0)

    def refused(self, reason: Refusal, number: int | None) -> None:
        """A frame could not be used; a number outside the scan explains no hole in it."""
        self._count_one(NO_NUMBER if number is None else number, CODES[reason], 0)

    def skipped(self, reason: FrameSkip, number: int) -> None:
        """A frame of a position that has none is left out, undecoded."""
        self._count_one(number, 0, SKIP_CODES[reason])

    def duplicate(self) -> None:
        """A frame came for a position that has its frame already."""
        self._counts[DUPLICATE] += 1

    def take(self, numbers: NDArray[np.int64], refused: Codes, outcome: Codes) -> NDArray[np.intp]:
        """Count entries [n] in their order; gives the indices of those whose values now belong into the maps.

        `refused` is the code of a refusal before decoding, 0 = a frame; then `outcome` is the code of its refusal by
        the decoder or of why it was skipped, 0 = a good one.
        """
        if self._own is not None:
            numbers, refused = self._with_others_refused(self._own, numbers, refused)
        placed = np.empty(numbers.size, np.intp)
        count = count_entries(self._positions, self._counts, self._refusals, numbers, refused, outcome, placed)
        return placed[:count]

    def end(self) -> None:
        """No more is to come of its own accord: every position is due."""
        self._ended = True

    def missing(self) -> BoolArray:
        """Of the positions up to the highest seen: whether nothing came for them; a shard's others are not missing."""
        front = int(self._counts[SEEN])
        missing: BoolArray = self._positions[:front] == UNSEEN
        return missing if self._own is None else missing & self._own[:front]

    def counters(self) -> Counters:
        """The account now; both identities of `Counters` hold."""
        counts = self._counts.tolist()
        processed, duplicate = counts[PROCESSED], counts[DUPLICATE]
        front = self._due(self._positions.size if self._ended else counts[SEEN])
        reasons = self._refusals[1 : len(REFUSALS) + 1]
        skips = self._refusals[len(REFUSALS) + 1 :]
        refused, skipped = int(reasons.sum()), int(skips.sum())
        holes = front - processed
        explained = counts[REFUSED_POSITIONS] + min(counts[UNNUMBERED], holes - counts[REFUSED_POSITIONS])
        return Counters(
            expected=front + duplicate + refused + skipped - explained,
            received=processed + refused + duplicate + skipped,
            missing=holes - explained,
            processed=processed,
            refused=refused,
            duplicate=duplicate,
            reordered=counts[REORDERED],
            refusals={str(reason): int(n) for reason, n in zip(REFUSALS, reasons, strict=True) if n},
            skipped=skipped,
            skips={str(reason): int(n) for reason, n in zip(SKIPS, skips, strict=True) if n},
        )

    def _due(self, front: int) -> int:
        return front if self._own is None else int(np.count_nonzero(self._own[:front]))

    def _with_others_refused(
        self, own: BoolArray, numbers: NDArray[np.int64], refused: Codes
    ) -> tuple[NDArray[np.int64], Codes]:
        """Frames for other shards' positions as refused ones that explain no hole here."""
        beyond = own.size
        foreign = (numbers >= 0) & (numbers < beyond) & ~own[np.clip(numbers, 0, beyond - 1)]
        codes = np.where(foreign & (refused == 0), np.uint8(CODES[Refusal.NUMBER]), refused)
        return np.where(foreign, beyond, numbers), codes

    def _count_one(self, number: int, refused: int, outcome: int) -> None:
        self.take(np.array([number]), np.array([refused], np.uint8), np.array([outcome], np.uint8))
