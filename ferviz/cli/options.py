"""The options that several commands share, one frozen dataclass a group."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import click

from ferviz.cli.outputs import beside
from ferviz.cli.sections import NamedValue, Number, OptionGroup, option
from ferviz.engines.registry import ENGINE_CHOICES
from ferviz.errors import UsageError
from ferviz.models.network_address import parse_input, parse_network
from ferviz.paths import PathLike

TILTS = ["retry", "all", "none"]
SEEDS = click.IntRange(0, 2**32 - 1)
"""Numbers that every generator of random numbers takes."""


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


@dataclass(frozen=True)
class FaceOptions(OptionGroup):
    """Which faces of a picture: the arguments of `find_faces`."""

    section: ClassVar[str] = "Faces"
    detector: str = option(
        "--detector", default="auto", metavar="NAME", help="auto, none (the whole picture is one face), haar, ..."
    )
    detector_model: str | None = option(
        "--detector-model", metavar="FILE", help="The detector's own network, if it needs one."
    )
    threshold: float | None = option(
        "--threshold", type=float, help="Lowest score of a face (0 to 1; each detector has its own default)."
    )
    min_size: int = option("--min-size", default=24, type=click.IntRange(1), help="Smallest face, in pixels.")
    largest: bool = option("--largest", default=False, help="Only the largest face of each picture.")
    max_side: int | None = option(
        "--max-side",
        type=click.IntRange(32),
        help="Search for faces in the picture scaled down to this many pixels a side.",
    )
    tilt: str = option(
        "--tilt",
        default="retry",
        type=click.Choice(TILTS),
        help="Search the rotated picture too: if no upright face is certain, always, or never.",
    )

    def inputs(self) -> list[PathLike]:
        """Return the detector's network."""
        return [self.detector_model] if self.detector_model else []


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


@dataclass(frozen=True)
class DrawingOptions(OptionGroup):
    """How results are drawn: arguments of `Result.save`."""

    section: ClassVar[str] = "Drawing"
    shared_scale: bool = option(
        "--shared-scale/--own-scale", default=True, help="One colour scale for everything drawn, or one for each map."
    )
    vmax: float | None = option(
        "--vmax",
        type=Number(1e-30, 1e30),
        metavar="NUMBER",
        help="The value at the end of the colour scale, to compare pictures.  [default: the largest, of signed maps the 99.5th percentile]",
    )
    zoom: float = option(
        "--zoom", default=1.0, type=Number(0.5, 4), help="Size of the picture: 1 for screens, 2 for print."
    )
    cmap: str | None = option(
        "--cmap", metavar="NAME", help="A colour map: inferno, viridis, magma, cividis, or another of matplotlib's."
    )

    def __post_init__(self) -> None:
        if self.cmap:
            from ferviz.rendering.colormaps import table

            table(self.cmap)  # a wrong name is an error before any work


@dataclass(frozen=True)
class PrintOptions(OptionGroup):
    """How large a picture is printed: arguments of `Result.save`."""

    section: ClassVar[str] = "Drawing"
    width_mm: float | None = option(
        "--width-mm",
        type=Number(20, 1000),
        metavar="MM",
        help="Lay the picture out for print, so wide: 84 is a column, 174 a page.  [default for .pdf, .svg: 174]",
    )
    dpi: float | None = option(
        "--dpi", type=Number(36, 2400), metavar="NUMBER", help="Dots an inch, which PNG files say.  [default: 300]"
    )
    font_size: float | None = option(
        "--font-size", type=Number(3, 40), metavar="POINTS", help="Text of a printed picture.  [default: 8]"
    )

    def given(self) -> dict[str, float | None]:
        """Return the options as keyword arguments of `Result.save`."""
        return {"width_mm": self.width_mm, "dpi": self.dpi, "font_size": self.font_size}


