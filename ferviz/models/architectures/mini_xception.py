"""mini_XCEPTION (Arriaga, Valdenegro-Toro, Plöger 2017): separable convolutions, residual shortcuts, no dense layer.

Its last map has one channel a class and is averaged into the logits, so that Grad-CAM there is that channel itself.
"""

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
    conv,
    load_keras,
    pixel_input,
)


def build(
    classes: int = 7,
    *,
    height: int = 48,
    width: int = 48,
    channels: int = 1,
    stem: Sequence[int] = (8, 8),
    widths: Sequence[int] = (16, 32, 64, 128),
    activation_name: str = "relu",
    dropout: float = 0.0,
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
        stem: channels of the first convolutions.
        widths: channels of the separable modules, each of which halves the map.
        activation_name: one of `layers.ACTIVATIONS`.
        dropout: before the last convolution.
        momentum: of batch normalisation.
        mean, std: of the training pixels / 255.
        seed: of the initial weights.
        logits: leave the softmax out.

    Returns:
        A keras.Model, (N, height, width, channels) raw pixels -> (N, classes).
    """
    keras = load_keras()
    seeds = Seeds(seed)

    def norm(x: Any, name: str) -> Any:
        return keras.layers.BatchNormalization(momentum=momentum, name=name)(x)

    def separable(x: Any, filters: int, name: str) -> Any:
        draws = keras.initializers.GlorotUniform(seed=seeds()), keras.initializers.GlorotUniform(seed=seeds())
        layer = keras.layers.SeparableConv2D(
            filters, 3, padding="same", use_bias=False, depthwise_initializer=draws[0], pointwise_initializer=draws[1], name=name
        )  # fmt: skip
        return layer(x)

    start, x = pixel_input(height, width, channels, mean, std)
    for number, filters in enumerate(check_sizes(stem, "stem"), 1):
        draw = keras.initializers.HeNormal(seed=seeds())
        layer = keras.layers.Conv2D(filters, 3, use_bias=False, kernel_initializer=draw, name=f"stem_conv{number}")
        x = activation(activation_name, f"stem_{activation_name}{number}")(norm(layer(x), f"stem_norm{number}"))
    for number, filters in enumerate(check_sizes(widths, "widths"), 1):
        name = f"module{number}"
        shortcut = norm(conv(filters, seeds, f"{name}_shortcut", kernel=1, stride=2)(x), f"{name}_shortcut_norm")
        x = norm(separable(x, filters, f"{name}_conv1"), f"{name}_norm1")
        x = activation(activation_name, f"{name}_{activation_name}1")(x)
        x = norm(separable(x, filters, f"{name}_conv2"), f"{name}_norm2")
        x = keras.layers.MaxPooling2D(3, 2, padding="same", name=f"{name}_halve")(x)
        x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    if check_fraction(dropout, "dropout"):
        x = keras.layers.Dropout(dropout, seed=seeds(), name="dropout")(x)
    x = conv(classes, seeds, "classes_conv", bias=True)(x)
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    if not logits:
        x = keras.layers.Activation("softmax", dtype="float32", name="emotions")(x)
    return keras.Model(start, x, name="mini_xception")
