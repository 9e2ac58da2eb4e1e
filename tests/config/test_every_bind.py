"""Every address that can be configured to be bound, over every kind of interface: none is open by itself."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import zmq

from dashboards.options import DashboardOptions
from detector_sim.launch import launch
from stream_rrvae.commands.merge import MergeOptions, Merger
from stream_rrvae.commands.replay import ReplayOptions, run_replay
from stream_rrvae.config import load
from stream_rrvae.curve import ServerKeys, make_certificate, server_keys
from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.feed.publisher import Publisher
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.messages import Snapshot
from stream_rrvae.recording.replay_outlet import protocol_and_address
from stream_rrvae.security import check_bind, is_local
from stream_rrvae.service import Service

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "native+pull://127.0.0.1:1"
REMOTE_HOSTS = {
    "IPv4": "192.168.0.4", "a wildcard": "*", "all of IPv4": "0.0.0.0", "all of IPv6": "[::]", "IPv6": "[fd00::4]",
    "IPv4 in IPv6": "[::ffff:192.168.0.4]", "link-local": "[fe80::1%eth0]", "an interface": "eth0",
    "a name": "microscope", "a name that looks local": "127.0.0.1.example.org", "nothing": "",
}  # fmt: skip
LOCAL_HOSTS = {"IPv4": "127.0.0.1", "others of loopback": "127.8.8.8", "IPv6": "[::1]", "a name": "localhost"}


@pytest.fixture(autouse=True)
def _where_key_files_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _serve(part: str) -> Callable[[str], object]:
    return lambda url: Service(load(None, {"source": SOURCE, part: {"url": url}}))


def _dashboard(url: str) -> object:
    host = url.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    return DashboardOptions(feeds=("tcp://127.0.0.1:1",), address=host).checked()


def _simulator(url: str) -> None:
    launch({"urls": (url,), "allow_remote": False, "curve_key": None, "curve_clients": None})


def _replay(url: str) -> None:
    run_replay(ReplayOptions("nowhere.npy", url.replace("tcp", "native+pull")))


BINDS: dict[str, Callable[[str], object]] = {
    "serve --feed": _serve("feed"),
    "serve --requests": _serve("requests"),
    "merge --to": lambda url: Merger(MergeOptions(("tcp://127.0.0.1:1", "tcp://127.0.0.1:2"), url)),
    "serve --http": lambda url: Service(load(None, {"source": SOURCE, "http": url.removeprefix("tcp://")})),
    "dashboard --address": _dashboard,
    "replay --to": _replay,
    "replay --control, recordings --requests": lambda url: RequestServer(url, "a key", {}),
    "detector-sim --bind": _simulator,
}
# Where something is bound, and what of it is guarded where.
BINDING_FILES = {
    "stream_rrvae/feed/publisher.py",
    "stream_rrvae/feed/request_server.py",
    "stream_rrvae/recording/replay_outlet.py",
    "detector_sim/outlet.py",
    "dashboards/listening.py",
    "dashboards/server.py",  # the socket of listening.py
    "stream_rrvae/batch/cluster.py",  # loopback: see tests/batch/test_cluster_is_closed_to_others.py
    "detector_sim/simplon.py",  # loopback, by its code
    "stream_rrvae/operations/health_server.py",
    "stream_rrvae/doorkeeper.py", "stream_rrvae/ingest/sockets.py", "stream_rrvae/ingest/libzmq.py",  # inproc
}  # fmt: skip


@pytest.mark.parametrize("kind", REMOTE_HOSTS)
@pytest.mark.parametrize("bind", BINDS)
def test_nothing_is_open_without_keys_or_the_word(bind: str, kind: str) -> None:
    is_no_address = (bind, kind) == ("serve --http", "nothing")
    with pytest.raises(
        ConfigError if is_no_address else SecurityError, match="no HOST" if is_no_address else "--allow"
    ):
        BINDS[bind](f"tcp://{REMOTE_HOSTS[kind]}:5990")


@pytest.mark.parametrize("kind", LOCAL_HOSTS)
def test_loopback_is_free(kind: str) -> None:
    url = f"tcp://{LOCAL_HOSTS[kind]}:5990"
    assert check_bind(url) == url
    _dashboard(url)


@pytest.mark.parametrize("url", ["ipc:///tmp/feed", "ipc://@feed", "inproc://feed"])
def test_what_has_no_network_is_free(url: str) -> None:
    assert check_bind(url) == url


def test_every_place_that_binds_is_known_here() -> None:
    binds = re.compile(r"\.bind\(|\.bind_to_|create_server\(|(?<!import )HTTPServer\b|_http_server\(|LocalCluster\(")
    parts = ("stream_rrvae", "dashboards", "detector_sim")
    sources = [path for part in parts for path in (ROOT / part).rglob("*.py") if "/bench" not in str(path)]
    found = {str(path.relative_to(ROOT)) for path in sources if binds.search(path.read_text())}
    assert found - {"stream_rrvae/commands/bench_latency.py"} == BINDING_FILES


def test_the_word_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "stream_rrvae"):
        check_bind("tcp://0.0.0.0:5990", allow_remote=True)
    assert [record.getMessage() for record in caplog.records] == ["open_to_the_network"]


@pytest.fixture
def keys(tmp_path: Path) -> ServerKeys:
    _, own = make_certificate(tmp_path, "service")
    made = server_keys(own, tmp_path)
    assert made is not None
    return made


def test_with_keys_any_interface_will_do(keys: ServerKeys) -> None:
    url = "tcp://0.0.0.0:*"
    publisher, server = Publisher(url, "test", 1.0, _never, keys=keys), RequestServer(url, "a key", {}, keys=keys)
    assert (publisher.url, server.url) == (url, url)
    assert protocol_and_address("native+pull://0.0.0.0:5990", has_keys=True) == ("native", "tcp://0.0.0.0:5990")
    with pytest.raises(ConfigError, match="only the native protocol"):
        protocol_and_address("dectris-v2://0.0.0.0:5990", has_keys=True)


def _never() -> Snapshot:
    raise AssertionError


ODD = [
    "tcp://127.0.0.1@0.0.0.0:*", "tcp://0.0.0.0:1@127.0.0.1:*", "tcp://127.0.0.1:1;0.0.0.0:*", "tcp://0.0.0.0:1;127.0.0.1:*",
    "tcp://127.0.0.1\n:*", "tcp://127.0.0.1%00:*", "tcp://127.0.0.1\\@0.0.0.0:*", "tcp://127.0.0.1#@0.0.0.0:*",
    "tcp://127.0.0.1/../0.0.0.0:*", "tcp://127.0.0.1?:*", "TCP://127.0.0.1:*", "tcp://127.1:*", "tcp://2130706433:*",
    "tcp://0x7f.1:*", "tcp://[::ffff:127.0.0.1]:*", "tcp://[::1]@0.0.0.0:*", "tcp://[::1]0.0.0.0:*", "tcp://localhost.:*",
    "tcp://LOCALHOST:*", "tcp:127.0.0.1:*", "tcp:///127.0.0.1:*", "udp://0.0.0.0:1", "ws://0.0.0.0:*", "//0.0.0.0:*",
]  # fmt: skip


@pytest.mark.parametrize("url", ODD)
def test_what_is_taken_for_local_is_bound_locally_or_not_at_all(url: str) -> None:
    if not is_local(url):
        return
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        try:
            socket.bind(url)
        except (zmq.ZMQError, ValueError):
            return
        assert ipaddress.ip_address(urlsplit(socket.get_string(zmq.LAST_ENDPOINT)).hostname or "").is_loopback
