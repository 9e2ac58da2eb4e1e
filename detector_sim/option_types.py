"""Kinds of values on the command line."""

from __future__ import annotations

import math
from typing import Any

import click

from detector_sim.detector import DetectorModel, detector_model
from stream_rrvae.errors import ConfigError
from stream_rrvae.option_kind import OptionKind

MAX_POSITIONS = 1 << 24


class ScanShape(OptionKind[tuple[int, int]]):
    """Positions as YxX."""

    name = "YxX"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """(y, x)."""
        rows, _, columns = str(value).partition("x")
        if not (rows.isdecimal() and columns.isdecimal() and 0 < int(rows) * int(columns) <= MAX_POSITIONS):
            self.fail(f"{value!r} is no scan shape: write rows x columns, such as 64x64", param, ctx)
        return int(rows), int(columns)


class Pair(OptionKind[tuple[float, float]]):
    """One number for both axes, or two."""

    name = "Y,X"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """(y, x)."""
        try:
            numbers = [float(part) for part in str(value).split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2) or not all(map(math.isfinite, numbers)):
            self.fail(f"{value!r} is neither one number nor two with a comma between", param, ctx)
        return numbers[0], numbers[-1]


class Detector(OptionKind[DetectorModel]):
    """A detector's name, or HxW:dtype."""

    name = "NAME|HxW:dtype"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DetectorModel:
        """The model."""
        try:
            return detector_model(str(value))
        except ConfigError as error:
            self.fail(str(error), param, ctx)


class Unbounded(OptionKind[float]):
    """A positive number, or the word for "no bound", which becomes infinity."""

    def __init__(self, name: str, *words: str) -> None:
        self.name, self._words = name, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; infinity for one of the words."""
        if str(value).lower() in self._words:
            return math.inf
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            self.fail(f"{value!r} is neither a number above 0 nor {' or '.join(self._words)}", param, ctx)
        return number


class Fault(OptionKind[tuple[str, float]]):
    """NAME=RATE."""

    name = "NAME=RATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """(name, rate)."""
        name, _, rate = str(value).partition("=")
        try:
            return name, float(rate)
        except ValueError:
            self.fail(f"{value!r} is no fault: write NAME=RATE, such as drop=0.01", param, ctx)
