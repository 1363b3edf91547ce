"""A network as a picture: its layers as boxes, connected as they are."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.engines.base import INPUT, LayerInfo
from ferviz.errors import ModelError
from ferviz.files import PathLike, atomic, check_kind, check_output, manifest, to_json, write_text
from ferviz.models.model import Model
from ferviz.models.require_keras import require_keras
from ferviz.results import write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg", ".json")
DPI, SIDE = 144, 16000
"""Dots an inch of a PNG, and its most pixels a side: of a very long network the dots are fewer."""


def diagram(model: Model) -> Diagram:
    """Return how a network's layers are connected, ready to draw.

    model: a network of any kind; of one that is compiled, the network behind it is loaded. The connections are those of a traced run, so
    they are right for functional, Sequential, nested and subclassed networks alike; networks inside the network are drawn as their layers,
    and operations that are no layers are passed through. Raises ModelError for a compiled model or a SavedModel.
    """
    from ferviz.engines.topology import own_code, wiring

    engine = require_keras(model, "drawing a diagram")
    try:
        default = model.default_layer()[0]
    except ModelError:
        default = ""
    spec = model.input
    picture = LayerInfo(INPUT, "picture", (spec.height, spec.width, spec.channels), True)
    layers = [(picture, ()), *wiring(engine)]
    notes = []
    if own_code(engine.network):
        notes.append(
            "This network runs code of its own: the arrows show what it did when it was traced; what it computes outside of layers "
            "(activations, additions) is not drawn."
        )
    settings = {"model": model.name, "model_sha256": model.sha256, "head": model.head, "labels": list(model.labels)}
    return Diagram(tuple(layers), default, tuple(notes), settings)


@dataclass(frozen=True, eq=False)
class Diagram:
    """What `ferviz.diagram` answers.

    layers: ((layer, names of what it is given), ...) in order of execution, the picture ("input") first. default: the layer that
    explanations look at, or "". notes: sentences about what is not drawn. settings: model, model_sha256, head, labels.
    """

    layers: tuple[tuple[LayerInfo, tuple[str, ...]], ...] = field(repr=False)
    default: str
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def plot(self) -> Figure:
        """Return the diagram as a matplotlib Figure (made without pyplot)."""
        from ferviz.rendering.diagram.boxes import Box, diagram_figure

        boxes = [
            Box(layer.name, layer.kind, _words(layer), sources, layer.name == self.default)
            for layer, sources in self.layers
        ]
        labels = self.settings["labels"]
        ends = {"softmax": "softmax", "sigmoid": "sigmoid", "linear": "logits"}[self.settings["head"]]
        subtitle = (
            f"{len(self.layers) - 1} layers, {self.parameters:,} weights; ends in {ends} over {len(labels)} classes"
        )
        heavy = (
            [f"Heavy frame: {self.default}, the layer that is explained unless another is named."]
            if self.default
            else []
        )
        return diagram_figure(boxes, str(self.settings["model"]), subtitle, [*heavy, *self.notes])

    @property
    def parameters(self) -> int:
        """The number of weights, those of a layer that is called twice counted once."""
        return sum({layer.name.partition(":")[0]: layer.parameters for layer, _ in self.layers}.values())

    def to_dict(self) -> dict[str, Any]:
        """Return as plain data: settings, and each layer with its kind, shape, parameters and `sources`."""
        return {
            **self.settings,
            "default_layer": self.default or None,
            "notes": list(self.notes),
            "layers": [
                {"name": one.name, "kind": one.kind, "shape": list(one.shape), "parameters": one.parameters, "sources": list(sources)}
                for one, sources in self.layers
            ],
        }  # fmt: skip

    def save(self, path: PathLike, force: bool = False) -> None:
        """Write the diagram as .png, .pdf or .svg, or as .json (`to_dict`); the manifest goes along.

        force: replace an existing file. Raises UsageError for another suffix, OutputExistsError, OutputError.
        """
        suffix = Path(path).suffix.lower()
        check_diagram(path)
        check_output(path, force)
        about = manifest(command="layers", **self.to_dict())
        if suffix == ".json":
            write_text(path, to_json(about, indent=2) + "\n", force)
        elif suffix == ".png":
            with atomic(path, force) as temporary:
                temporary.write_bytes(self._png({"ferviz": to_json(about)}))
        else:
            with atomic(path, force) as temporary:
                write_figure(temporary, self.plot(), about)

    def _png(self, metadata: dict[str, str] | None = None) -> bytes:
        figure, written = self.plot(), io.BytesIO()
        dots = min(DPI, SIDE / max(figure.get_size_inches()))
        figure.savefig(written, format="png", dpi=dots, facecolor="white", metadata=metadata)
        return written.getvalue()

    def _repr_png_(self) -> bytes:
        return self._png()


def check_diagram(path: PathLike) -> None:
    """Raise UsageError, in one sentence, for a path whose suffix a diagram is not written as."""
    check_kind(path, SUFFIXES)


def _words(layer: LayerInfo) -> str:
    shape = "×".join("any" if side is None else str(side) for side in layer.shape)
    return f"{shape}   {layer.parameters:,} weights" if layer.parameters else shape
