"""ONNX networks that take pictures of any size: an engine for each size, since their graphs are made for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ferviz.engines.base import LOGITS, Array, LayerInfo, NetworkFacts, PictureShape
from ferviz.engines.graph import GraphEngine
from ferviz.engines.onnx.onnx_engine import SIDE, OnnxEngine
from ferviz.engines.onnx.onnx_file import read_onnx
from ferviz.errors import ModelError

SIDES = (SIDE, 48, 64, 224, 44, 112, 128, 100, 42, 56, 72, 80, 120, 160, 197, 200, 227, 240, 256, 260, 299)
"""Sides that networks for faces are made for; a network that says "any" and has a layer that is tied to a size takes one of them."""


def open_onnx(source: Any) -> OnnxEngine | AnySizeOnnxEngine:
    """Open an ONNX network.

    Args:
        source: the file, its content, or an `onnx.ModelProto`.

    Raises:
        ModelError: for a file that is damaged or no network of one picture, or with an operator that cannot be read.
    """
    network = read_onnx(source if isinstance(source, Path | bytes) else source.SerializeToString())
    if None not in network.shape[:2]:
        return OnnxEngine(network)
    problem: ModelError | None = None
    for side in SIDES:
        try:
            engine = OnnxEngine(network, side)
            engine.check(engine.input_shape)
        except ModelError as error:
            problem = problem or error
            continue
        if side == SIDE and engine.takes((SIDE + 8, SIDE + 8, network.shape[2])):
            return AnySizeOnnxEngine(engine)
        return engine
    assert problem is not None
    raise problem


class AnySizeOnnxEngine:
    """Executes an ONNX network whose pictures may have any size.

    Args:
        engine: at the size that stands for the others.
    """

    name = "onnx"
    channels_first = False
    takes_predicted: Literal[True] = True

    def __init__(self, engine: OnnxEngine) -> None:
        self._first = engine
        self._engines: dict[tuple[int, ...], OnnxEngine] = {self._sides(engine.input_shape): engine}
        height, width, channels = engine.network.shape
        self.input_shape: PictureShape = (height, width, channels)
        self.classes, self.head = engine.classes, engine.head

    @cached_property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every node's output, in order of execution; the sides of maps are free."""
        return tuple(
            replace(layer, shape=(None, None, layer.shape[2])) if layer.spatial else layer
            for layer in self._first.layers
        )

    @property
    def facts(self) -> NetworkFacts:
        """What the file says about what it takes and gives."""
        return self._first.facts

    @property
    def files(self) -> tuple[Path, ...]:
        """What the network was read from."""
        return self._first.files

    def graph_engine(self) -> GraphEngine:
        """Return the engine of the size that stands for the others."""
        return self._first

    def randomised(self, seed: int, batch: Array | None, share: float = 1.0) -> OnnxEngine:
        """Return an engine with weights drawn anew for pictures of the batch's size, as `Randomisable`.

        Args:
            seed: of the weights.
            batch: (N, h, w, c) float32, whose statistics batch normalisation learns; None = those of the size that stands for the others.
            share: of the operators with kernels, counted from the output, that is drawn.
        """
        return (self._first if batch is None else self._at(batch)).randomised(seed, batch, share)

    def logits(self, batch: Array) -> Array:
        """Compute the class scores before softmax or sigmoid.

        Args:
            batch: (N, h, w, c) float32.
        """
        return self._at(batch).logits(batch)

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """Compute the outputs of layers, as `Engine.activations`.

        Args:
            batch: (N, h, w, c) float32.
            layers: names of layers; INPUT is the picture.
        """
        return self._at(batch).activations(batch, layers)

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Compute gradients, as `Engine.gradients`.

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) for the logits, (N, T, *shape) for a layer.
            of: LOGITS, or the name of a layer.
        """
        return self._at(batch).gradients(batch, layer, weights, of)

    def guided_gradients(self, batch: Array, layer: str, weights: Array) -> tuple[Array, Array, Array]:
        """Compute gradients of the logits where every ReLU also stops negative gradients, as `GuidedGradients`.

        Args:
            batch: (N, h, w, c) float32.
            layer: where the gradient is taken; INPUT is the picture.
            weights: (N, T, K) float32.
        """
        return self._at(batch).guided_gradients(batch, layer, weights)

    def logits_from(self, batch: Array, layer: str, activation: Array) -> Array:
        """Compute the logits that follow when a layer's activation is replaced, as `LayerInterventions`.

        Args:
            batch: (N, h, w, c) float32.
            layer: the layer whose output is replaced.
            activation: (N, h, w, C) float32, what stands in its place.
        """
        return self._at(batch).logits_from(batch, layer, activation)

    def _at(self, batch: Array) -> OnnxEngine:
        sides = self._sides(batch.shape[1:])
        if sides not in self._engines:
            self._engines[sides] = OnnxEngine(self._first.network, *sides)
        return self._engines[sides]

    def _sides(self, shape: Sequence[Any]) -> tuple[int, ...]:
        return tuple(int(side) for side in shape[:2])
