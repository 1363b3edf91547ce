"""Options: which network, and how many faces it gets at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import click

from ferviz.cli.outputs import beside
from ferviz.cli.sections import OptionGroup, option
from ferviz.engines.registry import ENGINE_CHOICES
from ferviz.errors import UsageError
from ferviz.models.network_address import parse_input, parse_network
from ferviz.paths import PathLike


@dataclass(frozen=True)
class ModelOptions(OptionGroup):
    """Which network, and what its file does not tell: the arguments of `load_model`."""

    section: ClassVar[str] = "Network"
    model: str | None = option(
        "--model",
        "-m",
        metavar="FILE",
        help="A network: .keras, .h5, .json, SavedModel folder, .ferviz, PyTorch's .pth (with --architecture); with its "
        "conventions 'FILE?scaling=-1..1&labels=7'.  [default: the bundled one]",
    )
    labels: str | None = option(
        "--labels", metavar="NAMES", help="The order of its outputs: 7, 7-alphabetical, 8-ferplus ... or happy,sad,..."
    )
    scaling: str | None = option(
        "--scaling", metavar="RANGE", help="The values it was trained on: 0..1, -1..1, 0..255 or standardize."
    )
    weights: str | None = option(
        "--weights", metavar="FILE", help="Its weights, where --model is an architecture as JSON."
    )
    architecture: str | None = option(
        "--architecture",
        metavar="CODE",
        help="The class of PyTorch weights: my_net.py:MyNet (the file is run), package.module:callable, timm:NAME, "
        "torchvision:NAME.",
    )
    input: str | None = option(
        "--input",
        metavar="HxWxC",
        help="The pictures it takes, where it does not tell: 48x48x1 (1 = grey, 3 = colour).",
    )
    engine: str = option("--engine", default="auto", type=click.Choice(ENGINE_CHOICES), help="What runs the network.")
    no_cache: bool = option(
        "--no-cache", default=False, help="Do not read or write the compiled form of the network in the cache folder."
    )
    trust: bool = option(
        "--trust",
        default=False,
        help="Allow the network's file to run code of its own (Lambda layers, any operation of a SavedModel).",
    )

    def __post_init__(self) -> None:
        path, given = parse_network(self.model) if self.model else (self.model, {})
        for name, value in given.items():
            if getattr(self, name) not in (None, value):
                raise UsageError(
                    f"--{name} {getattr(self, name)} and ?{name}={value} contradict each other; leave one of them out"
                )
            object.__setattr__(self, name, value)
        object.__setattr__(self, "model", path)
        if self.input is not None:
            parse_input(self.input)

    def inputs(self) -> list[PathLike]:
        """Return the network's files as far as they are named, and where its sidecar is looked for."""
        code = [self.architecture.rpartition(":")[0]] if self.architecture and ".py:" in self.architecture else []
        return [path for file in (self.model, self.weights) if file for path in (file, *beside(file))] + code

    def arguments(self) -> dict[str, Any]:
        """Return the options as keyword arguments of `load_model`, without the path and the use of the cache."""
        return {part.name: getattr(self, part.name) for part in fields(self) if part.name not in ("model", "no_cache")}

    def words(self) -> list[str]:
        """Return what names the network, as it is typed; an engine, and whether the cache is used, do not."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("engine", "no_cache", "trust")}
        typed = [word for name, value in named.items() if value for word in (f"--{name}", value)]
        return [*typed, *(["--trust"] if self.trust else [])]

    def another(self, network: str) -> ModelOptions:
        """Return the options of a network that is named beside this one.

        Args:
            network: its file, with its own conventions.
        """
        return ModelOptions(network, engine=self.engine, no_cache=self.no_cache, trust=self.trust)


@dataclass(frozen=True)
class BatchOptions(OptionGroup):
    """How many faces the network gets at once."""

    section: ClassVar[str] = "Network"
    batch_size: int = option(
        "--batch-size", default=64, type=click.IntRange(1), help="Faces in one pass through the network."
    )
