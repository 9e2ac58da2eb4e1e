"""The option of the command line that names virtual detectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from stream_rrvae.detector_settings import SHORT_FORM, detector_from_text
from stream_rrvae.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


def _settings_of(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> list[dict[str, Any]] | None:
    """Those of every detector, None without any: then those of the file show through."""
    try:
        return [detector_from_text(text) for text in texts] or None
    except ConfigError as error:
        raise click.BadParameter(str(error)) from error


def detector_option(command: F) -> F:
    """Adds it to `command`."""
    return click.option(
        "--detector",
        "detectors",
        metavar="DETECTOR",
        multiple=True,
        callback=_settings_of,
        help=f"Virtual detector, a map of its own; may be repeated: {SHORT_FORM}. Instead of those of --config.",
    )(command)
