"""A site's calibration file (TOML): what the geometry is at each camera length, and what is wrong with the detector.

instrument = "ARM200"
mask = "bad-pixels.npy"            # [ky, kx], True or 1 = usable; beside this file
flat_field = "flat.npy"            # [ky, kx], what a pixel counts of what it should: pixels are divided by it, and
                                   # far off its median left out

[[camera_length]]
camera_length_mm = 100.0
mrad_per_px = 1.067
semiangle_mrad = 31.0              # optional
rotation_deg = -12.5               # of the detector against the scan; leave out what is not known
flip = false
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import BoolArray, Float32Array

CAMERA_LENGTH = "camera_length_mm"  # in a stream's metadata as well
ALIKE = 0.01  # camera lengths that differ by less are one
GAINS = (0.5, 2.0)  # of a flat field: a pixel outside is not usable
LARGEST_FILE_BYTES = 1 << 16


class CameraLength(BaseModel):
    """The geometry at one camera length; None = not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    camera_length_mm: float = Field(gt=0)
    mrad_per_px: float | None = Field(None, gt=0)
    semiangle_mrad: float | None = Field(None, gt=0)
    rotation_deg: float | None = Field(None, ge=-360, le=360)
    flip: bool | None = None

    @property
    def as_settings(self) -> CalibrationSettings:
        """The same as what a site's settings say."""
        return CalibrationSettings(
            mrad_per_px=self.mrad_per_px,
            semiangle_mrad=self.semiangle_mrad,
            detector_rotation_deg=self.rotation_deg,
            detector_flip=self.flip,
        )


class SiteContent(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    instrument: str = ""
    mask: str | None = None
    flat_field: str | None = None
    camera_length: tuple[CameraLength, ...] = ()


@dataclass(frozen=True, eq=False)
class Site:
    """A site file as it was read."""

    path: Path
    text: str
    content: SiteContent
    usable: BoolArray | None  # [ky, kx], of mask and flat field together; None = nothing is said of pixels
    gain: Float32Array | None  # [ky, kx] what the flat field asks pixels to be multiplied with; its median is 1
    sha256: str  # of the file and of what it names

    def at(self, camera_length_mm: float | None) -> CameraLength | None:
        """What is said for this camera length; None = nothing. Not told, there may be only one."""
        entries = self.content.camera_length
        if camera_length_mm is None:
            return entries[0] if len(entries) == 1 else None
        near = [each for each in entries if _alike(each.camera_length_mm, camera_length_mm)]
        return min(near, key=lambda each: abs(each.camera_length_mm - camera_length_mm)) if near else None

    @property
    def lengths_text(self) -> str:
        """The camera lengths that it knows, for messages."""
        return ", ".join(f"{each.camera_length_mm:g} mm" for each in self.content.camera_length) or "none"


def load_site(path: Path) -> Site:
    """Read and check a site file and the arrays that it names. Raises ConfigError that says what to change."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the site file {path}: {error.strerror}") from error
    if len(raw) > LARGEST_FILE_BYTES:
        raise ConfigError(f"the site file {path} is longer than {LARGEST_FILE_BYTES} bytes")
    try:
        text = raw.decode()
        content = SiteContent(**tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_fault(error)}") from error
    _check_lengths(path, content)
    usable, gain, digest = _pixels(path, content, hashlib.sha256(raw))
    return Site(path, text, content, usable, gain, digest)


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    return f"{name}: {first['msg']} (got {first['input']!r})"


def _check_lengths(path: Path, content: SiteContent) -> None:
    lengths = sorted(each.camera_length_mm for each in content.camera_length)
    for shorter, longer in pairwise(lengths):
        if _alike(shorter, longer):
            raise ConfigError(f"{path}: camera lengths {shorter:g} and {longer:g} mm are one; keep one entry of them")


def _alike(one_mm: float, other_mm: float) -> bool:
    return abs(one_mm - other_mm) <= ALIKE * max(one_mm, other_mm)


def _pixels(path: Path, content: SiteContent, digest: Any) -> tuple[BoolArray | None, Float32Array | None, str]:
    """Pixels that both arrays leave, the gain of those, and the digest with the arrays in it."""
    usable: BoolArray | None = None
    gain: Float32Array | None = None
    for name, decide in (("mask", _by_mask), ("flat_field", _by_flat_field)):
        file = getattr(content, name)
        if file is None:
            continue
        values = _array(path, name, file)
        digest.update(values.tobytes())
        good = decide(path, values)
        if usable is not None and usable.shape != good.shape:
            raise ConfigError(f"{path}: mask is of {usable.shape} pixels and flat_field of {good.shape}")
        usable = good if usable is None else usable & good
        gain = _gain(values, good) if name == "flat_field" else gain
    return usable, gain, digest.hexdigest()


def _array(path: Path, name: str, file: str) -> NDArray[Any]:
    try:
        values = np.load(path.parent / file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {name} {file} cannot be read: {error}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "buif":
        raise ConfigError(f"{path}: {name} {file} is no array of numbers [ky, kx]")
    return values


def _by_mask(path: Path, values: NDArray[Any]) -> BoolArray:
    if not np.isin(values, (0, 1)).all():
        raise ConfigError(f"{path}: the mask holds other values than 0 and 1 (1 = usable)")
    return values.astype(np.bool_)


def _by_flat_field(path: Path, values: NDArray[Any]) -> BoolArray:
    finite = values[np.isfinite(values)]
    middle = float(np.median(finite)) if finite.size else 0.0
    if not middle > 0:
        raise ConfigError(f"{path}: the flat field holds no positive values")
    return np.asarray(np.isfinite(values) & (values > GAINS[0] * middle) & (values < GAINS[1] * middle))


def _gain(values: NDArray[Any], good: BoolArray) -> Float32Array:
    """What makes even what `values` [ky, kx] say of the `good` pixels; 1 elsewhere."""
    middle = float(np.median(values[np.isfinite(values)]))
    return np.where(good, middle / np.where(good, values, 1.0), 1.0).astype(np.float32)


def vendor_camera_length_of(metadata: Mapping[str, Any]) -> float | None:
    """The detector's distance in mm, as a DECTRIS stream tells it in m among its own fields; None = none told.

    In an electron microscope it is whatever somebody once set: good for choosing an entry that is there, no more.
    """
    fields = metadata.get("detector")
    if not isinstance(fields, Mapping):
        return None
    moved = fields.get("detector_translation")
    told = fields.get("detector_distance") or (
        moved[2] if isinstance(moved, list | tuple) and len(moved) == 3 else None
    )
    is_length = isinstance(told, int | float) and not isinstance(told, bool) and 0 < abs(told) < float("inf")
    return 1000.0 * abs(told) if told is not None and is_length else None


def camera_length_of(metadata: Mapping[str, Any]) -> float | None:
    """The camera length in mm that a stream tells of; None = none, or none that makes sense."""
    told = metadata.get(CAMERA_LENGTH)
    is_length = isinstance(told, int | float) and not isinstance(told, bool) and 0 < told < float("inf")
    return float(told) if told is not None and is_length else None
