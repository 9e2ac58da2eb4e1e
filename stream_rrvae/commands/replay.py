"""`replay`: a file of frames sent as if a detector sent it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from dataclasses import dataclass
from types import FrameType

import click

from stream_rrvae.commands.notes import tell_notes
from stream_rrvae.messages import Calibration
from stream_rrvae.recording.frame_file import FrameFile, open_frames
from stream_rrvae.recording.replay import Replay, start_again
from stream_rrvae.recording.replay_messages import largest_message_bytes
from stream_rrvae.recording.replay_outlet import ReplayOutlet, protocol_and_address
from stream_rrvae.recording.replay_pace import due_times_s

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


def run_replay(options: ReplayOptions) -> None:
    """Send the file to its end, or again and again, until stopped. Raises StreamRrvaeError when that cannot be."""
    protocol, address = protocol_and_address(options.to, options.allow_remote)
    given = Calibration(mrad_per_px=options.mrad_per_px, semiangle_mrad=options.semiangle_mrad)
    with open_frames(options.file, options.scan_shape, options.channel) as frames:
        tell_notes(frames)
        due_s = due_times_s(frames, options.speed, options.frame_rate_fps)
        outlet = ReplayOutlet(address, largest_message_bytes(protocol, frames.frame_bytes))
        _stop_on_signals(outlet)
        click.echo(f"bound {outlet.address}")
        sys.stdout.flush()
        series = int(time.time())
        try:
            while True:
                replay = Replay(frames, outlet, protocol, start_again(frames, given, series), due_s)
                _run_shown(replay, frames)
                if outlet.stopping or not options.loop:
                    return
                series += 1
        finally:
            outlet.close()


def _stop_on_signals(outlet: ReplayOutlet) -> None:
    def on_signal(_number: int, _frame: FrameType | None) -> None:
        outlet.stop()

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
