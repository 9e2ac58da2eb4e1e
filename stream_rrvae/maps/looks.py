"""How each map is named and coloured on paper: as on the dashboards, on white instead of black."""

from __future__ import annotations

from dataclasses import dataclass

from stream_rrvae.maps.figures_parts import DIRECTION, ROTATION


@dataclass(frozen=True, slots=True)
class Look:
    """`cycle` is the colour table of an angle; else `colours` names a colour map, about zero where `signed`."""

    title: str
    colours: str = "viridis"
    signed: bool = False
    cycle: tuple[str, ...] | None = None
    opacity: str | None = None  # the map that fades it
    limits: tuple[float, float] | None = None


_LOOKS = {
    "com_magnitude": Look("COM magnitude", "inferno"),
    "com_direction": Look("COM direction", cycle=DIRECTION),
    "com_x": Look("COM x", "coolwarm", signed=True),
    "com_y": Look("COM y", "coolwarm", signed=True),
    "rotation": Look("rrVAE rotation", cycle=ROTATION, opacity="rotation_confidence"),
    "rotation_confidence": Look("rotation confidence", limits=(0.0, 1.0)),
    "coverage": Look("coverage: 1 measured, 2 without counts", limits=(0.0, 2.0)),
    "sum": Look("sum", "gray"),
    "bright_field": Look("bright field", "gray"),
    "annular_dark_field": Look("annular dark field", "gray"),
    "misfit": Look("misfit of the model (\u03c3)"),
    "dpc_phase": Look("projected phase (iCOM)", "coolwarm", signed=True),
    "electric_field_x": Look("electric field x", "coolwarm", signed=True),
    "electric_field_y": Look("electric field y", "coolwarm", signed=True),
    "electric_field_magnitude": Look("electric field magnitude", "inferno"),
    "charge_density": Look("charge density", "coolwarm", signed=True),
    "divergence": Look("divergence of the COM", "coolwarm", signed=True),
    "curl": Look("curl of the COM", "coolwarm", signed=True),
}


def look_of(name: str) -> Look:
    """The look of map `name`; a plain one for maps of other people's making."""
    if name.startswith("latent_"):
        return Look(name.replace("_", " "), "coolwarm", signed=True)
    return _LOOKS.get(name) or Look(name.replace("_", " "))
