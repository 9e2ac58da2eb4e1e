"""What systemd is told over NOTIFY_SOCKET: ready, stopping, and that the frame loop turns.

Protocol: sd_notify(3), a datagram of NAME=VALUE lines. `WATCHDOG_USEC` is systemd's own word for WatchdogSec=.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from time import monotonic

from stream_rrvae.log import event

FEEDS_AN_INTERVAL = 4  # twice as often as systemd asks for: a turn may come late
LATE = 0.5  # of the interval: a loop that has not come round for so long is not spoken for


class Systemd:
    """Tells systemd, or nobody where the service was not started by it.

    Takes the variables out of `environment`: no child process is to speak for us.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        interval_us, whose = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        is_ours = interval_us.isdigit() and whose in ("", str(os.getpid()))
        self._interval_s = int(interval_us) / 1e6 if self._address and is_ours else 0.0
        self._fed_s = 0.0

    def ready(self, status: str) -> None:
        """Everything is up."""
        self._tell(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """It is being ended."""
        self._tell("STOPPING=1\nSTATUS=finishing what was received")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._tell(f"STATUS={text}")

    def turned(self, age_s: float) -> None:
        """The frame loop came round, and no part of it has been at the same thing for longer than `age_s`."""
        now_s = monotonic()
        if not self._interval_s or age_s > LATE * self._interval_s:
            return
        if now_s - self._fed_s >= self._interval_s / FEEDS_AN_INTERVAL:
            self._fed_s = now_s
            self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is in Linux' abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as told:
                told.sendto(message.encode(), address)
        except OSError as error:
            event("systemd_not_told", reason=str(error.strerror), message=message.split("\n", maxsplit=1)[0])
