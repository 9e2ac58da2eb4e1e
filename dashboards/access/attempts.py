"""How often somebody may try a passphrase: few times a minute from one address, not many from all together."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 60.0
FROM_ONE_ADDRESS = 5
FROM_ALL = 50
ADDRESSES_KEPT = 256


class Attempts:
    """Wrong attempts of the last minute; knows a bounded number of addresses."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: deque[float] = deque(maxlen=FROM_ALL)
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """How long `address` has to wait for its next attempt; 0 = it may try now."""
        own = self._by_address.get(address, deque(maxlen=FROM_ONE_ADDRESS))
        return max(self._full_for_s(own), self._full_for_s(self._all))

    def failed(self, address: str) -> None:
        """A wrong attempt from `address`."""
        own = self._by_address.setdefault(address, deque(maxlen=FROM_ONE_ADDRESS))
        self._by_address.move_to_end(address)
        if len(self._by_address) > ADDRESSES_KEPT:
            self._by_address.popitem(last=False)
        for times_s in (own, self._all):
            times_s.append(self._clock())

    def _full_for_s(self, times_s: deque[float]) -> float:
        if times_s.maxlen is None or len(times_s) < times_s.maxlen:
            return 0.0
        return max(0.0, times_s[0] + WINDOW_S - self._clock())
