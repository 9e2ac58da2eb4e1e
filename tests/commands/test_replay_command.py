"""`replay` as a process: again and again until Ctrl-C, and what it says of its input."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from stream_rrvae.commands.children import Child
from stream_rrvae.messages import Frame, Message, ScanEnd, ScanStart
from stream_rrvae.wire.registry import protocol


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "frames.npy", np.random.default_rng(0).poisson(3, (20, 6, 7)).astype(np.uint16))
    return tmp_path / "frames.npy"


def messages(address: str) -> Iterator[Message]:
    decoder = protocol("native", None, 1 << 20)
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.rcvhwm = 1
        socket.connect(address)
        while socket.poll(20_000):
            yield from decoder.decode([memoryview(part.buffer) for part in socket.recv_multipart(copy=False)])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_goes_on_as_new_scans_until_it_is_stopped(file: Path, number: signal.Signals) -> None:
    to = ("--to", "native+pull://127.0.0.1:*", "--scan-shape", "4x5", "--speed", "max", "--loop")
    with Child("replay", "stream_rrvae", "replay", str(file), *to) as replay:
        starts: list[ScanStart] = []
        n_frames = n_ends = 0
        for message in messages(replay.line_with("bound")):
            if isinstance(message, ScanStart):
                starts.append(message)
            n_frames += isinstance(message, Frame)
            n_ends += isinstance(message, ScanEnd)
            if n_ends == 3:
                break
        replay.process.send_signal(number)
        assert replay.process.wait(30) == 0
    assert (len({start.scan_id for start in starts}), len({start.series for start in starts})) == (3, 3)
    assert n_frames == 60


def test_a_scan_that_is_stopped_is_announced_as_over(file: Path) -> None:
    to = ("--to", "native+pull://127.0.0.1:*", "--scan-shape", "4x5", "--frame-rate", "0.01")
    with Child("replay", "stream_rrvae", "replay", str(file), *to) as replay:
        seen: list[Message] = []
        for message in messages(replay.line_with("bound")):
            seen.append(message)
            if isinstance(message, Frame):
                replay.process.send_signal(signal.SIGINT)
            if isinstance(message, ScanEnd):
                break
        assert replay.process.wait(30) == 0
    assert [type(message) for message in seen] == [ScanStart, Frame, ScanEnd]


def test_a_receiver_that_takes_its_time_gets_everything(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.zeros((16, 16, 256, 256), np.uint16))  # 32 MiB: more than the kernel buffers
    to = ("--to", "native+pull://127.0.0.1:*", "--speed", "max")
    with Child("replay", "stream_rrvae", "replay", str(tmp_path / "large.npy"), *to) as replay:
        seen = messages(replay.line_with("bound"))
        assert isinstance(next(seen), ScanStart)
        replay.line_with("sent 256 of 256 frames")  # into its own queue
        numbers = [message.number for message in seen_to_the_end(seen)]
        assert replay.process.wait(30) == 0
    assert numbers == list(range(256))


def seen_to_the_end(seen: Iterator[Message]) -> Iterator[Frame]:
    for message in seen:
        if isinstance(message, ScanEnd):
            return
        assert isinstance(message, Frame)
        yield message


def test_what_is_wrong_is_one_line_and_a_status(file: Path) -> None:
    for arguments, status, words in [
        ((str(file), "--to", "native+pull://127.0.0.1:*"), 1, "--scan-shape"),
        ((str(file), "--to", "native+pull://0.0.0.0:1", "--scan-shape", "4x5"), 2, "--allow-remote"),
        ((str(file), "--to", "native+pull://127.0.0.1:*", "--scan-shape", "4x5", "--speed", "0"), 2, "--speed"),
    ]:
        command = [sys.executable, "-m", "stream_rrvae", "replay", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert ended.returncode == status, ended.stderr
        assert words in ended.stderr and ended.stderr.count("\n") == 1
