"""Results files of a scan's shards as the results file of the scan, for when all of them are over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stream_rrvae.calibration.merged_found import merged_found
from stream_rrvae.errors import FileFormatError
from stream_rrvae.found import CalibrationFound
from stream_rrvae.maps.com_field import ComField
from stream_rrvae.maps.derived import DERIVED
from stream_rrvae.maps.manifold_file import PLACE
from stream_rrvae.maps.map_chunks import write_map
from stream_rrvae.maps.merging import merged_maps, merged_mean
from stream_rrvae.maps.products import COVERAGE
from stream_rrvae.maps.results import write_not_made
from stream_rrvae.maps.results_geometry import MEAN_PATTERN, write_mean_pattern
from stream_rrvae.messages import Calibration, Float32Array, ScanState
from stream_rrvae.plain import from_plain, to_plain
from stream_rrvae.whole_file import whole_hdf5

MAPS, QUALITY, PROCESS = "entry/maps", "entry/quality", "entry/process"
GEOMETRY = "entry/geometry"
FOUND = f"{GEOMETRY}/found"


def merge_results(paths: Sequence[Path], out: Path) -> Path:
    """Merge results files into `out`, which must not be there and appears whole or not at all.

    Calibration, configuration and metadata are the first file's. Raises FileFormatError.
    """
    if out.exists():
        raise FileFormatError(f"{out} is there already: choose another --out")
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(h5py.File(path)) for path in paths]
            _check_alike(paths, files)
            with whole_hdf5(out) as whole:
                _write_merged(whole, files)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise FileFormatError(f"cannot merge {', '.join(map(str, paths))} into {out}: {error}") from error
    return out


def _check_alike(paths: Sequence[Path], files: Sequence[h5py.File]) -> None:
    """All must be of one scan, on one grid, in one kind of axes and units."""
    told = [_meaning(file) for file in files]
    for path, each in zip(paths, told, strict=True):
        for name, value in each.items():
            if name in told[0] and value != told[0][name]:
                raise FileFormatError(f"{path} and {paths[0]} differ in {name}: {value} and {told[0][name]}")


def _meaning(file: h5py.File) -> dict[str, Any]:
    maps = file[MAPS]
    units = {f"the unit of {name}": maps[name].attrs["units"] for name in _names(file)}
    told = {"scan": file["entry/scan_id"][()].decode(), "vector axes": maps.attrs["vector_axes"]}
    return {**told, "scan shape": maps["sum"].shape, **units}


def _names(file: h5py.File) -> list[str]:
    return [file[MAPS].attrs["signal"], *file[MAPS].attrs["auxiliary_signals"]]


def _write_merged(whole: h5py.File, files: Sequence[h5py.File]) -> None:
    files[0].copy("entry", whole)
    whole.attrs.update(files[0].attrs)
    models = {file[f"{PROCESS}/model/sha256"][()] for file in files if f"{PROCESS}/model/sha256" in file}
    maps = merged_maps([_maps_of(file) for file in files], one_model=len(models) <= 1)
    calibration = from_plain(Calibration, json.loads(whole["entry/calibration"][()]))
    unit, axes = whole[f"{MAPS}/com_x"].attrs["units"], whole[MAPS].attrs["vector_axes"]
    field = ComField(maps["com_y"], maps["com_x"], axes, unit, calibration)
    whole.pop(PLACE, None)  # of a shard's own positions
    _replace_maps(whole, files, maps)
    _derive_again(whole, field)
    _replace_account(whole, files)
    _replace_found(whole, files)
    _replace_mean_pattern(whole, files)
    _replace(whole, "entry/state", str(_state(files)))
    _replace(whole, "entry/model_version", min(int(file["entry/model_version"][()]) for file in files))
    if len(models) > 1:
        _replace(whole, f"{PROCESS}/detail", "the shards had different models, whose maps were left out")
        del whole[f"{PROCESS}/model"]


def _maps_of(file: h5py.File) -> dict[str, Float32Array]:
    return {name: file[f"{MAPS}/{name}"][()].astype(np.float32) for name in _names(file)}


def _replace_maps(whole: h5py.File, files: Sequence[h5py.File], maps: Mapping[str, Float32Array]) -> None:
    group = whole[MAPS]
    units = {name: file[f"{MAPS}/{name}"].attrs["units"] for file in files for name in _names(file)}
    for name in _names(whole):
        del group[name]
    for name, values in maps.items():
        stored = values.astype(np.uint8) if name == COVERAGE else values
        write_map(group, name, stored).attrs["units"] = units[name]
    group.attrs["auxiliary_signals"] = [name for name in maps if name != group.attrs["signal"]]


def _derive_again(whole: h5py.File, field: ComField) -> None:
    """Make the maps that no shard could make: of the COM of the whole scan."""
    group, reasons = whole[MAPS], _others_not_made(whole)
    for product in DERIVED:
        group.pop(product.name, None)
        reasons[product.name] = field.missing(product.needs)
        if not reasons[product.name]:
            image = product.of(field).astype(np.float32)
            data = write_map(group, product.name, image)
            data.attrs["units"] = product.unit_of(field)
            if note := product.note_of(field):
                data.attrs["note"] = note
    axes = {*group.attrs["axes"], group.attrs["signal"]}
    group.attrs["auxiliary_signals"] = [name for name in group if name not in axes]
    whole.pop("entry/maps_not_made", None)
    write_not_made(whole["entry"], {name: reason for name, reason in reasons.items() if reason})


def _others_not_made(whole: h5py.File) -> dict[str, str]:
    """Why maps are not there that no merging can make."""
    told = whole.get("entry/maps_not_made", {})
    derived = {product.name for product in DERIVED}
    return {name: reason[()].decode() for name, reason in told.items() if name not in derived}


def _replace_account(whole: h5py.File, files: Sequence[h5py.File]) -> None:
    """Sums of the frames' account; figures of a shard's model are not those of the scan."""
    group, sums = whole[QUALITY], dict[str, int]()
    for file in files:
        counts = {name: data for name, data in file[QUALITY].items() if name.startswith("frames_")}
        for reasons in ("refused_by_reason", "skipped_by_reason"):
            counts |= {f"{reasons}/{name}": n for name, n in file[QUALITY].get(reasons, {}).items()}
        for name, data in counts.items():
            sums[name] = sums.get(name, 0) + int(data[()])
    level = max(int(file[f"{QUALITY}/degrade_level_highest"][()]) for file in files)
    group.clear()
    for name, count in sums.items():
        group[name] = count
    group["degrade_level_highest"] = level


def _replace_found(whole: h5py.File, files: Sequence[h5py.File]) -> None:
    """What all shards together show of the calibration."""
    told = [json.loads(file[FOUND][()]) for file in files if FOUND in file]
    found = merged_found([from_plain(CalibrationFound, plain) for plain in told])
    if found is not None:
        whole.pop(FOUND, None)
        whole[FOUND] = json.dumps(to_plain(found))


def _replace_mean_pattern(whole: h5py.File, files: Sequence[h5py.File]) -> None:
    """That of all frames that are in those of the shards."""
    told = [file[f"{GEOMETRY}/{MEAN_PATTERN}"] for file in files if f"{GEOMETRY}/{MEAN_PATTERN}" in file]
    mean = merged_mean((int(data.attrs["frames"]), data[()]) for data in told)
    if mean is not None:
        whole[GEOMETRY].pop(MEAN_PATTERN, None)
        write_mean_pattern(whole[GEOMETRY], *mean)


def _state(files: Sequence[h5py.File]) -> ScanState:
    states = {file["entry/state"][()].decode() for file in files}
    return ScanState.COMPLETE if states == {ScanState.COMPLETE} else ScanState.ABORTED


def _replace(whole: h5py.File, name: str, value: str | int) -> None:
    del whole[name]
    whole[name] = value
