"""The results of a recording or results file as a results file of their own: maps, quality, process and their facts."""

from __future__ import annotations

from pathlib import Path

import h5py

from stream_rrvae.maps.results import DEFINITION

GROUPS = ("maps", "quality", "process")
MOST_FACT_BYTES = 1 << 20


def write_results_copy(source: Path, path: Path) -> None:
    """Everything of `source` but its frames. Raises OSError, KeyError."""
    with h5py.File(source, "r") as given, h5py.File(path, "w") as file:
        entry, made = given["entry"], file.create_group("entry")
        file.attrs["default"] = "entry"
        made.attrs.update({**entry.attrs, "default": "maps"})
        for name in GROUPS:
            if name in entry:
                given.copy(entry[name], made, name, expand_soft=False, expand_external=False)
        for name in entry:
            # Facts lie in the entry itself; frames and their views are groups.
            link = entry.get(name, getlink=True)
            if isinstance(link, h5py.HardLink) and _is_fact(entry[name]):
                given.copy(entry[name], made, name)
        if "definition" in made:
            del made["definition"]
        made["definition"] = DEFINITION


def _is_fact(item: object) -> bool:
    return isinstance(item, h5py.Dataset) and not item.is_virtual and item.nbytes <= MOST_FACT_BYTES
