"""A plain convolutional network: stages of convolution and max-pooling, then dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferviz.models.architectures.layers import (
    MEAN,
    STD,
    Seeds,
    check_sizes,
    classifier,
    conv_stages,
    dense_layers,
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
    x = conv_stages(x, widths, counts, seeds, activation_name, dropout, kernel)
    x = dense_layers(x, dense_widths, seeds, activation_name, dense_dropout)
    return keras.Model(start, classifier(x, classes, 0.0, seeds, logits), name="plain")
