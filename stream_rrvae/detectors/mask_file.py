"""A user's mask from a file: .npy, .png or .h5, looked at before anything is read of it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import BoolArray

LARGEST_SIDE_PX = 8192
FILE_NAME_AND_DATASET = "::"


@lru_cache(maxsize=16)
def read_mask(path: Path) -> BoolArray:
    """Which pixels [ky, kx] count: those that are not 0. As it was when it was first needed. Raises ConfigError.

    Of HDF5 the dataset is named after the file, `masks.h5::/haadf`, unless there is only one.
    """
    readers = {".npy": _npy, ".png": _png, ".h5": _hdf5, ".hdf5": _hdf5}
    name, _, dataset = str(path).partition(FILE_NAME_AND_DATASET)
    reader = readers.get(Path(name).suffix.lower())
    if reader is None:
        raise ConfigError(f"the mask {path} is of no kind that is known: it has to be .npy, .png or .h5")
    try:
        values = reader(Path(name), dataset)
    except (OSError, ValueError, EOFError, KeyError, SyntaxError, RuntimeError) as error:
        raise ConfigError(f"the mask {path} cannot be read: {error}") from error
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ConfigError(f"the mask {path} holds what is no number: what is not 0 counts, the rest has to be 0")
    mask = np.asarray(values != 0)
    if not mask.any():
        raise ConfigError(f"the mask {path} is 0 everywhere: nothing would be counted")
    mask.setflags(write=False)
    return mask


def _npy(path: Path, _dataset: str) -> NDArray[Any]:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    _check(values.shape, values.dtype)
    return np.array(values)


def _png(path: Path, _dataset: str) -> NDArray[Any]:
    with Image.open(path, formats=["PNG"]) as image:
        _check((image.height, image.width), np.dtype(np.uint8))
        if image.mode not in ("1", "L", "I", "I;16"):
            raise ValueError("it is a picture in colour; save it in shades of grey, without transparency")
        return np.asarray(image)


def _hdf5(path: Path, dataset: str) -> NDArray[Any]:
    with h5py.File(path, "r") as file:
        found = _only_dataset(file) if not dataset else _followed(file, dataset)
        if found.is_virtual or found.external:
            raise ValueError("its pixels lie in other files, which are not opened")
        _check(found.shape, found.dtype)
        return np.asarray(found[()])


def _followed(file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset of that name, by links within the file alone."""
    at: Any = file
    for part in name.strip("/").split("/"):
        if not isinstance(at, h5py.Group) or not isinstance(at.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"there is no dataset {name} in it")
        at = at[part]
    if not isinstance(at, h5py.Dataset):
        raise ValueError(f"{name} in it is no dataset")
    return at


def _only_dataset(file: h5py.File) -> h5py.Dataset:
    names = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
    found = [file[name] for name in names if isinstance(file[name], h5py.Dataset)]
    if len(found) != 1:
        raise ValueError(
            f"it holds {len(found)} datasets at its top; name one, such as {Path(file.filename).name}::/mask"
        )
    return found[0]


def _check(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 2 or not all(1 <= side <= LARGEST_SIDE_PX for side in shape) or dtype.kind not in "buif":
        raise ValueError(f"it is {dtype} of {shape}, and no mask [ky, kx] of at most {LARGEST_SIDE_PX} pixels a side")
