"""A VGG-like network: pairs of 3x3 convolutions with LeakyReLU and batch normalisation after it, then dense layers."""

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
    widths: Sequence[int] = (32, 64, 128, 256),
    blocks: int | Sequence[int] = 2,
    dense_widths: Sequence[int] = (256, 256),
    activation_name: str = "leaky_relu",
    dropout: float = 0.25,
    dense_dropout: float = 0.5,
    momentum: float = 0.99,
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
        widths: channels of each stage.
        blocks: convolutions in each stage.
        dense_widths: units of the layers after the last map.
        activation_name: one of `layers.ACTIVATIONS`.
        dropout: after each stage.
        dense_dropout: after each dense layer.
        momentum: of batch normalisation.
        mean, std: of the training pixels / 255.
        seed: of the initial weights.
        logits: leave the softmax out.

    Returns:
        A keras.Model, (N, height, width, channels) raw pixels -> (N, classes).
    """
    keras = load_keras()
    widths = check_sizes(widths, "widths")
    counts = check_sizes(blocks, "blocks", len(widths))
    seeds = Seeds(seed)
    start, x = pixel_input(height, width, channels, mean, std)
    x = conv_stages(x, widths, counts, seeds, activation_name, dropout, momentum=momentum)
    x = dense_layers(x, dense_widths, seeds, activation_name, dense_dropout, momentum=momentum)
    return keras.Model(start, classifier(x, classes, 0.0, seeds, logits), name="vgg")
