"""Virtual detectors as settings name them, and their short form for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stream_rrvae.errors import ConfigError

DetectorShape = Literal["annulus", "segment", "quadrants", "mask"]
DetectorUnit = Literal["semi_angle", "mrad", "px"]
MOST_DETECTORS = 8
QUADRANTS = 4
LARGEST = 1e5
# Names that maps have already: see maps.products and maps.derived.
RESERVED = frozenset((
    "sum", "com_x", "com_y", "com_magnitude", "com_direction", "rotation", "rotation_confidence", "misfit",
    "bright_field", "annular_dark_field", "coverage", "electric_field_x", "electric_field_y",
    "electric_field_magnitude", "charge_density", "divergence", "curl", "dpc_phase", "ricom_phase",
    "virtual_detector", "scan_y", "scan_x",
))  # fmt: skip
PRESETS: dict[str, dict[str, Any]] = {
    "bf": {"inner": 0.0, "outer": 1.0},
    "abf": {"inner": 0.5, "outer": 1.0},
    "adf": {"inner": 1.1, "outer": 2.5},
    "dpc": {"shape": "quadrants", "inner": 0.0, "outer": 1.0},
}
SHORT_FORM = (
    "NAME=annulus:INNER:OUTER, NAME=segment:INNER:OUTER:ANGLE:WIDTH, NAME=quadrants:INNER:OUTER[:ANGLE] "
    f"(of the semi-angle; degrees), NAME=mask:FILE, or one of {', '.join(PRESETS)}"
)
_NUMBERS = {"annulus": (2, 2), "segment": (4, 4), "quadrants": (2, 3)}  # least and most


class DetectorSettings(BaseModel):
    """One virtual detector; `unit` semi_angle = fractions of the disc's radius as it is found on each scan.

    Angles are atan2(ky, kx) on the detector: of the middle of a segment, or of the first quadrant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    shape: DetectorShape = "annulus"
    unit: DetectorUnit = "semi_angle"
    inner: float = Field(0.0, ge=0, le=LARGEST)
    outer: float | None = Field(None, gt=0, le=LARGEST)
    angle_deg: float = Field(0.0, ge=-360, le=360)
    width_deg: float = Field(90.0, gt=0, le=360)
    file: Path | None = None  # [ky, kx], .npy, .png or .h5: what is not 0 counts

    @model_validator(mode="after")
    def _fits_its_shape(self) -> Self:
        if self.shape == "mask":
            if self.file is None or self.outer is not None:
                raise ValueError("a mask is given by its file, and by nothing else")
        elif self.file is not None:
            raise ValueError("only a mask has a file")
        elif self.outer is None or self.outer <= self.inner:
            raise ValueError("outer must be more than inner")
        return self

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of what is counted for it."""
        if self.shape == "quadrants":
            return tuple(f"{self.name}_{number}" for number in range(1, QUADRANTS + 1))
        return (self.name,)

    @property
    def map_names(self) -> tuple[str, ...]:
        """The names of its maps."""
        return (*self.channels, f"{self.name}_x", f"{self.name}_y") if self.shape == "quadrants" else self.channels


def check_names(detectors: tuple[DetectorSettings, ...]) -> tuple[DetectorSettings, ...]:
    """The same where they are not too many and their maps' names differ; for the settings tree.

    Raises ValueError.
    """
    if len(detectors) > MOST_DETECTORS:
        raise ValueError(f"there may be {MOST_DETECTORS} virtual detectors, not {len(detectors)}")
    taken = set(RESERVED)
    for name in (name for each in detectors for name in each.map_names):
        if name in taken or name.startswith("latent_"):
            raise ValueError(f"there is a map {name!r} already: give the detector another name")
        taken.add(name)
    return detectors


def detector_from_text(text: str) -> dict[str, Any]:
    """The settings of one detector from its short form. Raises ConfigError that says what the form is."""
    name, given, rest = text.strip().partition("=")
    if not given:
        if name not in PRESETS:
            raise ConfigError(f"{text!r} is no virtual detector; write {SHORT_FORM}")
        return {"name": name, **PRESETS[name]}
    shape, _, values = rest.partition(":")
    if shape == "mask" and values:
        return {"name": name, "shape": shape, "file": values}
    least, most = _NUMBERS.get(shape, (0, -1))
    parts = values.split(":") if values else []
    if not least <= len(parts) <= most:
        raise ConfigError(f"{text!r} is no virtual detector; write {SHORT_FORM}")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise ConfigError(f"{text!r} is no virtual detector: {values!r} are no numbers; write {SHORT_FORM}") from None
    named = zip(("inner", "outer", "angle_deg", "width_deg"), numbers, strict=False)
    return {"name": name, "shape": shape, **dict(named)}