@dataclass(frozen=True)
class BareOptions(OptionGroup):
    """Maps without a page around them, to place them in a document."""

    section: ClassVar[str] = "Drawing"
    bare: bool = option(
        "--bare", default=False, help="Only the map over its face, without words; one file for each map."
    )
    bare_heatmap: bool = option(
        "--bare-heatmap", default=False, help="Only the map, transparent where there is no evidence (PNG, WebP)."
    )
    side: int | None = option(
        "--side", type=click.IntRange(8, 8192), help="Pixels of the longer side of a --bare picture.  [default: 512]"
    )

    @property
    def asked(self) -> bool:
        """Whether bare pictures are to be written instead of a page."""
        return self.bare or self.bare_heatmap

    def __post_init__(self) -> None:
        if self.bare and self.bare_heatmap:
            raise UsageError("--bare and --bare-heatmap are two different pictures; ask for one at a time")
        if self.side and not (self.bare or self.bare_heatmap):
            raise UsageError("--side is the size of a --bare picture; --zoom enlarges a page")


@dataclass(frozen=True)
class OutputOptions(OptionGroup):
    """Where results and messages go."""

    section: ClassVar[str] = "Output"
    out: str | None = option("--out", "-o", metavar="FILE", help="Where to write; the suffix determines the format.")
    force: bool = option("--force", "-f", default=False, help="Replace the output if it exists already.")
    as_json: bool = option("--json", default=False, help="Print the result as JSON on standard output.")
    seed: int = option("--seed", default=0, type=SEEDS, metavar="INTEGER", help="Seed of everything that is random.")
    quiet: bool = option("--quiet", "-q", default=False, help="No progress and no messages.")

    def __post_init__(self) -> None:
        if self.out == "-":
            raise UsageError(
                "--out - does not write to standard output, which --json does; name a file (one that is called so is ./-)"
            )


@dataclass(frozen=True)
class VideoOptions(OptionGroup):
    """Which frames of a video, and what is written of it beside the annotated video."""

    section: ClassVar[str] = "Video"
    every: int = option(
        "--every", default=1, type=click.IntRange(1), help="Look at every N-th frame only.", metavar="N"
    )
    start: int = option("--start", default=0, type=click.IntRange(0), help="The first frame.")
    stop: int | None = option("--stop", type=click.IntRange(1), help="The frame to stop before.")
    half_life: float = option("--half-life", default=0.4, type=Number(0), help="Seconds of smoothing.")
    timeline: str | None = option(
        "--timeline", metavar="FILE", help="Draw the emotions over time, one row for each face."
    )
    table: str | None = option("--table", metavar="FILE.csv", help="Write one line for each face and frame.")
    doubtful: bool = option(
        "--doubtful", default=False, help="With --timeline: draw tracks that may be no faces as well."
    )


@dataclass(frozen=True)
class WhereOptions(OptionGroup):
    """Which faces of a data set, by their labels and by the network's answers."""

    section: ClassVar[str] = "Data"
    where: str | None = option(
        "--where",
        metavar="CONDITIONS",
        help="Only faces for which all of this holds: 'true=fear predicted=sad confidence>0.6'; also correct=no, p_happy<0.2, row<100.",
    )


@dataclass(frozen=True)
class DataOptions(OptionGroup):
    """Which labelled faces: the arguments of `read_data`."""

    section: ClassVar[str] = "Data"
    split: str | None = option(
        "--split", metavar="NAME", help="The part of the data set: Training, PublicTest ...  [default: all]"
    )
    scheme: str = option(
        "--scheme",
        default="7",
        metavar="NAMES",
        help="The data's labels: 7, 6-merged, 8-ferplus, positive-negative ...",
    )
    votes: str | None = option("--votes", metavar="FILE", help="FERPlus' fer2013new.csv, for the scheme 8-ferplus.")
    reader: str = option(
        "--reader", default="auto", metavar="NAME", help="The reader of the data: csv, folder, or one of your own."
    )
    skip_bad: bool = option("--skip-bad", default=False, help="Leave out rows that cannot be read, and count them.")

    def inputs(self) -> list[PathLike]:
        """Return the file with the votes."""
        return [self.votes] if self.votes else []
