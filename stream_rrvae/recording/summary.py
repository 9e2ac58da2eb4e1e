"""A recording, or another file of frames, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from stream_rrvae.messages import Calibration
from stream_rrvae.plain import from_plain, to_plain
from stream_rrvae.recording.description import ENCODINGS, Description
from stream_rrvae.recording.frame_file import described
from stream_rrvae.recording.layout import Flag


def frame_file_lines(source: str) -> list[str]:
    """Kind, scan, frames, pixels, times, calibration, notes. Raises FileFormatError when it holds no frames."""
    with described(source, None, None) as (description, _stored):
        return [source.partition("::")[0], *_lines(description)]


def _lines(found: Description) -> Iterator[str]:
    scan_id = found.start.get("scan_id")
    yield f"  {found.kind}" + (f" of scan {scan_id}" if scan_id else "")
    yield f"  positions   {_scan_shape(found)}"
    yield f"  frames      {_frames(found)}"
    yield f"  pixels      {found.shape[-2]}x{found.shape[-1]} {found.pixel_type}{_packing(found)}{_mask(found)}"
    if found.received_s is not None and found.received_s.size > 1:
        seconds = float(found.received_s[-1] - found.received_s[0])
        yield f"  times       {seconds:.4g} s from the first to the last"
    known = from_plain(Calibration, found.start.get("calibration", {}))
    said = ", ".join(f"{name} {value}" for name, value in to_plain(known).items() if value not in (None, False))
    yield f"  calibration {said or 'none announced'}"
    yield from (f"  note        {note}" for note in found.notes)


def _scan_shape(found: Description) -> str:
    shape = found.shape[:2] if len(found.shape) == 4 else found.scan_shape
    return f"{shape[0]}x{shape[1]}" if shape else "not said: say --scan-shape YxX where it is used"


def _frames(found: Description) -> str:
    n_stored = int(np.prod(found.shape[:-2]))
    if found.numbers is None:
        return f"{n_stored}"
    text = f"{n_stored} for {np.unique(found.numbers).size} positions"
    if found.flags is not None:
        text += "".join(f", {np.count_nonzero(found.flags & flag)} {str(flag.name).lower()}" for flag in Flag)
    return text


def _packing(found: Description) -> str:
    if found.index is None:
        return ""
    counted = Counter(found.index.encoding.tolist())
    total_mib = float(found.index.size.sum(dtype=np.float64)) / (1 << 20)
    packed = ", ".join(str(ENCODINGS[code]) for code, _ in counted.most_common())
    return f", stored as {packed} in {total_mib:.4g} MiB"


def _mask(found: Description) -> str:
    return "" if found.pixel_mask is None else f", {np.count_nonzero(~found.pixel_mask)} masked"
