"""Dask runs what it is sent, so nobody else may send: TLS with certificates, and nothing beyond loopback."""

from __future__ import annotations

import datetime
import gc
import ipaddress
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest

from stream_rrvae.batch.cluster import ClusterOptions, connected
from stream_rrvae.errors import ConfigError, SecurityError


def listening() -> set[tuple[str, int]]:
    """Addresses that this process and its children listen at."""
    here = psutil.Process()
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in (here, *here.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_the_local_cluster_listens_on_loopback_and_tells_nothing(cluster: Any) -> None:
    assert len(cluster.nthreads()) == 2
    places = listening()
    assert places and all(ip_address(ip).is_loopback for ip, _port in places)  # a test browser's driver has ::1 too
    for path in ("info", "health", "metrics", "json/counts.json"):
        for _ip, port in places:
            with pytest.raises((urllib.error.URLError, OSError)):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20)


def test_a_stranger_on_this_machine_is_refused(cluster: Any) -> None:
    from distributed import Client, Security

    address = cluster.scheduler.address
    assert address.startswith("tls://127.0.0.1:")
    for stranger, where in (
        (Security.temporary(), address),
        (None, address.replace("tls://", "tcp://")),
    ):
        with pytest.raises((OSError, TypeError)):
            Client(where, security=stranger, timeout=1, set_as_default=False)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem, its own authority, and key.pem."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("pem")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cluster")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*plain))
    return folder


@pytest.fixture(scope="module")
def foreign_scheduler(pem: Path) -> Iterator[str]:
    """The address of somebody's cluster with TLS of its own, of one worker."""
    distributed = pytest.importorskip("distributed")
    cert, key = str(pem / "cert.pem"), str(pem / "key.pem")
    security = distributed.Security(
        tls_ca_file=cert, tls_scheduler_cert=cert, tls_scheduler_key=key, tls_worker_cert=cert, tls_worker_key=key,
        tls_client_cert=cert, tls_client_key=key, require_encryption=True,
    )  # fmt: skip
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, protocol="tls://", host="127.0.0.1", security=security,
        dashboard_address="127.0.0.1:0", silence_logs=50,
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


def test_a_scheduler_with_tls_is_worked_at_with_our_certificate(foreign_scheduler: str, pem: Path) -> None:
    cert, key = pem / "cert.pem", pem / "key.pem"
    options = ClusterOptions(scheduler=foreign_scheduler, tls_ca=cert, tls_cert=cert, tls_key=key)
    with connected(options) as client:
        assert client.submit(sum, [1, 2]).result() == 3


def test_without_a_certificate_it_says_that_it_cannot_reach_it(foreign_scheduler: str) -> None:
    with pytest.raises(ConfigError, match="cannot reach"), connected(ClusterOptions(scheduler=foreign_scheduler)):
        pass


@pytest.mark.parametrize(
    ("options", "error", "advice"),
    [
        ({"scheduler": "tcp://10.0.0.1:8786"}, SecurityError, "tls://"),
        ({"scheduler": "10.0.0.1:8786"}, SecurityError, "--allow-remote"),
        ({"scheduler": "tls://10.0.0.1:8786", "tls_ca": Path("/nowhere.pem")}, ConfigError, "--tls-ca is not there"),
        ({"scheduler": "tls://10.0.0.1:8786", "tls_cert": Path("/c.pem")}, ConfigError, "--tls-ca is missing"),
        ({"tls_ca": Path("/c.pem")}, ConfigError, "say which"),
        ({"scheduler": "tcp://127.0.0.1:9", "workers": 2}, ConfigError, "choose one"),
        ({"scheduler": "tcp://127.0.0.1:9", "connect_s": 0.2}, ConfigError, "cannot reach"),
    ],
)
def test_what_is_unsafe_or_half_is_refused(options: dict[str, Any], error: type[Exception], advice: str) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(error, match=advice), connected(ClusterOptions(**options)):
        pass


def test_a_client_that_reached_nobody_is_gone_at_once() -> None:
    distributed = pytest.importorskip("distributed")

    def clients() -> int:
        return sum(type(thing) is distributed.Client for thing in gc.get_objects())  # asking others may warn

    gc.disable()  # or it may go by chance, in whatever thread
    try:
        before = clients()
        with pytest.raises(ConfigError), connected(ClusterOptions(scheduler="tcp://127.0.0.1:9", connect_s=0.2)):
            pass
        assert clients() <= before
    finally:
        gc.enable()


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # what the import system itself uses for "not there"
    with pytest.raises(ConfigError, match=r"pip install 'stream-rrvae\[dask\]'"), connected(ClusterOptions(workers=1)):
        pass
