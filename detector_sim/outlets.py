"""Several endpoints of one detector: frames are dealt over them in turn, or by lines, a shard to each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from detector_sim.encoding import EncodedFrame
from detector_sim.message_format import MessageFormat, Parts
from detector_sim.outlet import Outlet
from stream_rrvae.curve import ServerKeys
from stream_rrvae.messages import ScanStart
from stream_rrvae.wire.shards import shard_of_line

Messages = Callable[[Iterable[EncodedFrame]], Iterator[Parts]]


@dataclass(frozen=True, slots=True)
class Dealing:
    """Which endpoint gets which frames: messages in turn, or every endpoint the lines of its shard."""

    as_shards: bool = False
    shard_lines: int = 1


IN_TURN = Dealing()


class Outlets:
    """An outlet at each of `urls`; a scan's start and end go to all.

    With several of them, one whose peer is gone takes no frames until it is back, and the others go on.
    """

    def __init__(
        self,
        urls: Sequence[str],
        kind: str,
        message_bytes: int,
        dealing: Dealing = IN_TURN,
        keys: ServerKeys | None = None,
    ) -> None:
        self._dealing = dealing
        several, share_bytes = len(urls) > 1, len(urls) * message_bytes
        with ExitStack() as stack:
            self.outlets = [stack.enter_context(Outlet(url, kind, share_bytes, several, keys)) for url in urls]
            self._stack = stack.pop_all()

    @property
    def endpoints(self) -> list[str]:
        """Where they are bound."""
        return [outlet.endpoint for outlet in self.outlets]

    @property
    def dropped(self) -> int:
        """Messages for peers that were gone."""
        return sum(outlet.dropped for outlet in self.outlets)

    def wait_for_peers(self) -> None:
        """Return once everybody was there."""
        for outlet in self.outlets:
            outlet.wait_for_peer()

    def announce(self, form: MessageFormat, start: ScanStart) -> None:
        """The start, to each with its own shard."""
        for shard, outlet in enumerate(self.outlets):
            outlet.send(form.start(self._announced(start, shard)))

    def restart(self) -> None:
        """Go away from all of them, with what is queued, and come back."""
        for outlet in self.outlets:
            outlet.restart()

    def end(self, form: MessageFormat) -> None:
        """The end, to all."""
        for outlet in self.outlets:
            outlet.send(form.end())

    def send(self, frames: Iterable[EncodedFrame], columns: int, messages: Messages) -> None:
        """A scan's frames [its lines have so many `columns`], which `messages` makes into messages."""
        if len(self.outlets) == 1:
            send = self.outlets[0].send
            for parts in messages(frames):
                send(parts)
        elif self._dealing.as_shards:
            for shard, own in itertools.groupby(frames, lambda frame: self._shard_of(frame.number // columns)):
                for parts in messages(own):
                    self.outlets[shard].send(parts)
        else:
            for outlet, parts in zip(itertools.cycle(self.outlets), messages(frames), strict=False):
                outlet.send(parts)

    def _shard_of(self, line: int) -> int:
        return shard_of_line(line, len(self.outlets), self._dealing.shard_lines)

    def _announced(self, start: ScanStart, shard: int) -> ScanStart:
        if not self._dealing.as_shards:
            return start
        lines = self._dealing.shard_lines
        return replace(start, shard_id=shard, shard_count=len(self.outlets), shard_lines=lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
