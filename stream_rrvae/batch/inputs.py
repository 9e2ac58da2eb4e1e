"""What `analyse` is given: names that are the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Input:
    """An INPUT and its scan's shape (y, x) where the file does not say."""

    source: str
    scan_shape: tuple[int, int] | None = None

    @classmethod
    def of(cls, source: str, scan_shape: tuple[int, int] | None = None) -> Input:
        """With an absolute path: workers have other working folders."""
        name, mark, dataset = source.partition("::")
        return cls(f"{Path(name).absolute()}{mark}{dataset}", scan_shape)

    @property
    def path(self) -> Path:
        """The file or folder, without the dataset in it."""
        return Path(self.source.partition("::")[0])
