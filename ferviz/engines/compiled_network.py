"""A compiled network: LiteRT graphs, and what they can do."""

from __future__ import annotations

from dataclasses import dataclass, field

from ferviz.engines.base import LayerInfo


@dataclass(frozen=True)
class CompiledNetwork:
    """A network compiled into LiteRT graphs (see `ferviz.engines.compiler.convert` for which), and what the graphs can do.

    Attributes:
        content: the LiteRT file.
        size: (h, w, c) of its pictures.
        classes: K.
        head: "softmax", "sigmoid" or "linear".
        default_layer: the layer whose gradients are fastest.
        layers: every layer of the network.
        activations: the layers whose activation the file has.
        gradients: the layers whose gradient it has.
        refused: {layer: why its gradient is not in the file}; INPUT stands for the picture.
        explainer: the layers that a taught explainer looks at; () where the network was not taught.
        cells: rows and columns of the explainer's maps.
        digest: SHA-256 of the content, "" = not computed yet.
        source: what messages call it.
        trusted: it was compiled in this process, or passed `ferviz.engines.tflite.admission.admit`.
    """

    content: bytes = field(repr=False)
    size: tuple[int, int, int]
    classes: int
    head: str
    default_layer: str
    layers: tuple[LayerInfo, ...]
    activations: frozenset[str]
    gradients: frozenset[str]
    refused: dict[str, str] = field(default_factory=dict)
    explainer: tuple[str, ...] = ()
    cells: int = 0
    digest: str = field(default="", repr=False)
    source: str = field(default="the compiled network", compare=False)
    trusted: bool = field(default=False, compare=False)
