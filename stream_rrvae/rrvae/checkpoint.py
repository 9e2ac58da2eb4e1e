"""Models on disk: weights as safetensors, everything else as JSON in its header. No pickle.

Metadata of the file: `format` and `format_version`; `model` (name, settings, basis and the definition
of its functions); `provenance` (free, plain); `licence` of the weights; `sha256` over all of these and names, shapes
and bytes of the weights.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stream_rrvae.errors import CheckpointError
from stream_rrvae.kernels.basis import DEFINITION, BasisSpec
from stream_rrvae.plain import from_plain, to_plain
from stream_rrvae.rrvae.model import Arrays, Model
from stream_rrvae.rrvae.registry import factory

FORMAT = "stream-rrvae model"
VERSION = "1"
LARGEST_FILE_BYTES = 256 << 20
PRETRAINED = Path(__file__).parent / "pretrained"
DEFAULT_NAME = "pretrained"
DEFAULT_FILE = "graphene-60kV-31mrad.safetensors"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model as it lies on disk."""

    name: str  # in the registry
    basis: BasisSpec
    settings: Mapping[str, Any]
    arrays: Arrays
    provenance: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""  # "" = nothing is said

    def model(self, device: str = "auto") -> Model:
        """The model with its weights. Raises CheckpointError when they do not fit together."""
        model = factory(self.name).from_settings(self.settings, device)
        if model.basis != self.basis:
            raise CheckpointError("the checkpoint's basis is not that of its model")
        model.restore(self.arrays)
        return model


def checkpoint_of(model: Model, provenance: Mapping[str, Any], licence: str = "") -> Checkpoint:
    """`model` as a checkpoint; `provenance` says where it comes from (plain values)."""
    return Checkpoint(model.name, model.basis, model.settings(), model.arrays(), provenance, licence)


def located(name: Path) -> Path:
    """The file that `name` means: a file's path, or "pretrained" for the model that comes with the package."""
    return PRETRAINED / DEFAULT_FILE if name == Path(DEFAULT_NAME) and not name.exists() else name


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` whole or not at all. Raises CheckpointError when the disk refuses."""
    metadata = _metadata(checkpoint)
    metadata["sha256"] = _hashed(metadata, checkpoint.arrays)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Arrays that lie otherwise would be written in the wrong order.
        save_file({name: np.ascontiguousarray(array) for name, array in checkpoint.arrays.items()}, partial, metadata)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise CheckpointError(f"cannot write the checkpoint {path}: {error}") from error


def content_hash(checkpoint: Checkpoint) -> str:
    """SHA-256 over all that the file would hold, in hexadecimal: the same model has the same on every machine."""
    return _hashed(_metadata(checkpoint), checkpoint.arrays)


def load(name: Path) -> Checkpoint:
    """Read and check the checkpoint `name` (see `located`). Raises CheckpointError that says what is wrong with it."""
    path = located(name)
    try:
        metadata, arrays = _read(path)
        checkpoint = _from_metadata(metadata, arrays)
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a whole checkpoint: {type(error).__name__} {error}") from error
    if metadata.get("sha256") != _hashed(metadata, arrays):
        raise CheckpointError(f"{path} is damaged: its content does not have the hash it was written with")
    return checkpoint


def require_fit(checkpoint: Checkpoint, basis: BasisSpec) -> None:
    """Raises CheckpointError when `checkpoint` was made for features of another basis."""
    if checkpoint.basis != basis:
        raise CheckpointError(
            f"the checkpoint is for the basis {to_plain(checkpoint.basis)}, the scan has {to_plain(basis)}: "
            "train a model on scans with these settings"
        )


def _from_metadata(metadata: Mapping[str, str], arrays: Arrays) -> Checkpoint:
    model, provenance = json.loads(metadata["model"]), json.loads(metadata["provenance"])
    _check_definition(model)
    basis = from_plain(BasisSpec, model["basis"])
    if not (isinstance(provenance, dict) and isinstance(model["settings"], dict) and isinstance(model["name"], str)):
        raise TypeError("its description has fields of the wrong kind")
    return Checkpoint(model["name"], basis, model["settings"], arrays, provenance, metadata["licence"])


def _check_definition(model: Any) -> None:
    if not isinstance(model, dict):
        raise TypeError("its model is no description")
    made_for = model.get("basis_definition", "not stated")
    if made_for != DEFINITION:
        raise CheckpointError(
            f"the checkpoint is for features of another basis ({str(made_for)[:80]}; this program has {DEFINITION}): "
            "train it again"
        )


def _read(path: Path) -> tuple[dict[str, str], Arrays]:
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise CheckpointError(f"{path} is larger than any model of ours ({LARGEST_FILE_BYTES >> 20} MiB)")
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise CheckpointError(f"{path} is a safetensors file, but not a model of stream-rrvae")
        if metadata.get("format_version") != VERSION:
            raise CheckpointError(
                f"{path} has format version {metadata.get('format_version')}, this program reads {VERSION}"
            )
        return metadata, {name: _as_float32(name, file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118


def _as_float32(name: str, array: Any) -> Any:
    if not isinstance(array, np.ndarray) or array.dtype != np.float32:
        raise CheckpointError(f"weights {name} are not float32")
    return array


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    model = {
        "name": checkpoint.name,
        "basis": checkpoint.basis,
        "basis_definition": DEFINITION,
        "settings": checkpoint.settings,
    }
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "model": json.dumps(to_plain(model), sort_keys=True),
        "provenance": json.dumps(to_plain(checkpoint.provenance), sort_keys=True),
        "licence": checkpoint.licence,
    }


def _hashed(metadata: Mapping[str, str], arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in ("format", "format_version", "model", "provenance", "licence"):
        digest.update(f"{name}={metadata[name]}\n".encode())
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
