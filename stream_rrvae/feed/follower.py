"""A viewer's picture of a feed: whole snapshots and changes go in, whole snapshots come out. Without a socket."""

from __future__ import annotations

from dataclasses import replace

from stream_rrvae.errors import FeedError
from stream_rrvae.feed.codec import Changes, decode_message
from stream_rrvae.feed.patched_maps import PatchedMaps
from stream_rrvae.messages import Snapshot


class Follower:
    """For one thread; `lacks` something while changes come that build on what it never got."""

    def __init__(self) -> None:
        self.lacks = False
        self._latest: tuple[str, int] | None = None  # stream and number of the update that the maps are of
        self._maps = PatchedMaps({})
        self._scan_shape = (0, 0)

    def take(self, message: bytes | memoryview) -> Snapshot | None:
        """The snapshot after `message`, None while it lacks something. Raises FeedError and keeps what it knew."""
        update = decode_message(message)
        if isinstance(update, Changes):
            snapshot = self._changed(update)
        else:
            snapshot = update.snapshot
            self._maps, self._scan_shape = PatchedMaps.of(snapshot.maps), snapshot.scan_shape
        self.lacks = snapshot is None
        if snapshot is not None:
            self._latest = (update.mark.stream, update.mark.number)
        return snapshot

    def _changed(self, update: Changes) -> Snapshot | None:
        if self._latest != (update.mark.stream, update.mark.since) or update.snapshot.scan_shape != self._scan_shape:
            return None
        if unknown := update.runs.keys() - self._maps.keys():
            raise FeedError(f"changes of maps that are not there: {', '.join(sorted(unknown))}")
        self._maps = self._maps.then(update.runs)
        return replace(update.snapshot, maps=self._maps)
