"""Who may connect to a bound socket: holders of known CURVE keys, by ZeroMQ's authentication protocol (RFC 27).

Encryption alone admits everybody who knows the server's public key.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence

import zmq
from zmq.utils import z85

from stream_rrvae.closing import Closing
from stream_rrvae.curve import ServerKeys
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.log import event

WHERE = "inproc://zeromq.zap.01"
DOMAIN = b"stream-rrvae"
# Without it libzmq admits everybody when nobody answers at WHERE. pyzmq gives it no name.
ZAP_ENFORCE_DOMAIN = 93
ADMITTED = b"200", b"OK"
HANDSHAKE_MS = 3000  # then who was refused is disconnected, and tries again; so is who says nothing
# "400" would tell libzmq's client never to try again, also when its key has been added since.
REFUSED = b"300", b"this key is not known"


class Entrance:
    """Makes a socket to bind; without `keys` for everybody who reaches it, else for their holders.

    `own`: in a context that nobody shares, which one with keys always has.
    """

    def __init__(self, keys: ServerKeys | None, own: bool = False) -> None:
        self._keys = keys
        self._is_own = own or keys is not None
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._doorkeeper: Doorkeeper | None = None

    def socket(self, kind: int) -> zmq.Socket[bytes]:
        """The one socket. Raises ConfigError or SecurityError when the clients' keys cannot be used."""
        self._context = zmq.Context() if self._is_own else zmq.Context.instance()
        socket = self._context.socket(kind)
        if self._keys is not None:
            try:
                self._doorkeeper = Doorkeeper(socket, self._keys)
            except StreamRrvaeError:
                self.close()
                raise
        return socket

    def close(self, linger_ms: int = 0) -> None:
        """Close a context of our own with all that is in it; else the socket is its user's to close."""
        if self._doorkeeper is not None:
            self._doorkeeper.close()
        if self._is_own and self._context is not None:
            self._context.destroy(linger_ms)


class Doorkeeper(Closing):
    """Answers for `socket`, which is not bound yet, in a thread of its own until closed; one in a context.

    Raises ConfigError or SecurityError when the folder of clients' keys cannot be used.
    """

    def __init__(self, socket: zmq.Socket[bytes], keys: ServerKeys) -> None:
        keys.allowed()
        self._keys = keys
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = keys.own.public, keys.own.secret
        socket.zap_domain = DOMAIN
        socket.set(ZAP_ENFORCE_DOMAIN, 1)
        socket.handshake_ivl = HANDSHAKE_MS
        context: zmq.Context[zmq.Socket[bytes]] = socket.context
        self._asked = context.socket(zmq.REP)
        self._asked.linger = 0
        self._asked.bind(WHERE)
        self._over = os.eventfd(0, os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="doorkeeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Admit nobody any more; may be called more than once."""
        with self._lock:
            if self._thread.is_alive():
                os.eventfd_write(self._over, 1)
                self._thread.join()
                os.close(self._over)

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._over, zmq.POLLIN)
        poller.register(self._asked, zmq.POLLIN)
        with self._asked:
            while self._over not in dict(poller.poll()):
                self._asked.send_multipart(self._answer(self._asked.recv_multipart()))

    def _answer(self, asked: Sequence[bytes]) -> list[bytes]:
        """To libzmq itself, which took what it asks of a handshake apart."""
        version, number, _domain, address, _identity, mechanism, *credentials = asked
        key = z85.encode(credentials[0]) if mechanism == b"CURVE" else b""
        name = self._name_of(key)
        if name is None:
            event("client_refused", logging.WARNING, address=address.decode(), public_key=key.decode())
        return [version, number, *(REFUSED if name is None else ADMITTED), (name or "").encode(), b""]

    def _name_of(self, key: bytes) -> str | None:
        try:
            return self._keys.allowed().get(key)
        except StreamRrvaeError as error:
            event("clients_keys_unusable", logging.ERROR, reason=str(error))
            return None
