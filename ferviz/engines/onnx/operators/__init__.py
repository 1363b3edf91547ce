"""ONNX' operators in TensorFlow's operations: `OPERATORS` has a function for each that can be read."""

from ferviz.engines.onnx.operators import (
    arithmetic,
    axes,
    convolutions,
    normalisations,
    pooling,
    products,
    reductions,
    resampling,
    shapes,
)
from ferviz.engines.onnx.operators.table import OPERATORS

__all__ = [
    "OPERATORS",
    "arithmetic",
    "axes",
    "convolutions",
    "normalisations",
    "pooling",
    "products",
    "reductions",
    "resampling",
    "shapes",
]
