"""The pieces that the architectures share: input with its normalisation, activation, pooling head."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from ferviz.engines import backend
from ferviz.errors import UsageError

MEAN, STD = 0.5077, 0.2550
"""Mean and deviation of FER2013's Training pixels, as parts of 255."""

ACTIVATIONS = ("relu", "leaky_relu", "elu", "silu", "gelu")


def load_keras() -> Any:
    """Return the module `keras`: on TensorFlow, unless it runs on another backend already or KERAS_BACKEND names one.

    Only building and training networks works on any backend; everything that explains them asks engines.backend.
    """
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow" and "keras" not in sys.modules:
        return backend.keras()
    import keras

    return keras


class Seeds:
    """Hands out one seed after the other, so that every layer of a network starts from its own reproducible draw."""

    def __init__(self, seed: int) -> None:
        self._next = (seed * 1_000_003) % (2**31)

    def __call__(self) -> int:
        self._next = (self._next + 7919) % (2**31)
        return self._next


def sizes(value: Any, what: str, length: int | None = None) -> tuple[int, ...]:
    """Return `value` (a number or a sequence of numbers) as positive integers; one number is repeated `length` times.

    Raises UsageError when a number is below 1 or their count is not `length`.
    """
    numbers = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * (length or 1)
    if not all(isinstance(n, int) and n >= 1 for n in numbers) or (length is not None and len(numbers) != length):
        wanted = f"{length} positive whole numbers" if length is not None else "positive whole numbers"
        raise UsageError(f"{what} takes {wanted}, got {value!r}")
    return numbers


def share(value: float, what: str) -> float:
    """Return `value` if it lies in 0 <= value < 1. Raises UsageError otherwise."""
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise UsageError(f"{what} takes a number from 0 up to (not including) 1, got {value!r}")
    return float(value)


def pixels_in(height: int, width: int, channels: int, mean: float = MEAN, std: float = STD) -> tuple[Any, Any]:
    """Return (input, normalised input): raw 0..255 pixels (h, w, c) and one Rescaling layer, in float32 whatever the policy.

    mean, std: of the pixels as parts of 255; (pixel / 255 - mean) / std goes on.
    """
    keras = load_keras()
    sizes((height, width), "height and width", 2)
    if channels not in (1, 3):
        raise UsageError(f"channels takes 1 (grey) or 3 (colour), got {channels!r}")
    start = keras.Input((height, width, channels), name="pixels", dtype="float32")
    scaled = keras.layers.Rescaling(1 / (255 * std), -mean / std, dtype="float32", name="normalise")(start)
    return start, scaled


def activation(kind: str, name: str) -> Any:
    """Return an activation layer by name (one of ACTIVATIONS). Raises UsageError for another one."""
    keras = load_keras()
    if kind not in ACTIVATIONS:
        raise UsageError(f"activation {kind!r} is not known; use one of {', '.join(ACTIVATIONS)}")
    if kind == "leaky_relu":
        return keras.layers.LeakyReLU(negative_slope=0.3, name=name)
    return keras.layers.ReLU(name=name) if kind == "relu" else keras.layers.Activation(kind, name=name)


def conv(filters: int, seeds: Seeds, name: str, kernel: int = 3, stride: int = 1, bias: bool = False) -> Any:
    """Return a `kernel` x `kernel` convolution with He initialisation and "same" padding."""
    keras = load_keras()
    start = keras.initializers.HeNormal(seed=seeds())
    return keras.layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=bias, kernel_initializer=start, name=name
    )


def pooled_head(x: Any, classes: int, dropout: float, seeds: Seeds, logits: bool) -> Any:
    """Global average pooling, dropout, one dense layer: (N, h, w, C) -> (N, classes) float32, softmax unless `logits`."""
    keras = load_keras()
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    return classifier(x, classes, dropout, seeds, logits)


def classifier(x: Any, classes: int, dropout: float, seeds: Seeds, logits: bool) -> Any:
    """Dropout and the last dense layer: (N, C) -> (N, classes) float32, softmax unless `logits`."""
    keras = load_keras()
    if share(dropout, "dropout"):
        x = keras.layers.Dropout(dropout, seed=seeds(), dtype="float32", name="dropout")(x)
    start = keras.initializers.GlorotUniform(seed=seeds())
    last = None if logits else "softmax"
    return keras.layers.Dense(classes, activation=last, kernel_initializer=start, dtype="float32", name="emotions")(x)


def dense(units: int, seeds: Seeds, name: str) -> Any:
    """Return a dense layer with He initialisation."""
    keras = load_keras()
    return keras.layers.Dense(units, kernel_initializer=keras.initializers.HeNormal(seed=seeds()), name=name)
