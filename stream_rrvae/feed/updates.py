"""What a publisher sends of each snapshot: all of it, or what changed since the one before."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from stream_rrvae.feed.array_codec import as_sent
from stream_rrvae.feed.codec import Mark, encode_changes, encode_snapshot
from stream_rrvae.feed.runs import Run, bytes_of, changed_runs
from stream_rrvae.messages import Float32Array, Snapshot

WORTH_CHANGES = 0.75  # of all maps' bytes: above it all are sent, and whoever has missed something is up to date


class Updates:
    """The updates of one publisher, numbered from 1; for one thread. `stream` tells it from all others."""

    def __init__(self, stream: str = "") -> None:
        self._stream = stream or secrets.token_hex(8)  # a service that starts again counts from 1 again
        self._number = 0
        self._sent: Mapping[str, Float32Array] | None = None

    def message(self, snapshot: Snapshot, told: Mapping[str, slice], whole: bool) -> tuple[memoryview, bool]:
        """The next message, and whether it is the `whole` snapshot, which it also is where that is no longer.

        `told` says where maps differ whose arrays are those of the snapshot before. Raises FeedError when the
        snapshot holds what cannot be sent; then the next one is whole.
        """
        sent, self._sent = self._sent, None
        self._number += 1
        maps = {name: as_sent(image) for name, image in snapshot.maps.items()}
        runs = None if whole or sent is None else _runs(maps, sent, told)
        if runs is None:
            message = encode_snapshot(snapshot, Mark(self._stream, self._number))
        else:
            message = encode_changes(snapshot, runs, Mark(self._stream, self._number, self._number - 1))
        self._sent = maps
        return message, runs is None

    def forget(self) -> None:
        """Send the next snapshot whole: something may have got lost."""
        self._sent = None


def _runs(
    maps: Mapping[str, Float32Array], sent: Mapping[str, Float32Array], told: Mapping[str, slice]
) -> dict[str, Run] | None:
    """What changed; None where it takes as much to say it as to send all."""
    if {name: image.shape for name, image in maps.items()} != {name: image.shape for name, image in sent.items()}:
        return None
    runs = changed_runs(maps, sent, told)
    return runs if bytes_of(runs) <= WORTH_CHANGES * sum(image.nbytes for image in maps.values()) else None
