"""Publishes the newest snapshot at a steady rate to whoever looks; a slow viewer misses snapshots and delays nobody.

Whoever comes, or has missed something, gets a whole snapshot; from then on what changes.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing

import zmq

from stream_rrvae.curve import ServerKeys
from stream_rrvae.doorkeeper import Entrance
from stream_rrvae.errors import ConfigError, StreamRrvaeError
from stream_rrvae.feed.updates import Updates
from stream_rrvae.feed.viewers import Viewers
from stream_rrvae.feed.wishes import Wishes
from stream_rrvae.log import event
from stream_rrvae.messages import Snapshot
from stream_rrvae.security import check_bind

MOST_LEFT_OUT = 4  # turns one after the other
SHARE_BEHIND = 0.05  # of a core that snapshots may take while whoever measures is behind
WAITING_LIMIT = 4  # messages for one viewer, the newest is dropped; then it asks for a whole one
WHOLE_AGAIN_S = 0.5  # after a whole snapshot: who keeps missing something must not cost others all that changes save


class Publisher:
    """A thread that calls `take` `rate_hz` times a second while somebody is connected and publishes what it gives.

    `take` runs in that thread. What it raises is logged and counted in `failures`; the
    next turn tries again. A turn that takes longer than the period skips the turns it missed. While whoever measures
    `is_behind`, most turns are left out: snapshots take of the same cores. With `keys` only their
    holders may connect.
    """

    def __init__(
        self,
        url: str,
        instrument: str,
        rate_hz: float,
        take: Callable[[], Snapshot],
        allow_remote: bool = False,
        is_behind: Callable[[], bool] = bool,
        keys: ServerKeys | None = None,
        changed: Callable[[], Mapping[str, slice]] = dict,
    ) -> None:
        self.url = check_bind(url, allow_remote, keys is not None)
        self._entrance = Entrance(keys)
        self.published = 0
        self.failures = 0
        self._period_s = 1.0 / rate_hz
        self._take = take
        self._is_behind = is_behind
        self._changed = changed
        self._updates = Updates()
        self._whole_s = float("-inf")  # when the latest whole snapshot was sent
        self._left_out = 0  # turns since the last snapshot
        self._cost_s = math.inf  # CPU time of a snapshot in this thread, lately
        self._stop = threading.Event()
        self._socket: zmq.Socket[bytes] | None = None
        self._viewers: Viewers | None = None
        self._wishes: Wishes | None = None
        self._thread = threading.Thread(target=self._run, name=f"feed-{instrument}", daemon=True)

    def start(self) -> None:
        """Bind and begin; `url` then names the port that was taken. Raises ConfigError."""
        self._socket, self._viewers, self._wishes = _bound_socket(self._entrance, self.url)
        self.url = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the socket; may be called more than once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._entrance.close()

    def _run(self) -> None:
        assert self._socket is not None
        assert self._viewers is not None
        assert self._wishes is not None
        deadline = time.monotonic()
        with self._socket, closing(self._viewers) as viewers:
            while not self._stop.wait(max(0.0, deadline - time.monotonic())):
                self._wishes.look()
                if viewers.any() and not self._leaves_out():
                    begun_s = time.thread_time()
                    self._publish_one(self._socket, self._wishes)
                    self._note_cost(time.thread_time() - begun_s)
                deadline = next_deadline(deadline, time.monotonic(), self._period_s)

    def _leaves_out(self) -> bool:
        """Whether this turn's time is better left to who is behind."""
        most = int(min(MOST_LEFT_OUT, self._cost_s / (SHARE_BEHIND * self._period_s)))
        self._left_out = self._left_out + 1 if self._left_out < most and self._is_behind() else 0
        return self._left_out > 0

    def _note_cost(self, taken_s: float) -> None:
        """Mostly of the last few: now and then one is made of everything."""
        self._cost_s = taken_s if math.isinf(self._cost_s) else 0.8 * self._cost_s + 0.2 * taken_s

    def _publish_one(self, socket: zmq.Socket[bytes], wishes: Wishes) -> None:
        now_s = time.monotonic()
        wanted = wishes.whole_only or (wishes.whole_once and now_s >= self._whole_s + WHOLE_AGAIN_S)
        try:
            message, is_whole = self._updates.message(self._take(), self._changed(), wanted)
            socket.send(message, zmq.NOBLOCK, copy=False)
        except Exception as error:
            # Viewers must not lose their instrument to one bad moment of it.
            self.failures += 1
            self._updates.forget()
            if isinstance(error, StreamRrvaeError):
                event("snapshot_failed", logging.WARNING, reason=str(error))
            else:
                event("snapshot_failed", logging.ERROR, error=error, reason=repr(error))
            return
        self.published += 1
        if is_whole:
            wishes.fulfilled()
            self._whole_s = now_s


def next_deadline(deadline_s: float, now_s: float, period_s: float) -> float:
    """The first time on the grid of `deadline_s` that is still to come."""
    missed = max(0, int((now_s - deadline_s) / period_s))
    return deadline_s + (missed + 1) * period_s


def _bound_socket(entrance: Entrance, url: str) -> tuple[zmq.Socket[bytes], Viewers, Wishes]:
    socket = entrance.socket(zmq.XPUB)
    socket.setsockopt(zmq.SNDHWM, WAITING_LIMIT)
    socket.setsockopt(zmq.LINGER, 0)
    viewers, wishes = Viewers(socket, url), Wishes(socket)
    try:
        socket.bind(url)
    except zmq.ZMQError as error:
        viewers.close()
        socket.close()
        entrance.close()
        raise ConfigError(f"cannot publish on {url}: {error.strerror}; choose another --feed") from error
    return socket, viewers, wishes
