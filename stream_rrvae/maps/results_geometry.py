"""What a results file says of its calibration: where each value comes from, what the scan shows of it, mean pattern.

/entry/geometry (NXcollection): `origin/NAME` of every value of /entry/calibration; `found` (JSON of
`found.CalibrationFound`), which is a suggestion; `descan` in words and, where it was taken out, `descan_removed`
(JSON of `found.DescanFound`); `mean_pattern` [ky, kx]; `site_file`, whole, with its hash and the camera length used.
"""

from __future__ import annotations

import json

import h5py

from stream_rrvae.calibration.origin import ORIGIN, SITE
from stream_rrvae.found import CalibrationFound, DescanFound
from stream_rrvae.messages import Float32Array
from stream_rrvae.plain import to_plain
from stream_rrvae.scan_store import ScanStore

MEAN_PATTERN = "mean_pattern"


def write_geometry(
    group: h5py.Group, store: ScanStore, removed: DescanFound | None, found: CalibrationFound | None
) -> None:
    """Fill /entry/geometry; `removed` is the descan that was taken out of the COM maps."""
    group.attrs["NX_class"] = "NXcollection"
    for name, origin in store.features_info.get(ORIGIN, {}).items():
        group[f"origin/{name}"] = origin
    if found is not None:
        group["found"] = json.dumps(to_plain(found))
    group["descan"] = descan_in_words(removed)
    if removed is not None:
        group["descan_removed"] = json.dumps(to_plain(removed))
    latest = store.read_mean()
    if latest is not None:
        write_mean_pattern(group, *latest)
    site = store.features_info.get(SITE)
    if site is not None:
        group["site_file"] = site["text"]
        group["site_file"].attrs.update({"path": site["path"], "sha256": site["sha256"]})
        if site["camera_length_mm"] is not None:
            group["site_file"].attrs["camera_length_mm"] = site["camera_length_mm"]


def write_mean_pattern(group: h5py.Group, frames: int, pattern: Float32Array) -> None:
    """Put `pattern` [ky, kx], the mean of so many frames, into /entry/geometry."""
    mean = group.create_dataset(MEAN_PATTERN, data=pattern, compression="gzip", shuffle=True)
    mean.attrs.update({"units": "counts", "frames": frames})


def descan_in_words(removed: DescanFound | None) -> str:
    """What was done about descan, so that nobody takes a field for one that is whole."""
    if removed is None:
        return "nothing was taken out of the COM maps"
    (rows_y, rows_x), (columns_y, columns_x) = removed.terms_px[:2]
    doubt = "" if removed.certain else "; halves of the scan disagree on it: it may be the specimen's own field"
    return (
        f"a {removed.kind} surface was taken out of the COM maps: ({rows_y:.3f}, {rows_x:.3f}) px (ky, kx) from the "
        f"first row to the last, ({columns_y:.3f}, {columns_x:.3f}) px from the first column to the last; a field of "
        f"the specimen that is even over the whole scan went with it{doubt}"
    )
