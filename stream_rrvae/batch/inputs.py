"""What `analyse` is given: names that are the same on every machine."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from stream_rrvae.config import AS_TOLD, ScanSettings
from stream_rrvae.recording.frame_file import FrameFile, open_frames


@dataclass(frozen=True, slots=True)
class Input:
    """An INPUT, its scan's shape (y, x) where the file does not say, and the channel wanted of several."""

    source: str
    scan_shape: tuple[int, int] | None = None
    channel: str | None = None
    scan: ScanSettings = AS_TOLD  # the site's word on which way it goes

    @classmethod
    def of(
        cls,
        source: str,
        scan_shape: tuple[int, int] | None = None,
        channel: str | None = None,
        scan: ScanSettings = AS_TOLD,
    ) -> Input:
        """With an absolute path: workers have other working folders."""
        name, mark, dataset = source.partition("::")
        return cls(f"{Path(name).absolute()}{mark}{dataset}", scan_shape, channel, scan)

    def open(self) -> AbstractContextManager[FrameFile]:
        """Its frames. Raises FileFormatError when entered."""
        return open_frames(self.source, self.scan_shape, self.channel, self.scan)

    @property
    def path(self) -> Path:
        """The file or folder, without the dataset in it."""
        return Path(self.source.partition("::")[0])
