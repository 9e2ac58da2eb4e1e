"""The last frames of a feed, to step back through; one ring for all sessions, bounded in bytes."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from itertools import islice

from dashboards.feeds.view_frame import ViewFrame

FRAMES_LIMIT = 20
BYTES_LIMIT = 64 << 20
SPACING_S = 0.5  # so that the ring reaches back ten seconds
HOLDERS_LIMIT = 4
_VALUE_BYTES = 4  # of maps, float32


class FrameRing:
    """A frame every `SPACING_S`. A session that freezes holds the ring as it is, while the ring goes on.

    Not more than HOLDERS_LIMIT rings are held; who froze first then keeps the one frame that it shows.
    """

    def __init__(self) -> None:
        self._frames: deque[ViewFrame] = deque(maxlen=FRAMES_LIMIT)
        self._held: OrderedDict[int, tuple[ViewFrame, ...]] = OrderedDict()

    def add(self, frame: ViewFrame) -> None:
        """Take `frame` if it is time for another one."""
        if self._frames and frame.received_s - self._frames[-1].received_s < SPACING_S:
            return
        self._frames.append(frame)
        while len(self._frames) > 1 and sum(map(_size_bytes, self._frames)) > BYTES_LIMIT:
            self._frames.popleft()

    def hold(self, who: int, latest: ViewFrame) -> None:
        """Keep what is there now for session `who`, which froze at `latest`; nothing new if it holds already."""
        if who in self._held:
            return
        self._held[who] = tuple(frame for frame in self._frames if frame.received_s < latest.received_s)
        while len(self._held) > HOLDERS_LIMIT:
            self._held.popitem(last=False)

    def release(self, who: int) -> None:
        self._held.pop(who, None)

    def steps(self, who: int) -> int:
        """How many steps back session `who` can go."""
        return len(self._held.get(who, ()))

    def before(self, who: int, steps: int) -> ViewFrame | None:
        """The frame so many steps before the one at which `who` froze; the oldest where there are not so many."""
        held = self._held.get(who, ())
        return next(islice(reversed(held), min(steps, len(held)) - 1, None)) if held and steps > 0 else None


def _size_bytes(frame: ViewFrame) -> int:
    snapshot = frame.snapshot
    pattern = 0 if snapshot.pattern is None else snapshot.pattern.nbytes
    # Asked for its size, a map of which only changes came would be put together.
    return pattern + len(snapshot.maps) * math.prod(snapshot.scan_shape) * _VALUE_BYTES
