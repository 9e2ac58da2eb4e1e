"""The pages' own HTML around the Bokeh figures, and the files that it needs; nothing comes from elsewhere."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, Template

from dashboards.pictures.palettes import DIRECTION, ROTATION, SEQUENTIAL, bar_gradient, wheel_gradient

PAGES = Path(__file__).parent


@cache
def template(name: str) -> Template:
    """The page `name`; our pages extend Bokeh's own, which it passes as `base`."""
    # Bokeh passes its scripts as ready HTML; what else goes into a page is fixed text of ours.
    environment = Environment(loader=FileSystemLoader(PAGES), autoescape=False)
    environment.globals.update(gradients=_gradients(), version=_version())
    return environment.get_template(name)


def _gradients() -> dict[str, str]:
    """CSS custom properties for colour bars and wheels."""
    bars = {f"--bar-{name}": bar_gradient(name) for name in SEQUENTIAL}
    return bars | {"--wheel-direction": wheel_gradient(DIRECTION), "--wheel-rotation": wheel_gradient(ROTATION)}


def _version() -> str:
    """Changes with the files, so that browsers may keep them for ever."""
    content = b"".join(file.read_bytes() for file in sorted(PAGES.iterdir()) if file.is_file())
    return hashlib.sha256(content).hexdigest()[:12]
