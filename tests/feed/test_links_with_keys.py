"""Each of our own links with CURVE: no key, an unknown key and the wrong server get nothing, the right key works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from zmq.utils.monitor import parse_monitor_message

from detector_sim.outlet import Outlet
from stream_rrvae import doorkeeper
from stream_rrvae.commands.merge import MergeOptions, Merger
from stream_rrvae.curve import ClientKeys, ServerKeys, client_keys, key_pair, make_certificate, public_key, server_keys
from stream_rrvae.doorkeeper import Doorkeeper
from stream_rrvae.errors import ConfigError
from stream_rrvae.feed.asker import Asker
from stream_rrvae.feed.publisher import Publisher
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.ingest.sockets import DetectorSockets
from stream_rrvae.ingest.source import parse_source
from stream_rrvae.messages import ShardStatus, Snapshot
from stream_rrvae.recording.replay_outlet import ReplayOutlet
from stream_rrvae.security import make_key

ANY_PORT = "tcp://127.0.0.1:*"
PATIENCE_S = 20.0
FRAME = b"a frame"
FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
KEY = "the key of the back channel"
MakeSnapshot = Callable[[int, tuple[int, int]], Snapshot]
Link = tuple[
    str, int, Callable[[ClientKeys], bool]
]  # where it is bound, what connects to it, whether something arrives


@dataclass(frozen=True, slots=True)
class Keys:
    server: ServerKeys
    right: ClientKeys
    unknown: ClientKeys
    wrong_server: ClientKeys


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    public, own = make_certificate(tmp_path / "service", "service")
    make_certificate(tmp_path / "elsewhere", "known")
    clients = tmp_path / "clients"
    clients.mkdir(mode=0o755)
    for known in (tmp_path / "elsewhere" / "known.key", public):
        (clients / known.name).hardlink_to(known)
    other, stranger = make_certificate(tmp_path / "elsewhere", "stranger")
    server, right = server_keys(own, clients), client_keys(tmp_path / "elsewhere" / "known.key_secret", public)
    assert server is not None and right is not None
    return Keys(server, right, ClientKeys(key_pair(stranger), right.server), replace(right, server=public_key(other)))


@contextmanager
def _feed(keys: Keys, make_snapshot: MakeSnapshot) -> Iterator[Link]:
    publisher = Publisher(ANY_PORT, "test", 50.0, lambda: make_snapshot(1, (3, 2)), keys=keys.server)
    publisher.start()

    def arrives(own: ClientKeys) -> bool:
        with Subscriber(publisher.url, own) as viewer:
            return viewer.receive(PATIENCE_S) is not None

    with ExitStack() as stack:
        stack.callback(publisher.stop)
        yield publisher.url, zmq.SUB, arrives


@contextmanager
def _back_channel(keys: Keys, _make_snapshot: MakeSnapshot) -> Iterator[Link]:
    server = RequestServer(ANY_PORT, KEY, {"who": lambda _arguments: {"name": "I"}}, keys=keys.server)
    server.start()

    def arrives(own: ClientKeys) -> bool:
        with closing(Asker(server.url, KEY, own)) as asker:
            return asker.ask("who", timeout_s=PATIENCE_S).result() == {"name": "I"}

    with ExitStack() as stack:
        stack.callback(server.stop)
        yield server.url, zmq.DEALER, arrives


def _is_received(url: str, own: ClientKeys, send: Callable[[], object]) -> bool:
    """By what receives frames, over `url`, what `send` sends as soon as there is somebody."""
    with DetectorSockets([parse_source(url)], 1 << 20, 1 << 20, own) as sockets:
        send()
        while (parts := sockets.endpoints[0].receive()) is None:
            sockets.wait(PATIENCE_S)
        return [bytes(part) for part in parts] == [FRAME]


@contextmanager
def _pushed(keys: Keys, _make_snapshot: MakeSnapshot) -> Iterator[Link]:
    with Outlet(ANY_PORT, "push", 100, keys=keys.server) as outlet:
        url = outlet.endpoint.replace("tcp", "native+pull")
        yield outlet.endpoint, zmq.PULL, lambda own: _is_received(url, own, lambda: outlet.send([FRAME]))


@contextmanager
def _published(keys: Keys, _make_snapshot: MakeSnapshot) -> Iterator[Link]:
    with Outlet(ANY_PORT, "pub", 100, keys=keys.server) as outlet:
        url = outlet.endpoint.replace("tcp", "native+sub")

        def send() -> None:
            outlet.wait_for_peer()
            outlet.send([FRAME])

        yield outlet.endpoint, zmq.SUB, lambda own: _is_received(url, own, send)


@contextmanager
def _replayed(keys: Keys, _make_snapshot: MakeSnapshot) -> Iterator[Link]:
    with closing(ReplayOutlet(ANY_PORT, keys=keys.server)) as outlet:
        url = outlet.address.replace("tcp", "native+pull")
        yield outlet.address, zmq.PULL, lambda own: _is_received(url, own, lambda: outlet.send([FRAME]))


@contextmanager
def _merged(keys: Keys, make_snapshot: MakeSnapshot) -> Iterator[Link]:
    own = keys.server.clients.parent / "service" / "service.key_secret"
    with ExitStack() as stack:
        feeds = tuple(stack.enter_context(_feed(keys, make_snapshot))[0] for _ in range(2))
        to = f"ipc://{keys.server.clients.parent}/merged"
        clients, servers = keys.server.clients, (own.with_suffix(".key"),)
        told = MergeOptions(feeds, to, rate_hz=50.0, curve_key=own, curve_clients=clients, curve_servers=servers)
        merger = Merger(told)
        stack.callback(merger.stop)
        merger.start()

        def arrives(own: ClientKeys) -> bool:
            with Subscriber(to, own) as viewer:
                while (snapshot := viewer.receive(PATIENCE_S)) is not None and not snapshot.scan_id:
                    pass  # no shard has told of a scan yet
                return snapshot is not None

        yield to, zmq.SUB, arrives


@contextmanager
def _merged_back_channel(keys: Keys, make_snapshot: MakeSnapshot) -> Iterator[Link]:
    """Two services' feeds and back channels with keys, and a merger that asks them with its own."""
    folder, shards = keys.server.clients.parent, (0, 1)
    own, where, asking = folder / "service" / "service.key_secret", f"ipc://{folder}/ask", folder / "requests.key"
    with ExitStack() as stack:
        key = make_key(asking)
        feeds = tuple(stack.enter_context(_shard(keys, make_snapshot, shard, key)) for shard in shards)
        told = MergeOptions(
            feeds, f"ipc://{folder}/merged", rate_hz=50.0, curve_key=own, curve_clients=keys.server.clients,
            curve_servers=(own.with_suffix(".key"),), requests=where, requests_key=asking,
        )  # fmt: skip
        merger = Merger(told)
        stack.callback(merger.stop)
        merger.start()

        def arrives(own: ClientKeys) -> bool:
            with Subscriber(told.to, own) as viewer, closing(Asker(where, key, own)) as asker:
                while (snapshot := viewer.receive(PATIENCE_S)) is not None and len(_told(snapshot)) < len(shards):
                    pass
                asked = [asker.ask("pattern", {"y": shard}, timeout_s=PATIENCE_S) for shard in shards]
                return [each.result()["of"] for each in asked] == [*shards]

        yield where, zmq.DEALER, arrives


