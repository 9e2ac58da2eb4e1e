"""No byte from outside the folder is read, and no size is believed that the file does not fill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.formats.opened import Opened

Open = Callable[..., Opened]
SHAPE = (5, 5, 48, 40)


@pytest.fixture
def secret(tmp_path: Path, counts: NDArray[np.uint16]) -> Path:
    """A file of frames outside the folder that is opened."""
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = counts
        file["scan"] = counts.reshape(SHAPE)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "opened"
    made.mkdir()
    return made


def _external_storage(file: h5py.File, secret: Path) -> None:
    file.create_dataset("found", SHAPE, "u2", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


def _link(file: h5py.File, secret: Path) -> None:
    file["found"] = h5py.ExternalLink(str(secret), "/scan")


def _link_of_a_group(file: h5py.File, secret: Path) -> None:
    file["outside"] = h5py.ExternalLink(str(secret), "/")
    file["found"] = h5py.SoftLink("/outside/scan")


def _endless_links(file: h5py.File, secret: Path) -> None:
    file["found"], file["other"] = h5py.SoftLink("/other"), h5py.SoftLink("/found")


def _virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, "u2")
    layout[...] = h5py.VirtualSource(str(secret), "scan", SHAPE)
    file.create_virtual_dataset("found", layout)


def _never_written(file: h5py.File, secret: Path) -> None:
    file.create_dataset("found", (6000, 6000, 1000, 1000), "u1", chunks=(1, 1, 1000, 1000), compression="gzip")


def _bomb(file: h5py.File, secret: Path) -> None:
    made = file.create_dataset("found", (1000, 1000, 64, 64), "u2", chunks=(1, 1, 64, 64), compression="gzip")
    made[0, 0] = 1


def _huge_chunk(file: h5py.File, secret: Path) -> None:
    file.create_dataset("found", (1, 9, 8192, 8192), "u4", chunks=(1, 9, 8192, 8192), compression="gzip")


def _unknown_filter(file: h5py.File, secret: Path) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, 1, 48, 40))
    properties.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, ())
    h5py.h5d.create(file.id, b"found", h5py.h5t.NATIVE_UINT16, h5py.h5s.create_simple(SHAPE), properties)


def _texts(file: h5py.File, secret: Path) -> None:
    file.create_dataset("found", (2, 2, 2, 2), h5py.string_dtype())


CRAFTED: dict[str, tuple[Callable[[h5py.File, Path], None], str]] = {
    "external storage": (_external_storage, "not followed"),
    "external link": (_link, "not followed"),
    "soft link through an external one": (_link_of_a_group, "not followed"),
    "links in a circle": (_endless_links, "too many links"),
    "virtual source": (_virtual, "not followed"),
    "sizes without data": (_never_written, "declares"),
    "a bomb": (_bomb, "declares"),
    "a chunk that fills the memory": (_huge_chunk, "chunks over"),
    "a filter that is not known": (_unknown_filter, "filter 32999"),
    "texts": (_texts, "convert it"),
}


@pytest.mark.parametrize("craft", CRAFTED)
def test_a_crafted_dataset_is_refused(folder: Path, secret: Path, open_here: Open, craft: str) -> None:
    write, advice = CRAFTED[craft]
    with h5py.File(folder / "crafted.h5", "w") as file:
        write(file, secret)
    with pytest.raises(FileFormatError, match=advice):
        open_here(folder / "crafted.h5", dataset="/found")
    with pytest.raises(FileFormatError):
        open_here(folder / "crafted.h5")


@pytest.mark.parametrize("target", ["../secret.h5", "absolute", "symlink.h5", "run%b.h5"])
def test_a_master_leads_nowhere_but_into_its_folder(folder: Path, secret: Path, open_here: Open, target: str) -> None:
    (folder / "symlink.h5").symlink_to(secret)
    name = str(secret) if target == "absolute" else target
    with h5py.File(folder / "run_master.h5", "w") as file:
        file.create_group("entry/data")["data_000001"] = h5py.ExternalLink(name, "/entry/data/data")
    with pytest.raises(FileFormatError, match="outside"):
        open_here(folder / "run_master.h5")


def test_a_data_file_may_not_lead_further(legacy_master: Path, secret: Path, open_here: Open) -> None:
    with h5py.File(legacy_master.parent / "run_data_000002.h5", "r+") as file:
        del file["entry/data/data"]
        file["entry/data/data"] = h5py.ExternalLink(str(secret), "/entry/data/data")
    with pytest.raises(FileFormatError, match="not followed"):
        open_here(legacy_master)


@pytest.mark.parametrize("target", ["../secret.h5", "absolute"])
def test_virtual_sources_lie_in_the_folder(nxmx_master: Path, secret: Path, open_here: Open, target: str) -> None:
    with h5py.File(nxmx_master, "r+") as file:
        shape: tuple[int, ...] = file["entry/data/data"].shape
        del file["entry/data/data"]
        layout, name = h5py.VirtualLayout(shape, "u2"), str(secret) if target == "absolute" else target
        layout[:, 0] = h5py.VirtualSource(name, "entry/data/data", (shape[0], *shape[2:]))
        file["entry/data"].create_virtual_dataset("data", layout)
    with pytest.raises(FileFormatError, match="outside"):
        open_here(nxmx_master)


def test_a_virtual_source_may_not_be_virtual_itself(nxmx_master: Path, secret: Path, open_here: Open) -> None:
    with h5py.File(nxmx_master.parent / "new_data_000001.h5", "r+") as file:
        kept: Any = file["entry/data/data"]
        layout = h5py.VirtualLayout(kept.shape, "u2")
        layout[:, 0] = h5py.VirtualSource(str(secret), "entry/data/data", (25, 48, 40))[:15]
        del file["entry/data/data"]
        file["entry/data"].create_virtual_dataset("data", layout)
    with pytest.raises(FileFormatError, match="not followed"):
        open_here(nxmx_master)
