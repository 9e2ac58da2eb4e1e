"""A new entry in a site's calibration file; what is there already stays as it is, comments too."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from stream_rrvae.calibration.site_file import CameraLength, load_site
from stream_rrvae.errors import ConfigError

HEAD = "# Calibration of one instrument: stream-rrvae serve --site FILE; made by stream-rrvae calibrate.\n"


def add_entry(path: Path, entry: CameraLength, remarks: tuple[str, ...]) -> Path:
    """Append `entry` to the file at `path`, or make it; `remarks` become comments of the entry.

    Raises ConfigError where the file says something of this camera length already, or cannot be written.
    """
    before = ""
    if path.exists():
        site = load_site(path)
        if site.at(entry.camera_length_mm) is not None:
            raise ConfigError(
                f"{path} says already what holds at {entry.camera_length_mm:g} mm: take it out, or choose another --out"
            )
        before = site.text.rstrip("\n") + "\n"
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text((before or HEAD) + "\n" + _as_toml(entry, remarks))
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ConfigError(f"cannot write {path}: {error}; choose another --out") from error
    return path


def _as_toml(entry: CameraLength, remarks: tuple[str, ...]) -> str:
    lines = ["[[camera_length]]", *(f"# {' '.join(remark.split())}" for remark in remarks)]
    for name, value in entry.model_dump(exclude_none=True).items():
        lines.append(f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}")
    return "\n".join(lines) + "\n"
