"""Bokeh's server with what our pages need of its scripts, a third of all, so that they are there sooner."""

from __future__ import annotations

from bokeh.resources import Resources
from bokeh.server.tornado import BokehTornado


class LeanBokehTornado(BokehTornado):
    """Serves pages that have figures, but neither widgets, tables, formulae nor WebGL of Bokeh's."""

    def resources(self, absolute_url: str | bool | None = None) -> Resources:
        """The main script alone."""
        needed = super().resources(absolute_url)
        needed.components = ["bokeh"]
        needed.log_level = "info"  # which is what it is anyway: the template leaves the word out
        return needed
