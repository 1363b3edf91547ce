"""The layers that the architectures share: input with its normalisation, convolution, activation, classifier."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from ferviz.engines import backend
from ferviz.errors import UsageError

MEAN, STD = 0.5077, 0.2550
"""Mean and standard deviation of FER2013's Training pixels, divided by 255."""

ACTIVATIONS = ("relu", "leaky_relu", "elu", "silu", "gelu")


def load_keras() -> Any:
    """Import `keras`: on TensorFlow, unless it runs on another backend already or KERAS_BACKEND names one.

    Only building and training networks works on every backend; everything that explains them uses `ferviz.engines.backend`.

    Returns:
        The module.
    """
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow" and "keras" not in sys.modules:
        return backend.keras()
    import keras

    return keras


class Seeds:
    """A sequence of seeds, so that every layer of a network has its own reproducible initial weights; a call returns the next seed.

    Args:
        seed: determines the sequence.
    """

    def __init__(self, seed: int) -> None:
        self._next = (seed * 1_000_003) % (2**31)

    def __call__(self) -> int:
        self._next = (self._next + 7919) % (2**31)
        return self._next


def check_sizes(value: Any, name: str, length: int | None = None) -> tuple[int, ...]:
    """Check that an option is a positive integer or a sequence of them.

    Args:
        value: the option; a single number is repeated `length` times.
        name: the option's name, for messages.
        length: how many numbers there have to be, None = any.

    Returns:
        The numbers.

    Raises:
        UsageError: a number is below 1, or their count is not `length`.
    """
    numbers = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * (length or 1)
    if not all(isinstance(n, int) and n >= 1 for n in numbers) or (length is not None and len(numbers) != length):
        wanted = f"{length} positive whole numbers" if length is not None else "positive whole numbers"
        raise UsageError(f"{name} takes {wanted}, got {value!r}")
    return numbers


def check_fraction(value: float, name: str) -> float:
    """Check that an option is a number from 0 up to, not including, 1.

    Args:
        value: the option.
        name: the option's name, for the message.

    Returns:
        The number.

    Raises:
        UsageError: it is anything else.
    """
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise UsageError(f"{name} takes a number from 0 up to (not including) 1, got {value!r}")
    return float(value)


def pixel_input(height: int, width: int, channels: int, mean: float = MEAN, std: float = STD) -> tuple[Any, Any]:
    """Make the input of a network: raw pixels and a Rescaling layer, in float32 whatever the policy.

    Args:
        height, width: of the pictures.
        channels: 1 (grey) or 3 (colour).
        mean, std: of the pixels / 255; the layer computes (pixel / 255 - mean) / std.

    Returns:
        The input (N, h, w, c) with values 0..255, and the normalised input.

    Raises:
        UsageError: a size is no positive integer, or `channels` is another number.
    """
    keras = load_keras()
    check_sizes((height, width), "height and width", 2)
    if channels not in (1, 3):
        raise UsageError(f"channels takes 1 (grey) or 3 (colour), got {channels!r}")
    start = keras.Input((height, width, channels), name="pixels", dtype="float32")
    scaled = keras.layers.Rescaling(1 / (255 * std), -mean / std, dtype="float32", name="normalise")(start)
    return start, scaled


def activation(kind: str, name: str) -> Any:
    """Make an activation layer.

    Args:
        kind: one of ACTIVATIONS.
        name: the layer's name.

    Raises:
        UsageError: `kind` is not one of ACTIVATIONS.
    """
    keras = load_keras()
    if kind not in ACTIVATIONS:
        raise UsageError(f"activation {kind!r} is not known; use one of {', '.join(ACTIVATIONS)}")
    if kind == "leaky_relu":
        return keras.layers.LeakyReLU(negative_slope=0.3, name=name)
    return keras.layers.ReLU(name=name) if kind == "relu" else keras.layers.Activation(kind, name=name)


def conv(filters: int, seeds: Seeds, name: str, kernel: int = 3, stride: int = 1, bias: bool = False) -> Any:
    """Make a convolution with He initialisation and "same" padding.

    Args:
        filters: output channels.
        seeds: of the network.
        name: the layer's name.
        kernel: the side of the kernel.
        stride: of the convolution.
        bias: with a bias.
    """
    keras = load_keras()
    start = keras.initializers.HeNormal(seed=seeds())
    return keras.layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=bias, kernel_initializer=start, name=name
    )


