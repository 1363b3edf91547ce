"""Check how much memory a network's values need for one face, before the network computes any of them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ferviz.engines.backend import running, tensorflow
from ferviz.errors import ModelError
from ferviz.models.formats.keras_classes import names_in

MAX_ACTIVATION = 1 << 26
"""The most numbers in one tensor for one face: a quarter of a gigabyte. VGG16 has as many for faces of 1024 x 1024 pixels."""

DEFAULT_SIDE = 96
"""Pixels a side, where a network takes any size, until its sidecar is read."""

_OUTPUT_IS_LARGEST = names_in(
    """
    InputLayer Dense Activation Identity Conv2D DepthwiseConv2D Conv2DTranspose MaxPooling2D AveragePooling2D GlobalMaxPooling2D
    GlobalAveragePooling2D BatchNormalization LayerNormalization GroupNormalization UnitNormalization Normalization Dropout
    SpatialDropout2D AlphaDropout GaussianDropout GaussianNoise ReLU LeakyReLU PReLU ELU Softmax ThresholdedReLU Add Subtract
    Multiply Average Maximum Minimum Concatenate Flatten Reshape Permute RepeatVector Cropping2D ZeroPadding2D UpSampling2D
    Resizing CenterCrop Rescaling TrueDivide GetItem
    """
)
"""Layers and operations that hold no tensor which is larger than their inputs and outputs."""


def check_activations(network: Any, where: str, side: int = DEFAULT_SIDE) -> None:
    """Refuse a network one of whose tensors is larger than MAX_ACTIVATION.

    The sizes of the layers' outputs are known without computing them. What is inside a layer (the scores of an attention) or depends on the
    picture's size is read from the network's graph, which TensorFlow traces without computing it.

    Args:
        network: a keras.Model.
        where: the file, for messages.
        side: pixels a side of the pictures, where the network takes any size.

    Raises:
        ModelError: a tensor is too large; the message names its layer.
    """
    steps, is_any_size = list(_steps(network)), False
    for step in steps:
        with contextlib.suppress(AttributeError, ValueError, TypeError):
            shape = tuple(step.output.shape)[1:]
            is_any_size |= None in shape  # of a network inside this may be true although the pictures have a size
            _check_size(step.name, shape, where)
    inputs = getattr(network, "inputs", None)
    if not inputs or running().config.backend() != "tensorflow":
        return
    if is_any_size or not all(_is_plain(step) for step in steps):
        _check_graph(network, inputs, side, where, {step.name for step in steps})


def _steps(network: Any) -> Iterator[Any]:
    """Yield the layers of a network and the operations between them, with those of the networks inside it."""
    for step in getattr(network, "operations", network.layers):
        if getattr(step, "operations", None):
            yield from _steps(step)
        yield step


def _is_plain(step: Any) -> bool:
    kind = type(step).__name__
    if (
        kind == "SeparableConv2D"
    ):  # between its two convolutions it holds depth_multiplier values for each of its input's
        return bool(step.depth_multiplier == 1)
    return kind in _OUTPUT_IS_LARGEST or bool(getattr(step, "operations", None))


def _check_graph(network: Any, inputs: list[Any], side: int, where: str, names: set[str]) -> None:
    tf = tensorflow()
    shapes = [[1, *(side if size is None else size for size in tuple(tensor.shape)[1:])] for tensor in inputs]
    pictures = [tf.TensorSpec(shape, tensor.dtype) for shape, tensor in zip(shapes, inputs, strict=True)]

    def run(*values: Any) -> Any:
        return network(values[0] if len(values) == 1 else list(values), training=False)

    try:
        graph = tf.function(run).get_concrete_function(*pictures).graph.as_graph_def(add_shapes=True)
    except (Exception, RecursionError):
        # It may not run at this size (`side` is a guess until the sidecar is read) or not at all; the engine says so when it is asked.
        return
    for node in [*graph.node, *(node for function in graph.library.function for node in function.node_def)]:
        for shape in node.attr["_output_shapes"].list.shape:
            sizes = [int(dimension.size) for dimension in shape.dim]
            _check_size(_layer_of(node.name, names), [size for size in sizes if size > 1], where)


def _layer_of(operation: str, names: set[str]) -> str:
    """-> the innermost layer in the name of one of TensorFlow's operations, "small_1/up_2/Tile": TensorFlow numbers repeated names."""
    parts = reversed(operation.split("/"))
    return next((name for part in parts for name in (part, re.sub(r"_\d+$", "", part)) if name in names), operation)


def _check_size(layer: str, shape: Any, where: str) -> None:
    sides = [side for side in shape if side]
    if np.prod(sides, dtype=np.float64) > MAX_ACTIVATION:
        raise ModelError(
            f"layer {layer!r} of {where} needs {' x '.join(map(str, sides))} numbers a face; the most are {MAX_ACTIVATION:,}, so the file "
            "is made for other pictures or to do harm"
        )
