"""`replay`: a file of frames sent as if a detector sent it."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass
from types import FrameType

import click

from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import Calibration
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.recording.replay import Replay, bind_address

LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What `stream-rrvae replay` was asked for."""

    file: str
    to: str
    speed: str = "1"
    frame_rate_fps: float = 1000.0
    scan_shape: tuple[int, int] | None = None
    semiangle_mrad: float | None = None
    mrad_per_px: float | None = None
    allow_remote: bool = False

    @property
    def rate_fps(self) -> float | None:
        """Frames/s to send at; None = as fast as it goes."""
        if self.speed == "max":
            return None
        try:
            factor = float(self.speed)
        except ValueError:
            factor = 0.0
        if not factor > 0:
            raise ConfigError(f"--speed is a number above 0 or max, not {self.speed!r}")
        return factor * self.frame_rate_fps


def run_replay(options: ReplayOptions) -> None:
    """Send the file to its end or until stopped. Raises StreamRrvaeError when it cannot be read or sent."""
    rate_fps = options.rate_fps
    address = bind_address(options.to, options.allow_remote)
    calibration = Calibration(mrad_per_px=options.mrad_per_px, semiangle_mrad=options.semiangle_mrad)
    with open_frames(options.file, options.scan_shape) as frames:
        replay = Replay(frames, address, rate_fps, calibration)

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            replay.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        click.echo(f"bound {replay.address}")
        sys.stdout.flush()
        sender = threading.Thread(target=replay.run, name="replay")
        sender.start()
        with click.progressbar(length=frames.n_frames, label="frames sent") as bar:
            while sender.is_alive():
                sender.join(LOOK_S)
                bar.update(replay.sent - bar.pos)
        click.echo(f"sent {replay.sent} of {frames.n_frames} frames")
