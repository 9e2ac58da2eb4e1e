"""Models by name: ours, and those that installed packages announce in the group `stream_rrvae.models`."""

from __future__ import annotations

from importlib.metadata import entry_points

from stream_rrvae.errors import ConfigError
from stream_rrvae.rrvae.exact_learner import ExactLearner
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.model import ModelFactory
from stream_rrvae.rrvae.spatial_learner import SpatialLearner

ENTRY_POINTS = "stream_rrvae.models"
BUILT_IN: dict[str, ModelFactory] = {
    "harmonic": HarmonicLearner,
    "exact": ExactLearner,
    "spatial": SpatialLearner,
}


def model_names() -> list[str]:
    """Every model that there is."""
    return sorted({*BUILT_IN, *entry_points(group=ENTRY_POINTS).names})


def factory(name: str) -> ModelFactory:
    """The model called `name`. Raises ConfigError when none is installed."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    found = entry_points(group=ENTRY_POINTS)
    if name not in found.names:
        raise ConfigError(f"there is no model {name!r}; installed are {', '.join(model_names())}")
    loaded: ModelFactory = found[name].load()
    return loaded
