"""Kinds of values on the command line, as the help shows them."""

from __future__ import annotations

from typing import Generic, TypeVar

import click

T = TypeVar("T")


class OptionKind(click.ParamType[T], Generic[T]):
    """Its `name` stands in the help as it is to be written, not in capitals."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What stands behind the option."""
        return self.name
