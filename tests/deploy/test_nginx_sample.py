"""The sample configurations in a real nginx before a real dashboard: prefix, websocket and TLS included."""

from __future__ import annotations

import datetime
import http.client
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from stream_rrvae.commands.children import Child

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="NOT CHECKED: nginx is not installed")
NAME = "microscopes.example.org"
Fetch = Callable[..., tuple[int, str, dict[str, str]]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nginx")


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Those of the samples, by what stands for them in the samples."""
    return {"127.0.0.1:5006": free_port(), "127.0.0.1:8080": free_port(), "80": free_port(), "443": free_port()}


@pytest.fixture(scope="module")
def dashboard(folder: Path, ports: dict[str, int]) -> Iterator[Child]:
    """The pages, known under both public names."""
    origins = [word for port in ("127.0.0.1:8080", "443") for word in ("--allow-origin", f"{NAME}:{ports[port]}")]
    told = ("--feed", f"ipc://{folder}/feed", "--port", str(ports["127.0.0.1:5006"]), "--prefix", "/em", *origins)
    with Child("dashboard", "stream_rrvae", "dashboard", *told) as started:
        started.line_with("http://")
        yield started


@contextmanager
def nginx(folder: Path, site: str) -> Iterator[None]:
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; pid {folder}/pid; error_log stderr warn; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;"
        f" fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{site}\n}}\n"
    )
    proxy = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(configuration)])
    try:
        yield
    finally:
        proxy.terminate()
        proxy.wait(20)


def with_ports(sample: str, ports: dict[str, int]) -> str:
    """`sample` with our ports in place of its own."""
    for told, port in ports.items():
        mine = f"127.0.0.1:{port}"
        sample = sample.replace(f"http://{told};", f"http://{mine};").replace(f"listen {told}", f"listen {mine}")
    return sample


def connected(port: int) -> socket.socket:
    """As soon as nginx listens."""
    for _ in range(400):
        try:
            return socket.create_connection(("127.0.0.1", port), 20)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise TimeoutError("nginx does not listen")


def fetch_over(port: int, tls: ssl.SSLContext | None = None) -> Fetch:
    def fetch(path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        stream = connected(port)
        with closing(http.client.HTTPConnection(NAME, port)) as connection:
            connection.sock = stream if tls is None else tls.wrap_socket(stream, server_hostname=NAME)
            connection.request("GET", path, headers={"Host": f"{NAME}:{port}", **headers})
            response = connection.getresponse()
            told = dict(response.getheaders())
            return response.status, "" if response.status == 101 else response.read().decode(), told

    return fetch


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of NAME and its key, as files."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key: Any = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    begun = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths = folder / "site.crt", folder / "site.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return paths


def check_pages(fetch: Fetch, ours: str) -> None:
    """The page, its files, and the websocket for our origin alone."""
    status, page, _ = fetch("/em/live")
    assert status == 200
    script = re.search(r'src="(/em/static/js/bokeh[^"]*)"', page)
    assert script and fetch(script[1])[0] == 200
    token = page.split('"token":"')[1].split('"')[0]
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": f"bokeh, {token}",
    }  # fmt: skip
    assert fetch("/em/live/ws", Origin=ours, **upgrade)[0] == 101
    assert fetch("/em/live/ws", Origin="http://evil.example", **upgrade)[0] == 403


def test_page_static_files_and_websocket_pass_the_proxy(
    deploy: Path, folder: Path, ports: dict[str, int], dashboard: Child
) -> None:
    sample = with_ports((deploy / "nginx" / "stream-rrvae.conf").read_text(), ports)
    public = ports["127.0.0.1:8080"]
    assert f"listen 127.0.0.1:{public};" in sample
    with nginx(folder, sample):
        check_pages(fetch_over(public), f"http://{NAME}:{public}")


def test_with_tls_the_same_and_nothing_without(
    deploy: Path, folder: Path, ports: dict[str, int], dashboard: Child
) -> None:
    crt, key = certificate(folder)
    sample = with_ports((deploy / "nginx" / "stream-rrvae-tls.conf").read_text(), ports)
    for told, mine in ((f"/etc/stream-rrvae/tls/{NAME}.crt", crt), (f"/etc/stream-rrvae/tls/{NAME}.key", key)):
        assert told in sample
        sample = sample.replace(told, str(mine))
    with nginx(folder, sample):
        fetch = fetch_over(ports["443"], ssl.create_default_context(cafile=crt))
        check_pages(fetch, f"https://{NAME}:{ports['443']}")
        _, _, headers = fetch("/em/login")
        assert "max-age" in headers["Strict-Transport-Security"]
        assert fetch("/em/metrics")[0] == 403
        status, _, headers = fetch_over(ports["80"])("/em/live")
        assert (status, headers["Location"]) == (308, f"https://{NAME}/em/live")
        with pytest.raises(ssl.SSLCertVerificationError):
            fetch_over(ports["443"], ssl.create_default_context())("/em/live")
