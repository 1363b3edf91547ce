"""ONNX' operators in TensorFlow's operations: `OPERATORS` has a function for each that can be read."""

from ferviz.engines.onnx.operators import (
    arithmetic,
    axes,
    convolutions,
    image_resizing,
    normalisations,
    pooling,
    products,
    reductions,
    shapes,
)
from ferviz.engines.onnx.operators.table import OPERATORS

__all__ = [
    "OPERATORS",
    "arithmetic",
    "axes",
    "convolutions",
    "image_resizing",
    "normalisations",
    "pooling",
    "products",
    "reductions",
    "shapes",
]
