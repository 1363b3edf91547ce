"""A small residual network of 3x3 convolutions; the bundled network is one of these.

Each stage is a row of convolution, batch normalisation and activation, with the stage's running map added where the shapes
agree (He et al. 2016, one convolution a shortcut). Between stages the map is halved by max-pooling: the size of the last
map, which Grad-CAM uses, is the input's size / stem_stride / 2 ** (stages - 1).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from ferviz.models.architectures.layers import (
    MEAN,
    STD,
    Seeds,
    activation,
    check_sizes,
    conv,
    load_keras,
    pixel_input,
    pooled_head,
)


def build(
    classes: int = 7,
    *,
    height: int = 48,
    width: int = 48,
    channels: int = 1,
    widths: Sequence[int] = (64, 128),
    blocks: int | Sequence[int] = (3, 4),
    stem: int = 64,
    stem_stride: int = 2,
    squeeze: int = 0,
    activation_name: str = "relu",
    dropout: float = 0.3,
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
        stem, stem_stride: channels and stride of the first convolution (0 channels: none).
        squeeze: reduction of a squeeze-excitation after each stage, 0 = none.
        activation_name: one of `layers.ACTIVATIONS`.
        dropout: fraction of the features that is dropped before the last layer.
        momentum: of batch normalisation.
        mean, std: of the training pixels / 255.
        seed: of the initial weights.
        logits: leave the softmax out.

    Returns:
        A keras.Model, (N, height, width, channels) raw pixels -> (N, classes).
    """
    keras = load_keras()
    widths = check_sizes(widths, "widths")
    blocks = check_sizes(blocks, "blocks", len(widths))
    if stem != 0:
        check_sizes((stem, stem_stride), "stem and stem_stride", 2)
    seeds = Seeds(seed)

    def step(x: Any, filters: int, number: int, stride: int = 1) -> Any:
        y = conv(filters, seeds, f"conv{number}", stride=stride)(x)
        y = keras.layers.BatchNormalization(momentum=momentum, name=f"norm{number}")(y)
        if y.shape == x.shape:
            y = keras.layers.Add(name=f"add{number}")([x, y])
        return activation(activation_name, f"{activation_name}{number}")(y)

    numbers = itertools.count(1)  # conv1, conv2, ...: the names that people try first
    start, x = pixel_input(height, width, channels, mean, std)
    if stem:
        x = step(x, stem, next(numbers), stem_stride)
    for stage, (filters, count) in enumerate(zip(widths, blocks, strict=True), 1):
        if stage > 1:
            x = keras.layers.MaxPooling2D(2, name=f"halve{stage - 1}")(x)
        for _ in range(count):
            x = step(x, filters, next(numbers))
        if squeeze:
            x = _excite(x, filters, squeeze, seeds, f"stage{stage}")
    return keras.Model(start, pooled_head(x, classes, dropout, seeds, logits), name="residual")


def _excite(x: Any, filters: int, reduction: int, seeds: Seeds, name: str) -> Any:
    """Squeeze-excitation (Hu et al. 2018): weight the channels of a map (N, h, w, C) by a small network of their means."""
    keras = load_keras()
    dense = keras.layers.Dense
    start = keras.initializers.HeNormal(seed=seeds()), keras.initializers.GlorotUniform(seed=seeds())
    s = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    s = dense(max(filters // reduction, 4), "relu", kernel_initializer=start[0], name=f"{name}_reduce")(s)
    s = dense(filters, "sigmoid", kernel_initializer=start[1], name=f"{name}_excite")(s)
    return keras.layers.Multiply(name=f"{name}_weigh")([x, s])
