"""Options: what is explained, how, and whether the maps are tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import click

from ferviz.cli.outputs import typed
from ferviz.cli.sections import NamedValue, OptionGroup, option
from ferviz.errors import UsageError


@dataclass(frozen=True)
class ExplainOptions(OptionGroup):
    """What is explained, how, and where in the network: arguments of `explain`."""

    section: ClassVar[str] = "Explanation"
    method: str = option(
        "--method", default="gradcam", metavar="NAME", help="The attribution method (see: ferviz explain --methods)."
    )
    settings: tuple[tuple[str, Any], ...] = option(
        "--option",
        "-O",
        default=(),
        type=NamedValue(),
        multiple=True,
        metavar="NAME=VALUE",
        help="A setting of the method; repeat for several.",
    )
    target: tuple[str, ...] = option(
        "--target",
        "-t",
        default=("predicted",),
        multiple=True,
        metavar="CLASS",
        help="What is explained: predicted, a class, all, or a contrast (happy-sad); several: happy,sad, or repeat.",
    )
    layer: tuple[str, ...] = option(
        "--layer",
        "-l",
        default=(),
        multiple=True,
        metavar="NAME",
        help="The layer to look at (see: ferviz layers); several are fused: conv3,conv5, or repeat.  [default: the last map]",
    )

    def check_method(self) -> None:
        """Check the method's name, before any work.

        Raises:
            UnknownNameError: there is no such method.
            UsageError: there are several.
        """
        from ferviz.attribution.methods.registry import AUTO, METHODS

        if "," in self.method:
            raise UsageError(
                f"one method explains at a time; ferviz compare --method {self.method} draws them side by side"
            )
        if self.method != AUTO:
            METHODS.entry(self.method)

    def method_if_asked(self) -> str | None:
        """Return the method that was typed or that the command is named after; None where the network may decide."""
        context = click.get_current_context(silent=True)
        is_open = context is not None and "method" in context.params and not typed("method")
        return None if is_open else self.method


@dataclass(frozen=True)
class TestOptions(OptionGroup):
    """Whether heatmaps are tested."""

    section: ClassVar[str] = "Explanation"
    test: bool | None = option(
        "--test/--no-test",
        help="Test whether each map points at what the network needs.  [default: up to 48 small maps are tested]",
    )


@dataclass(frozen=True)
class PlaceOptions(OptionGroup):
    """Where the cells of a layer's maps are drawn."""

    section: ClassVar[str] = "Explanation"
    place: str = option(
        "--place",
        default="nominal",
        type=click.Choice(("nominal", "measured")),
        help="Draw a layer's cells evenly spread over the picture, or where they were measured to look.",
    )
