"""As much of DECTRIS' SIMPLON API as a receiver of Stream V1 asks for before it listens; on this machine only.

Readable: detector/api/1.8.0/config/NAME for what the series' header says, stream/api/1.8.0/config/mode and
header_detail. A PUT is accepted when it changes nothing. There are no commands: the simulator arms itself.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

from stream_rrvae.errors import StreamRrvaeError

VERSION = "1.8.0"
_BODY_BYTES_LIMIT = 64 << 10
_PATIENCE_S = 5.0
_PATH = re.compile(rf"/(detector|stream)/api/(?:{VERSION}/config/(\w+)|version/?)")
_KINDS = {bool: "bool", int: "uint", float: "float", str: "string"}

Values = Mapping[str, Mapping[str, Any]]


class SimplonApi:
    """An HTTP server on loopback that tells `values` (module -> name -> value) until it is closed.

    Port 0 = a free one; `url` names it. Raises StreamRrvaeError when the port cannot be had.
    """

    def __init__(self, port: int, detector: Mapping[str, Any], header_detail: str) -> None:
        values = {
            "detector": detector,
            "stream": {"mode": "enabled", "format": "legacy", "header_detail": header_detail},
        }
        handler = type("Handler", (_Handler,), {"values": values})
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            raise StreamRrvaeError(f"cannot serve HTTP on port {port}: {error.strerror}") from error
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="simplon", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    values: ClassVar[Values] = {}
    timeout = _PATIENCE_S

    def do_GET(self) -> None:  # the name that http.server calls
        match = _PATH.fullmatch(self.path)
        if match and match[2] is None:
            self._answer(200, _described(VERSION))
        elif match and match[2] in self.values[match[1]]:
            self._answer(200, _described(self.values[match[1]][match[2]]))
        else:
            self._answer(404, {"error": "this simulator does not know it"})

    def do_PUT(self) -> None:
        match, body = _PATH.fullmatch(self.path), self._body()
        if not match or match[2] not in self.values[match[1]]:
            self._answer(404, {"error": "this simulator does not know it"})
        elif not isinstance(body, dict) or body.get("value") != self.values[match[1]][match[2]]:
            self._answer(400, {"error": f"{match[2]} cannot be changed here"})
        else:
            self._answer(200, [match[2]])

    def log_message(self, format: str, *args: Any) -> None:
        """Not on standard error."""

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _BODY_BYTES_LIMIT:
            return None
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return None

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _described(value: Any) -> dict[str, Any]:
    return {"access_mode": "r", "value": value, "value_type": _KINDS.get(type(value), "string")}