def conv_stages(
    x: Any,
    widths: Sequence[int],
    counts: Sequence[int],
    seeds: Seeds,
    activation_name: str,
    dropout: float,
    kernel: int = 3,
    momentum: float | None = None,
) -> Any:
    """Add stages of convolutions, each of which ends in a max-pooling that halves the map.

    Args:
        x: the picture (N, h, w, c).
        widths: channels of each stage.
        counts: convolutions of each stage.
        seeds: of the network.
        activation_name: one of ACTIVATIONS, after each convolution.
        dropout: after each stage.
        kernel: the side of the kernels.
        momentum: of the batch normalisation after each activation; None = there is none.

    Returns:
        The last map (N, h', w', C).
    """
    keras = load_keras()
    for stage, (filters, count) in enumerate(zip(widths, counts, strict=True), 1):
        for number in range(1, count + 1):
            x = conv(filters, seeds, f"stage{stage}_conv{number}", kernel, bias=True)(x)
            x = activation(activation_name, f"stage{stage}_{activation_name}{number}")(x)
            if momentum is not None:
                x = keras.layers.BatchNormalization(momentum=momentum, name=f"stage{stage}_norm{number}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"stage{stage}_halve")(x)
        if check_fraction(dropout, "dropout"):
            x = keras.layers.Dropout(dropout, seed=seeds(), name=f"stage{stage}_dropout")(x)
    return x


def dense_layers(
    x: Any,
    widths: Sequence[int],
    seeds: Seeds,
    activation_name: str,
    dropout: float,
    momentum: float | None = None,
) -> Any:
    """Add flattening and dense layers.

    Args:
        x: a map (N, h, w, C).
        widths: units of each layer; there may be none.
        seeds: of the network.
        activation_name: one of ACTIVATIONS, after each layer.
        dropout: after each layer.
        momentum: of the batch normalisation after each activation; None = there is none.

    Returns:
        Features (N, units).
    """
    keras = load_keras()
    x = keras.layers.Flatten(name="flatten")(x)
    for number, units in enumerate(check_sizes(widths, "dense_widths") if widths else (), 1):
        x = dense(units, seeds, f"dense{number}")(x)
        x = activation(activation_name, f"dense{number}_{activation_name}")(x)
        if momentum is not None:
            x = keras.layers.BatchNormalization(momentum=momentum, name=f"dense{number}_norm")(x)
        if check_fraction(dropout, "dense_dropout"):
            x = keras.layers.Dropout(dropout, seed=seeds(), name=f"dense{number}_dropout")(x)
    return x


def pooled_head(x: Any, classes: int, dropout: float, seeds: Seeds, logits: bool) -> Any:
    """Add global average pooling, dropout and one dense layer.

    Args:
        x: a feature map (N, h, w, C).
        classes: number of outputs.
        dropout: fraction of the values that is dropped in training.
        seeds: of the network.
        logits: leave the softmax out.

    Returns:
        (N, classes) float32.
    """
    keras = load_keras()
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    return classifier(x, classes, dropout, seeds, logits)


def classifier(x: Any, classes: int, dropout: float, seeds: Seeds, logits: bool) -> Any:
    """Add dropout and the last dense layer.

    Args:
        x: features (N, C).
        classes: number of outputs.
        dropout: fraction of the values that is dropped in training.
        seeds: of the network.
        logits: leave the softmax out.

    Returns:
        (N, classes) float32.
    """
    keras = load_keras()
    if check_fraction(dropout, "dropout"):
        x = keras.layers.Dropout(dropout, seed=seeds(), dtype="float32", name="dropout")(x)
    start = keras.initializers.GlorotUniform(seed=seeds())
    last = None if logits else "softmax"
    return keras.layers.Dense(classes, activation=last, kernel_initializer=start, dtype="float32", name="emotions")(x)


def dense(units: int, seeds: Seeds, name: str) -> Any:
    """Make a dense layer with He initialisation.

    Args:
        units: number of outputs.
        seeds: of the network.
        name: the layer's name.
    """
    keras = load_keras()
    return keras.layers.Dense(units, kernel_initializer=keras.initializers.HeNormal(seed=seeds()), name=name)
