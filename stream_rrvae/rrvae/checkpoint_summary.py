"""A checkpoint in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_rrvae.rrvae.checkpoint import Checkpoint, content_hash

SCANS_SHOWN = 12


def checkpoint_lines(checkpoint: Checkpoint) -> list[str]:
    """What it is, for which frames, and where it comes from; provenance is others' text and shown as it is."""
    basis, spec = checkpoint.basis, checkpoint.settings.get("spec", {})
    weights = sum(array.size for array in checkpoint.arrays.values())
    provenance = checkpoint.provenance
    lines = [
        f"  model       {checkpoint.name}, {spec.get('latents', '?')} latents, {weights} weights",
        f"  basis       orders 0..{basis.max_order}, {basis.n_radial} radial, to {basis.radius:g} semi-angles",
        f"  licence     {checkpoint.licence or 'not stated'}",
        f"  sha256      {content_hash(checkpoint)}",
        f"  made        {provenance.get('made', 'not stated')} by {provenance.get('program', 'an unnamed program')}",
        f"  trained on  {provenance.get('frames_trained', '?')} frames, "
        f"held-out {_number(provenance.get('heldout_loglikelihood'))} nats a frame",
    ]
    scans = provenance.get("scans")
    if isinstance(scans, list):
        lines += [_scan_line(scan) for scan in scans[:SCANS_SHOWN] if isinstance(scan, dict)]
        lines += [f"    and {len(scans) - SCANS_SHOWN} more scans"] if len(scans) > SCANS_SHOWN else []
    return lines


def _scan_line(scan: Mapping[str, Any]) -> str:
    counts = scan.get("counts_per_frame")
    dose = f"{counts:.3g} counts a frame" if isinstance(counts, int | float) else "noise-free"
    figures = scan.get("agreement")
    pearson = figures.get("pearson_latent_com") if isinstance(figures, dict) else None
    first = pearson[0] if isinstance(pearson, list) and pearson else None
    angle = figures.get("angle_error_deg") if isinstance(figures, dict) else None
    agreement = f"r {_number(first)}, angle {_number(angle)} degrees"
    return f"    {scan.get('name', '?')}: {scan.get('frames', '?')} frames, {dose}; {agreement}"


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "?"
