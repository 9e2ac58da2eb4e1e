"""The site's word on a scan: its calibration file at the scan's camera length, and what settings say over it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from stream_rrvae.calibration.override import given
from stream_rrvae.calibration.site_file import Site, camera_length_of, load_site, vendor_camera_length_of
from stream_rrvae.config import CalibrationSettings, Settings
from stream_rrvae.log import event
from stream_rrvae.messages import BoolArray, Float32Array, Plain, ScanStart

SITE_NOTE = "site_note"  # in a scan's metadata: what of the site file could not be used


@dataclass(frozen=True)
class SiteWord:
    """What a site says of one scan."""

    start: ScanStart  # with the pixels that the site leaves out, and notes
    settings: CalibrationSettings
    from_file: CalibrationSettings  # the part of `settings` that the file says and nobody else
    gain: Float32Array | None  # [ky, kx] what its flat field asks pixels to be multiplied with
    file: dict[str, Plain] | None  # path, text and hash of the file, camera length used; None = there is no file


def site_word(start: ScanStart, settings: Settings) -> SiteWord:
    """The site's word on the scan that `start` announces. Raises ConfigError when the site's file is not to be used.

    A camera length or a frame shape that the file does not know costs no scan: a note says so.
    """
    nothing = CalibrationSettings()
    if settings.site is None:
        return SiteWord(start, settings.calibration, nothing, None, None)
    site = kept_site(settings.site)
    length_mm = settings.camera_length_mm or camera_length_of(start.metadata)
    if length_mm is None and site.at(vendors := vendor_camera_length_of(start.metadata)) is not None:
        length_mm = vendors
    entry, notes = site.at(length_mm), list[str]()
    if entry is None:
        told = "no camera length is told" if length_mm is None else f"nothing is said for {length_mm:g} mm"
        notes.append(f"{site.path.name}: {told}, it knows {site.lengths_text}")
    said = entry.as_settings if entry else nothing
    own = given(settings.calibration)
    from_file = CalibrationSettings(**{name: value for name, value in given(said).items() if name not in own})
    file: dict[str, Plain] = {
        "path": str(site.path), "sha256": site.sha256, "text": site.text,
        "camera_length_mm": entry.camera_length_mm if entry else None,
    }  # fmt: skip
    masked = _with_mask(start, site, notes)
    gain = site.gain if site.gain is not None and site.gain.shape == start.frame_shape else None
    if notes:
        event("site_file_doubtful", logging.WARNING, scan_id=start.scan_id, reason="; ".join(notes))
        masked = replace(masked, metadata={**masked.metadata, SITE_NOTE: "; ".join(notes)})
    return SiteWord(masked, CalibrationSettings(**{**given(from_file), **own}), from_file, gain, file)


def check_site(settings: Settings) -> None:
    """Raises ConfigError now, and not with the first scan, where the site's file is not to be used."""
    if settings.site is not None:
        kept_site(settings.site)


@lru_cache(maxsize=4)
def kept_site(path: Path) -> Site:
    """The file as it was when it was first needed: a scan must not differ from the one before by an edit half done."""
    return load_site(path)


def _with_mask(start: ScanStart, site: Site, notes: list[str]) -> ScanStart:
    usable: BoolArray | None = site.usable
    if usable is None:
        return start
    if usable.shape != start.frame_shape:
        notes.append(f"{site.path.name}: its mask is of {usable.shape} pixels, the frames of {start.frame_shape}")
        return start
    both = usable if start.pixel_mask is None else usable & start.pixel_mask
    return replace(start, pixel_mask=both)
