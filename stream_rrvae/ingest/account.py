"""The account of one scan: every frame message in exactly one class, at every moment.

See decisions/002-account-of-a-scan.md for the definition. One thread owns an account.
"""

from __future__ import annotations

from collections import Counter

from stream_rrvae.messages import Counters, Refusal

_UNSEEN, _REFUSED, _PLACED = range(3)


class ScanAccount:
    """Counts what became of the frames of a scan with `n_positions` positions."""

    def __init__(self, n_positions: int) -> None:
        self._positions = bytearray(n_positions)  # what is known of each: _UNSEEN, _REFUSED, _PLACED
        self._seen = 0  # one more than the highest number seen
        self._ended = False
        self._processed = 0
        self._duplicate = 0
        self._reordered = 0
        self._refused_positions = 0  # positions in state _REFUSED
        self._unnumbered = 0  # refusals of frames that did not say which they are
        self._refusals: Counter[str] = Counter()

    def is_placed(self, number: int) -> bool:
        """Whether position `number` has its frame."""
        return self._positions[number] == _PLACED

    def processed(self, number: int) -> None:
        """A good frame went to its position, which had none."""
        before = self._positions[number]
        if before == _PLACED:
            raise ValueError(f"position {number} has its frame already")
        self._refused_positions -= before == _REFUSED
        self._positions[number] = _PLACED
        self._processed += 1
        self._reordered += number < self._seen - 1
        self._seen = max(self._seen, number + 1)

    def refused(self, reason: Refusal, number: int | None) -> None:
        """A frame could not be used; a number outside the scan explains no hole in it."""
        self._refusals[str(reason)] += 1
        if number is None:
            self._unnumbered += 1
        elif 0 <= number < len(self._positions):
            self._seen = max(self._seen, number + 1)
            if self._positions[number] == _UNSEEN:
                self._positions[number] = _REFUSED
                self._refused_positions += 1

    def duplicate(self) -> None:
        """A frame came for a position that has its frame already."""
        self._duplicate += 1

    def end(self) -> None:
        """No more is to come of its own accord: every position is due."""
        self._ended = True

    def counters(self) -> Counters:
        """The account now; both identities of `Counters` hold."""
        front = len(self._positions) if self._ended else self._seen
        refused = self._refusals.total()
        holes = front - self._processed
        explained = self._refused_positions + min(self._unnumbered, holes - self._refused_positions)
        return Counters(
            expected=front + self._duplicate + refused - explained,
            received=self._processed + refused + self._duplicate,
            missing=holes - explained,
            processed=self._processed,
            refused=refused,
            duplicate=self._duplicate,
            reordered=self._reordered,
            refusals=dict(self._refusals),
        )