@contextmanager
def _shard(keys: Keys, make_snapshot: MakeSnapshot, shard: int, key: str) -> Iterator[str]:
    """A service's feed, which tells where it answers."""
    server = RequestServer(
        ANY_PORT, key, {"pattern": lambda _arguments: {"of": shard, "scan_id": "scan 7"}}, keys=keys.server
    )
    with ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        snapshot = replace(make_snapshot(1, (3, 2)), shard_id=shard, requests_url=server.url)
        publisher = Publisher(ANY_PORT, "test", 50.0, lambda: snapshot, keys=keys.server)
        stack.callback(publisher.stop)
        publisher.start()
        yield publisher.url


def _told(snapshot: Snapshot) -> list[ShardStatus]:
    return [shard for shard in snapshot.shards if shard.state == "running"]


LINKS: dict[str, Callable[[Keys, MakeSnapshot], AbstractContextManager[Link]]] = {
    "feed": _feed,
    "merged feed": _merged,
    "back channel": _back_channel,
    "merged back channel": _merged_back_channel,
    "frames, pushed": _pushed,
    "frames, published": _published,
    "frames, replayed": _replayed,
}


class Caller:
    """A raw socket that tries to connect, and what became of it."""

    def __init__(self, context: zmq.Context[Any], link: Link, own: ClientKeys | None) -> None:
        self.socket = context.socket(link[1])
        self.socket.reconnect_ivl = 20
        if own is not None:
            own.use(self.socket)
        if link[1] == zmq.SUB:
            self.socket.subscribe(b"")
        self._monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | FAILED)
        self.socket.connect(link[0])

    def close(self) -> None:
        self.socket.disable_monitor()
        self._monitor.close()
        self.socket.close(0)

    def is_admitted(self) -> bool:
        """Once the next handshake is over."""
        assert self._monitor.poll(int(PATIENCE_S * 1000))
        return bool(parse_monitor_message(self._monitor.recv_multipart())["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED)


@pytest.fixture(autouse=True)
def _refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorkeeper, "HANDSHAKE_MS", 300)


Call = Callable[[Link, ClientKeys | None], Caller]


@pytest.fixture
def call() -> Iterator[Call]:
    context: zmq.Context[Any] = zmq.Context()
    callers: list[Caller] = []

    def connect(link: Link, own: ClientKeys | None) -> Caller:
        callers.append(Caller(context, link, own))
        return callers[-1]

    yield connect
    for caller in callers:
        caller.close()
    context.destroy(0)


@pytest.mark.parametrize("link", LINKS)
def test_only_the_right_key_gets_anything(link: str, keys: Keys, make_snapshot: MakeSnapshot, call: Call) -> None:
    with LINKS[link](keys, make_snapshot) as at:
        wrong = [call(at, own) for own in (None, keys.unknown, keys.wrong_server)]
        assert [caller.is_admitted() for caller in wrong] == [False] * 3
        assert at[2](keys.right)
        assert not any(caller.socket.poll(0) for caller in wrong)


def test_a_key_may_be_added_while_it_is_refused_and_taken_away_again(
    keys: Keys, make_snapshot: MakeSnapshot, call: Call
) -> None:
    added = keys.server.clients / "stranger.key"
    with _feed(keys, make_snapshot) as at, Subscriber(at[0], keys.unknown) as viewer:
        assert not call(at, keys.unknown).is_admitted()
        make_public(added, keys.unknown)
        assert viewer.receive(PATIENCE_S) is not None
        added.unlink()
        assert not call(at, keys.unknown).is_admitted()


def make_public(path: Path, keys: ClientKeys) -> None:
    """A NAME.key, in one step: it is read at any moment."""
    part = path.with_suffix(".part")
    part.write_text(f'curve\n    public-key = "{keys.own.public.decode()}"\n')
    part.chmod(0o644)
    part.rename(path)


def test_who_says_what_may_connect_being_unusable_admits_nobody(
    keys: Keys, make_snapshot: MakeSnapshot, call: Call
) -> None:
    with _feed(keys, make_snapshot) as at:
        keys.server.clients.chmod(0o777)
        assert not call(at, keys.right).is_admitted()


def test_without_its_doorkeeper_a_socket_admits_nobody(keys: Keys, call: Call) -> None:
    own: zmq.Context[Any] = zmq.Context()
    socket = own.socket(zmq.PUSH)
    keeper = Doorkeeper(socket, keys.server)
    try:
        socket.bind(ANY_PORT)
        at: Link = (socket.get_string(zmq.LAST_ENDPOINT), zmq.PULL, lambda _own: False)
        assert call(at, keys.right).is_admitted()
        keeper.close()
        assert not call(at, keys.right).is_admitted()
    finally:
        keeper.close()
        own.destroy(0)


def test_a_service_without_clients_keys_is_told_before_it_binds(keys: Keys, make_snapshot: MakeSnapshot) -> None:
    gone = replace(keys.server, clients=keys.server.clients / "nowhere")
    publisher = Publisher(ANY_PORT, "test", 50.0, lambda: make_snapshot(1, (3, 2)), keys=gone)
    with pytest.raises(ConfigError, match="cannot read"):
        publisher.start()
    with pytest.raises(ConfigError, match="cannot read"):
        RequestServer(ANY_PORT, KEY, {}, keys=gone).start()
