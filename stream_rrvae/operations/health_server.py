"""`/livez`, `/readyz` and `/metrics` over HTTP, in a thread of its own; nothing that is asked here waits for frames."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer, TCPServer
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from stream_rrvae.errors import ConfigError
from stream_rrvae.security import check_bind

MOST_AT_ONCE = 8
REQUEST_S = 5.0  # to say what is wanted, and to take it
CLOSE_LOOK_S = 0.05
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Answer = tuple[HTTPStatus, str, bytes]  # status, content type, body
Checks = Callable[[], Mapping[str, str]]  # by name what is wrong, "" = nothing


class HealthServer:
    """Answers at `address` (HOST:PORT, port 0 = any) from `start` to `stop`; `url` is where.

    `live` says what keeps the frame loop, "" = nothing; `ready` what is amiss with each thing that frames need.
    Raises ConfigError when the address cannot be bound, SecurityError when it lies beyond this machine.
    """

    def __init__(
        self, address: str, registry: CollectorRegistry, live: Callable[[], str], ready: Checks, allow_remote: bool
    ) -> None:
        host, port = parse_address(address)
        check_bind(f"tcp://{address}", allow_remote)
        answers = {"/livez": lambda: _live(live()), "/readyz": lambda: _ready(ready())}
        answers["/metrics"] = lambda: (HTTPStatus.OK, METRICS_TYPE, generate_latest(registry))
        try:
            self._server = _Server(host, port, answers)
        except OSError as error:
            raise ConfigError(f"cannot serve on {address}: {error.strerror}; choose another --http") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(CLOSE_LOOK_S,), name="health-http", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._server.server_address[:2]
        return f"http://{_shown(str(host))}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the socket."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT. Raises ConfigError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{address} is no HOST:PORT, such as 127.0.0.1:9464")
    return host.strip("[]"), int(port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # who does not take an answer is not waited for
    request_queue_size = MOST_AT_ONCE

    def __init__(self, host: str, port: int, answers: Mapping[str, Callable[[], Answer]]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.answers = answers
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without asking a name server who we are."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """No more threads than `MOST_AT_ONCE`; who comes then is hung up on."""
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Somebody hung up on us, or was too slow: no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_S
    server_version, sys_version = "stream-rrvae", ""

    def do_GET(self) -> None:
        """Answer, or 404."""
        server: BaseServer = self.server
        assert isinstance(server, _Server)
        answer = server.answers.get(self.path.partition("?")[0])
        status, kind, body = answer() if answer else (HTTPStatus.NOT_FOUND, "text/plain", b"not here\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Who asks is no news."""


def _live(fault: str) -> Answer:
    status = HTTPStatus.SERVICE_UNAVAILABLE if fault else HTTPStatus.OK
    return status, "text/plain; charset=utf-8", (fault or "ok").encode()


def _ready(checks: Mapping[str, str]) -> Answer:
    ready = not any(checks.values())
    told = {"ready": ready, "checks": {name: fault or "ok" for name, fault in checks.items()}}
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "application/json", json.dumps(told).encode()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
