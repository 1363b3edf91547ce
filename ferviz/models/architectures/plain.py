"""A plain convolutional network: stages of convolution and max-pooling, then dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferviz.models.architectures.layers import (
    MEAN,
    STD,
    Seeds,
    activation,
    check_fraction,
    check_sizes,
    classifier,
    conv,
    dense,
    load_keras,
    pixel_input,
)


def build(
    classes: int = 7,
    *,
    height: int = 48,
    width: int = 48,
    channels: int = 1,
    widths: Sequence[int] = (32, 64, 128),
    convolutions: int | Sequence[int] = 1,
    kernel: int = 3,
    dense_widths: Sequence[int] = (64, 64),
    activation_name: str = "relu",
    dropout: float = 0.25,
    dense_dropout: float = 0.5,
    mean: float = MEAN,
    std: float = STD,
    seed: int = 0,
    logits: bool = False,
) -> Any:
    """Build the network.

    Args:
        classes: number of outputs.
        height, width: of the pictures.
        channels: 1 (grey) or 3 (colour).
        widths: channels of each stage (two or three stages are usual at 48 pixels).
        convolutions: how many in each stage.
        kernel: the side of their kernels.
        dense_widths: units of the layers after the last map.
        activation_name: one of `layers.ACTIVATIONS`.
        dropout: after each stage.
        dense_dropout: after each dense layer.
        mean, std: of the training pixels / 255.
        seed: of the initial weights.
        logits: leave the softmax out.

    Returns:
        A keras.Model, (N, height, width, channels) raw pixels -> (N, classes).
    """
    keras = load_keras()
    widths = check_sizes(widths, "widths")
    counts = check_sizes(convolutions, "convolutions", len(widths))
    seeds = Seeds(seed)
    start, x = pixel_input(height, width, channels, mean, std)
    for stage, (filters, count) in enumerate(zip(widths, counts, strict=True), 1):
        for number in range(1, count + 1):
            x = conv(filters, seeds, f"stage{stage}_conv{number}", kernel, bias=True)(x)
            x = activation(activation_name, f"stage{stage}_{activation_name}{number}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"stage{stage}_halve")(x)
        if check_fraction(dropout, "dropout"):
            x = keras.layers.Dropout(dropout, seed=seeds(), name=f"stage{stage}_dropout")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for number, units in enumerate(check_sizes(dense_widths, "dense_widths") if dense_widths else (), 1):
        x = dense(units, seeds, f"dense{number}")(x)
        x = activation(activation_name, f"dense{number}_{activation_name}")(x)
        if check_fraction(dense_dropout, "dense_dropout"):
            x = keras.layers.Dropout(dense_dropout, seed=seeds(), name=f"dense{number}_dropout")(x)
    return keras.Model(start, classifier(x, classes, 0.0, seeds, logits), name="plain")
