"""How each map is named, coloured and limited on a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MapStyle:
    title: str
    palette: str = "inferno"  # a key of palettes.SEQUENTIAL, or "direction"
    signed: bool = False  # symmetric limits

    @property
    def cyclic(self) -> bool:
        return self.palette == "direction"


_STYLES = {
    "com_magnitude": MapStyle("COM magnitude"),
    "com_direction": MapStyle("COM direction", "direction"),
    "com_x": MapStyle("COM x", "coolwarm", signed=True),
    "com_y": MapStyle("COM y", "coolwarm", signed=True),
    "sum": MapStyle("Sum", "grey"),
    "bright_field": MapStyle("Bright field", "grey"),
    "annular_dark_field": MapStyle("Annular dark field", "grey"),
    "misfit": MapStyle("Misfit of the model (\u03c3)", "viridis"),
    "dpc_phase": MapStyle("DPC phase", "coolwarm", signed=True),
    "ricom_phase": MapStyle("riCOM phase", "coolwarm", signed=True),
    "charge_density": MapStyle("Charge density", "coolwarm", signed=True),
    "electric_field_x": MapStyle("E field x", "coolwarm", signed=True),
    "electric_field_y": MapStyle("E field y", "coolwarm", signed=True),
    "electric_field_magnitude": MapStyle("E field magnitude"),
    "divergence": MapStyle("COM divergence", "coolwarm", signed=True),
    "curl": MapStyle("COM curl", "coolwarm", signed=True),
}
LATENT = "latent_"
_ABBREVIATIONS = frozenset({"abf", "adf", "bf", "com", "df", "dpc", "haadf", "icom", "laadf", "maadf"})
_WITH_PANELS_OF_THEIR_OWN = ("com_magnitude", "com_direction", "rotation", "rotation_confidence", "coverage")


def style_of(name: str) -> MapStyle:
    """The style of map `name`; a plain one for named detectors and maps of other people's making."""
    if name.startswith(LATENT):
        return MapStyle(f"Latent z{name.removeprefix(LATENT)}", "coolwarm", signed=True)
    if name in _STYLES:
        return _STYLES[name]
    is_component = name.endswith(("_x", "_y"))
    return MapStyle(_title(name), "coolwarm" if is_component else "viridis", signed=is_component)


def _title(name: str) -> str:
    """The name as people write it; what is given may be anything."""
    words = [word.upper() if word in _ABBREVIATIONS else word for word in name.split("_") if word]
    title = " ".join(words)
    return title[:1].upper() + title[1:]


def choosable(names: list[str]) -> list[str]:
    """The maps that the panel of choice can show, latents first."""
    free = [name for name in names if name not in _WITH_PANELS_OF_THEIR_OWN]
    return sorted(
        free, key=lambda name: (not name.startswith(LATENT), list(_STYLES).index(name) if name in _STYLES else 99, name)
    )
