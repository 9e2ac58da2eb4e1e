"""The sample configuration in a real nginx before a real dashboard, prefix and websocket included."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stream_rrvae.commands.children import Child

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "stream-rrvae.conf"

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="NOT CHECKED: nginx is not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def public_port(tmp_path: Path) -> Iterator[int]:
    inner, public = free_port(), free_port()
    sample = SAMPLE.read_text()
    assert "127.0.0.1:5006" in sample and "listen 127.0.0.1:8080" in sample
    site = sample.replace("127.0.0.1:5006", f"127.0.0.1:{inner}").replace("127.0.0.1:8080", f"127.0.0.1:{public}")
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr warn; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;"
        f" fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;\n{site}\n}}\n"
    )
    arguments = ("--feed", f"ipc://{tmp_path}/feed", "--port", str(inner), "--prefix", "/em")
    origin = f"microscopes.example.org:{public}"
    with Child("dashboard", "stream_rrvae", "dashboard", *arguments, "--allow-origin", origin) as dashboard:
        dashboard.line_with("http://")
        proxy = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
        try:
            yield public
        finally:
            proxy.terminate()
            proxy.wait(20)


def fetch(port: int, path: str, **headers: str) -> tuple[int, str]:
    """Status and text of the response through nginx, as soon as it listens."""
    for _ in range(400):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            try:
                connection.request("GET", path, headers={"Host": f"microscopes.example.org:{port}", **headers})
            except ConnectionRefusedError:
                time.sleep(0.05)
                continue
            response = connection.getresponse()
            return response.status, "" if response.status == 101 else response.read().decode()
    raise TimeoutError("nginx does not listen")


def test_page_static_files_and_websocket_pass_the_proxy(public_port: int) -> None:
    status, page = fetch(public_port, "/em/live")
    assert status == 200
    script = re.search(r'src="(/em/static/js/bokeh[^"]*)"', page)
    assert script and fetch(public_port, script[1])[0] == 200
    token = page.split('"token":"')[1].split('"')[0]
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": f"bokeh, {token}",
    }  # fmt: skip
    ours, foreign = f"http://microscopes.example.org:{public_port}", "http://evil.example"
    assert fetch(public_port, "/em/live/ws", Origin=ours, **upgrade)[0] == 101
    assert fetch(public_port, "/em/live/ws", Origin=foreign, **upgrade)[0] == 403
