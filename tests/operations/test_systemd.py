"""What systemd hears, on a real datagram socket; and that a loop that is stuck is not spoken for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream_rrvae.ingest.turning import Turning
from stream_rrvae.operations import systemd as systemd_module
from stream_rrvae.operations.systemd import Systemd

Clock = Callable[[float], None]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the clock of the loop and of the one who speaks for it."""

    def set_s(now_s: float) -> None:
        for module in ("stream_rrvae.ingest.turning", systemd_module.__name__):
            monkeypatch.setattr(f"{module}.monotonic", lambda: now_s)

    set_s(1000.0)
    return set_s


def environment_of(heard: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(heard.getsockname()), "PATH": "/bin", **more}


def waiting(heard: socket.socket) -> list[bytes]:
    messages = []
    heard.setblocking(False)
    try:
        while True:
            messages.append(heard.recv(4096))
    except BlockingIOError:
        return messages


def test_it_says_when_it_is_ready_and_when_it_stops(heard: socket.socket) -> None:
    environment = environment_of(heard)
    systemd = Systemd(environment)
    systemd.ready("receiving")
    systemd.stopping()
    assert heard.recv(4096) == b"READY=1\nSTATUS=receiving"
    assert heard.recv(4096).startswith(b"STOPPING=1\n")
    assert environment == {"PATH": "/bin"}, "no child process is to speak for us"


def test_an_abstract_address_and_nobody_at_all() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = f"stream-rrvae-test-{os.getpid()}"
        listening.bind(f"\0{name}")
        listening.settimeout(30)
        Systemd({"NOTIFY_SOCKET": f"@{name}"}).ready("up")
        assert listening.recv(100).startswith(b"READY=1")
    Systemd({"NOTIFY_SOCKET": f"@{name}"}).ready("who is gone is no error")
    Systemd({}).ready("nobody")


def test_the_watchdog_is_fed_by_turns_and_only_while_nothing_hangs(heard: socket.socket, at: Clock) -> None:
    turning = Turning(Systemd(environment_of(heard, WATCHDOG_USEC="8000000", WATCHDOG_PID=str(os.getpid()))).turned)
    for tenth in range(100):
        at(1000.0 + tenth / 10)
        turning.turned()
    assert waiting(heard) == [b"WATCHDOG=1"] * 5, "a quarter of the interval apart"
    with turning.at_work():
        for second in (11, 12, 13, 14, 15, 20, 50):
            at(1000.0 + second)
            turning.turned()
        assert turning.age_s == pytest.approx(40, abs=0.2)
    fed = waiting(heard)
    assert fed == [b"WATCHDOG=1"] * 2, "until a batch had taken half of the interval"
    turning.turned()
    assert waiting(heard) == [b"WATCHDOG=1"], "it moves again"


def test_a_thread_that_moves_on_from_batch_to_batch_does_not_hang(at: Clock) -> None:
    turning = Turning()
    turning.turned()
    with turning.at_work():
        at(1050.0)
        turning.moved()
        turning.turned()
        at(1051.0)
        assert turning.age_s == pytest.approx(1.0)


@pytest.mark.parametrize("others", [{}, {"WATCHDOG_USEC": "8000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_a_watchdog_that_is_not_ours_is_left_alone(heard: socket.socket, others: dict[str, str]) -> None:
    Turning(Systemd(environment_of(heard, **others)).turned).turned()
    assert waiting(heard) == []
