"""`replay`: a file of frames sent as if a detector sent it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from stream_rrvae.commands.notes import tell_notes
from stream_rrvae.config import load
from stream_rrvae.curve import server_keys
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.recording.frame_file import FrameFile, open_frames
from stream_rrvae.recording.replay import Replay, start_again
from stream_rrvae.recording.replay_clock import ReplayClock
from stream_rrvae.recording.replay_control import replay_answers
from stream_rrvae.recording.replay_messages import largest_message_bytes, messages_of
from stream_rrvae.recording.replay_outlet import ReplayOutlet, protocol_and_address
from stream_rrvae.recording.replay_pace import due_times_s, speed_of
from stream_rrvae.security import make_key

LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What `stream-rrvae replay` was asked for."""

    file: str
    to: str
    speed: str = "1"
    frame_rate_fps: float | None = None
    loop: bool = False
    scan_shape: tuple[int, int] | None = None
    channel: str | None = None
    semiangle_mrad: float | None = None
    mrad_per_px: float | None = None
    allow_remote: bool = False
    control: str | None = None  # where it answers who holds the key
    control_key: Path = Path("replay.key")
    curve_key: Path | None = None  # ours, and the folder with those of who may receive
    curve_clients: Path | None = None


def run_replay(options: ReplayOptions) -> None:
    """Send the file to its end, or again and again, until stopped. Raises StreamRrvaeError when that cannot be."""
    keys = server_keys(options.curve_key, options.curve_clients)
    protocol, address = protocol_and_address(options.to, options.allow_remote, keys is not None)
    speed = speed_of(options.speed)
    with open_frames(options.file, options.scan_shape, options.channel) as frames, ExitStack() as stack:
        tell_notes(frames)
        outlet = ReplayOutlet(address, largest_message_bytes(protocol, frames.frame_bytes), keys)
        stack.callback(outlet.close)
        clock = ReplayClock(speed, frames.n_arrivals)
        _stop_on_signals(outlet, clock)
        if options.control:
            control = RequestServer(options.control, make_key(options.control_key), replay_answers(clock))
            control.start()
            stack.callback(control.stop)
            click.echo(f"control {control.url}")
        click.echo(f"bound {outlet.address}")
        sys.stdout.flush()
        _run_scans(options, frames, outlet, clock, protocol)


def _run_scans(
    options: ReplayOptions, frames: FrameFile, outlet: ReplayOutlet, clock: ReplayClock, protocol: str
) -> None:
    """One scan after another: the next pass of a loop, or from where somebody wants it to go on."""
    said = {"mrad_per_px": options.mrad_per_px, "semiangle_mrad": options.semiangle_mrad}
    given = load(None, {"calibration": said}).calibration
    due_s, series = due_times_s(frames, options.frame_rate_fps), int(time.time())
    while True:
        messages = messages_of(protocol, start_again(frames, given, series))
        _run_shown(Replay(frames, outlet, messages, due_s, clock), frames)
        sought = clock.take_sought()
        if outlet.stopping or (sought is None and not options.loop):
            return
        clock.passed(sought or 0)
        series += 1


def _stop_on_signals(outlet: ReplayOutlet, clock: ReplayClock) -> None:
    def on_signal(_number: int, _frame: FrameType | None) -> None:
        outlet.stop()
        clock.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _run_shown(replay: Replay, frames: FrameFile) -> None:
    """Send it with a bar. Raises what the sending raised."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            replay.run()
        except Exception as error:
            failed.append(error)

    sender = threading.Thread(target=run, name="replay")
    sender.start()
    with click.progressbar(length=frames.n_arrivals, label="frames sent") as bar:
        while sender.is_alive():
            sender.join(LOOK_S)
            bar.update(replay.sent - bar.pos)
    if failed:
        raise failed[0]
    click.echo(f"sent {replay.sent} of {frames.n_arrivals} frames")
    sys.stdout.flush()
