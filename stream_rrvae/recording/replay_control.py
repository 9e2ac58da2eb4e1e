"""Who holds the key may pause a replay, set it going, change its speed, and have it go on from elsewhere.

A request is one ZeroMQ message of JSON: {"key": text, "do": "status", "play", "pause", "speed" or "seek", "value":
number}; a speed of 0 means as fast as it goes, a place to seek is a frame in the order of arrival. The answer is
{"speed", "paused", "frame", "frames"} (speed null = as fast as it goes), or {"error"}.
"""

from __future__ import annotations

import hmac
import json
import math
import os
import secrets
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import zmq

from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.recording.replay_clock import ReplayClock
from stream_rrvae.security import check_bind

REQUEST_BYTES = 1024
LOOK_MS = 200


def control_key(path: Path) -> str:
    """The key in the file, made if it is not there. Raises SecurityError when others may read it, ConfigError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _kept_key(path)
    except OSError as error:
        raise ConfigError(f"cannot write the key file {path}: {error.strerror}") from error
    with os.fdopen(handle, "w") as file:
        key = secrets.token_urlsafe(32)
        file.write(key)
    return key


def _kept_key(path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SecurityError(f"others may read the key file {path}: chmod 600 {path}")
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the key file {path}: {error}") from error
    if len(key) < 16:
        raise SecurityError(f"the key in {path} is too short: remove the file, and another is made")
    return key


class ReplayControl:
    """Answers on `url`, which must be of this machine, in a thread of its own until closed."""

    def __init__(self, url: str, key: str, clock: ReplayClock) -> None:
        check_bind(url)
        self._key = key.encode()
        self._clock = clock
        self._over = threading.Event()
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REP)
        self._socket.set(zmq.MAXMSGSIZE, REQUEST_BYTES)
        self._socket.set(zmq.LINGER, 0)
        try:
            self._socket.bind(url)
        except zmq.ZMQError as error:
            self._socket.close(0)
            raise ConfigError(f"cannot bind {url}: {error}") from error
        self.address: str = self._socket.get_string(zmq.LAST_ENDPOINT)
        self._thread = threading.Thread(target=self._answer_all, name="replay control")
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._over.set()
        self._thread.join()

    def _answer_all(self) -> None:
        while not self._over.is_set():
            if self._socket.poll(LOOK_MS):
                parts = self._socket.recv_multipart()
                self._socket.send(json.dumps(self._answer(parts[0] if len(parts) == 1 else b"")).encode())
        self._socket.close(0)

    def _answer(self, request: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(request)
            if not isinstance(asked, dict) or not self._is_known(asked.get("key")):
                return {"error": "the key is wrong"}
            self._do(asked)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            return {"error": f"not understood: {str(error)[:200]}"}
        state = self._clock.state
        speed = None if state.speed == math.inf else state.speed
        return {"speed": speed, "paused": state.paused, "frame": state.frame, "frames": state.n_frames}

    def _is_known(self, key: Any) -> bool:
        return isinstance(key, str) and hmac.compare_digest(key.encode("utf-8", "replace"), self._key)

    def _do(self, asked: Mapping[str, Any]) -> None:
        actions: dict[str, Callable[[], None]] = {
            "status": lambda: None,
            "play": self._clock.play,
            "pause": self._clock.pause,
            "speed": lambda: self._clock.set_speed(float(asked["value"]) or math.inf),
            "seek": lambda: self._clock.seek(int(asked["value"])),
        }
        if asked.get("do") not in actions:
            raise ValueError(f"do one of {', '.join(actions)}")
        actions[asked["do"]]()
