"""A snapshot as NeXus in HDF5, laid out like the results file: `/entry/maps/NAME` with units, NaN = not measured."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from typing import Any

from dashboards.views.view import LiveView
from stream_rrvae.messages import Snapshot
from stream_rrvae.plain import to_plain


def snapshot_hdf5(view: LiveView) -> bytes:
    """The whole file, made in memory."""
    import h5py  # here, because a dashboard runs without it until somebody takes a snapshot

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        file.attrs["default"] = "entry"
        _write_maps(entry, view)
        _write_pattern(entry, view)
        _write_facts(entry, view.frame.snapshot)
    return buffer.getvalue()


def _write_maps(entry: Any, view: LiveView) -> None:
    snapshot = view.frame.snapshot
    group = entry.create_group("maps")
    group.attrs["NX_class"] = "NXcollection"
    maps = dict(snapshot.maps)
    if view.detector_map is not None:
        maps["virtual_detector"] = view.detector_map.values
    for name, values in maps.items():
        data = group.create_dataset(name, data=values, compression="gzip", compression_opts=1)
        data.attrs["units"] = snapshot.units.get(name, "counts" if name == "virtual_detector" else "")


def _write_pattern(entry: Any, view: LiveView) -> None:
    pattern = view.pattern
    if pattern.values is None:
        return
    data = entry.create_dataset("pattern", data=pattern.values, compression="gzip", compression_opts=1)
    data.attrs["units"] = "counts"
    data.attrs["binning"] = pattern.binning
    if pattern.seen:
        data.attrs["mean_of"] = pattern.seen
    if pattern.position is not None:
        data.attrs["position_y"], data.attrs["position_x"] = pattern.position


def _write_facts(entry: Any, snapshot: Snapshot) -> None:
    """Everything but the arrays; `snapshot` is the whole as JSON."""
    texts = {
        "instrument": snapshot.instrument,
        "scan_id": snapshot.scan_id,
        "state": str(snapshot.state),
        "axes": snapshot.axes,
    }
    for name, text in texts.items():
        entry.create_dataset(name, data=text)
    entry.create_dataset("published_unix_s", data=snapshot.published_unix_s)
    known = {field.name: to_plain(getattr(snapshot, field.name)) for field in fields(Snapshot)}
    told = {name: value for name, value in known.items() if name not in ("maps", "pattern")}
    entry.create_dataset("snapshot", data=json.dumps(told, default=str))
