"""Which model made the maps: told with every version, kept in the results."""

from __future__ import annotations

from dataclasses import dataclass

from stream_rrvae.rrvae.checkpoint import checkpoint_of, content_hash
from stream_rrvae.rrvae.model import Model


@dataclass(frozen=True, slots=True)
class Origin:
    """What a scan's model began with, and the hash of the checkpoint in its past, if there is one."""

    began_with: str = "random weights"  # or "checkpoint", "previous scan"
    checkpoint_sha256: str = ""

    def after_a_scan(self) -> Origin:
        """The origin of a model that goes on to the next scan."""
        return Origin("previous scan", self.checkpoint_sha256)


def identity(model: Model, origin: Origin) -> dict[str, str | int]:
    """`decoder`, `latents`, `began_with`, `sha256` of the model as it is, `checkpoint_sha256` as `info` shows it."""
    told: dict[str, str | int] = {
        "decoder": model.name,
        "latents": model.latents,
        "began_with": origin.began_with,
        "sha256": content_hash(checkpoint_of(model, {})),
    }
    return told | ({"checkpoint_sha256": origin.checkpoint_sha256} if origin.checkpoint_sha256 else {})
