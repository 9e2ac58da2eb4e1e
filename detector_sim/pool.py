"""All frames of the scan, encoded once and sent again for every scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from detector_sim.encoding import EncodedFrame, encode_frame
from detector_sim.path_frames import frames_along
from detector_sim.repeated import repeated_frames
from detector_sim.simulation import Simulation
from stream_rrvae.errors import ConfigError


class FramePool:
    """Computes frames as they are first asked for; `limit_bytes` bounds what is kept."""

    def __init__(self, simulation: Simulation, limit_bytes: int) -> None:
        self._simulation = simulation
        self._limit_bytes = limit_bytes
        self._frames: list[EncodedFrame] = []
        self._bytes = 0

    @property
    def complete(self) -> bool:
        """Whether every frame has been computed."""
        return len(self._frames) == self._simulation.count

    def frames(self) -> Iterator[EncodedFrame]:
        """The scan in order. Raises ConfigError when it does not fit the pool."""
        if self._simulation.settings.repeat != (1, 1) or not self._simulation.path.is_raster:
            self.fill()
        if not self.complete:
            yield from self._computed()
        else:
            yield from self._frames

    def fill(self, progress: Callable[[int], None] = lambda _done: None) -> None:
        """Compute everything now; `progress` is told the number of frames done."""
        if not self.complete:
            for frame in self._computed():
                progress(frame.number + 1)
            plan, repeat = self._simulation.plan, self._simulation.settings.repeat
            whole = repeated_frames(self._frames, plan.shape, repeat)
            self._frames = frames_along(self._simulation.path, whole, self._simulation.scan_shape)

    def _computed(self) -> Iterator[EncodedFrame]:
        self._frames.clear()  # what an aborted first scan left
        self._bytes = 0
        for block in self._simulation.blocks():
            for offset, pixels in enumerate(block.frames):
                yield self._kept(encode_frame(block.first + offset, pixels, self._simulation.settings.encoding))

    def _kept(self, frame: EncodedFrame) -> EncodedFrame:
        self._bytes += len(frame.payload)
        if self._bytes > self._limit_bytes:
            raise ConfigError(
                f"{frame.number + 1} frames already fill the pool of {self._limit_bytes >> 20} MiB: "
                "ask for fewer positions, a smaller detector, a lower dose or a larger --pool-mib"
            )
        self._frames.append(frame)
        return frame
