"""A network as a picture: its layers as boxes, connected as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ferviz.engines.base import INPUT, LayerInfo
from ferviz.errors import ModelError
from ferviz.models.model import Model
from ferviz.models.require_graph import require_graph
from ferviz.rendering.printing import PrintSize, print_size, screen_or_print
from ferviz.results import Result
from ferviz.writers import DPI as SCREEN_DPI
from ferviz.writers import rasterised

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

_HEADS = {"softmax": "softmax", "sigmoid": "sigmoid", "linear": "logits"}


def diagram(model: Model) -> Diagram:
    """Find out how a network's layers are connected, ready to draw.

    The connections are those of a traced run, so they are right for functional, Sequential, nested and subclassed networks alike;
    networks inside the network are drawn as their layers, and operations that are no layers are passed through.

    Args:
        model: a network of any kind; of one that is compiled, the network behind it is loaded.

    Returns:
        The Diagram.

    Raises:
        ModelError: the network is a compiled file or a SavedModel, whose connections cannot be reached.
    """
    from ferviz.engines.graph.topology import connections

    engine = require_graph(model, "drawing a diagram")
    try:
        default = model.default_layer()[0]
    except ModelError:
        default = ""
    spec = model.input
    picture = LayerInfo(INPUT, "picture", (spec.height, spec.width, spec.channels), True)
    layers = [(picture, ()), *connections(engine)]
    notes = []
    if engine.has_own_code:
        notes.append(
            "This network runs code of its own: the arrows show what it did when it was traced; what it computes outside of layers "
            "(activations, additions) is not drawn."
        )
    settings = {"model": model.name, "model_sha256": model.sha256, "head": model.head, "labels": list(model.labels)}
    return Diagram(tuple(layers), default, tuple(notes), settings)


@dataclass(frozen=True, eq=False)
class Diagram(Result):
    """How the layers of a network are connected: the result of `ferviz.diagram`.

    Attributes:
        layers: ((layer, names of the layers that it takes as input), ...) in order of execution, the picture ("input") first.
        default: the layer that explanations look at when none is named, or "".
        notes: sentences about what is not drawn.
        settings: model, model_sha256, head, labels.
    """

    command: ClassVar[str] = "layers"

    layers: tuple[tuple[LayerInfo, tuple[str, ...]], ...] = field(repr=False)
    default: str
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def picture(
        self, *, width_mm: float | None = None, dpi: float | None = None, font_size: float | None = None
    ) -> Image.Image:
        """Return the diagram as an RGB picture.

        Args:
            width_mm: the width of a printed page, in millimetres; None = as wide as it needs, for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of the layers' names on a printed page; None = 8.

        Raises:
            UsageError: there is no such page.
        """
        size = screen_or_print(width_mm, dpi, font_size)
        return rasterised(self._figure(size), size.dpi if size else SCREEN_DPI)

    def plot(self, *, width_mm: float | None = None, font_size: float | None = None) -> Figure:
        """Return the diagram as a matplotlib Figure (made without pyplot).

        Args:
            width_mm: of the page; None = 174.
            font_size: as for `picture`.
        """
        return self._figure(print_size(width_mm, None, font_size))

    def _figure(self, size: PrintSize | None) -> Figure:
        from ferviz.rendering.diagram.boxes import Box, diagram_figure

        boxes = [
            Box(layer.name, layer.kind, _caption(layer), sources, layer.name == self.default)
            for layer, sources in self.layers
        ]
        layers, classes = len(self.layers) - 1, len(self.settings["labels"])
        head = _HEADS[self.settings["head"]]
        subtitle = f"{layers} layers, {self.parameters:,} weights; ends in {head} over {classes} classes"
        notes = list(self.notes)
        if self.default:
            notes.insert(0, f"Heavy frame: {self.default}, the layer that is explained unless another is named.")
        printing = {"inches": size.inches, "font_size": size.font_size} if size else {}
        return diagram_figure(boxes, str(self.settings["model"]), subtitle, notes, **printing)

    @property
    def parameters(self) -> int:
        """The number of weights, those of a layer that is called twice counted once."""
        return sum({layer.name.partition(":")[0]: layer.parameters for layer, _ in self.layers}.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the diagram as plain data: the settings, and each layer with its kind, shape, parameters and `sources`."""
        return {
            **self.settings,
            "default_layer": self.default or None,
            "notes": list(self.notes),
            "layers": [
                {
                    "name": layer.name,
                    "kind": layer.kind,
                    "shape": list(layer.shape),
                    "parameters": layer.parameters,
                    "sources": list(sources),
                }
                for layer, sources in self.layers
            ],
        }


def _caption(layer: LayerInfo) -> str:
    shape = "×".join("any" if side is None else str(side) for side in layer.shape)
    return f"{shape}   {layer.parameters:,} weights" if layer.parameters else shape
