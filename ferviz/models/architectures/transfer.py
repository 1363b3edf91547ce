"""Transfer learning: a backbone of keras.applications, its own normalisation inside the network, and a new head."""

from __future__ import annotations

import inspect
from typing import Any

from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.models.architectures.layers import Seeds, check_sizes, load_keras, pooled_head
from ferviz.paths import is_file

CAFFE = ("ResNet50", "ResNet101", "ResNet152", "VGG16", "VGG19")
"""Backbones that were trained on BGR pixels minus ImageNet's mean."""

TORCH = ("DenseNet121", "DenseNet169", "DenseNet201")
"""Backbones that were trained on pixels / 255, standardised per channel."""

RAW = ("EfficientNet", "ConvNeXt", "MobileNetV3")
"""Families that take raw pixels and normalise inside; all others take -1..1."""


def build(
    classes: int = 7,
    *,
    backbone: str = "MobileNetV2",
    weights: str | None = None,
    height: int = 96,
    width: int = 96,
    channels: int = 1,
    dropout: float = 0.3,
    seed: int = 0,
    logits: bool = False,
) -> Any:
    """Build the network.

    Args:
        classes: number of outputs.
        backbone: a class of keras.applications, e.g. "ResNet50".
        weights: a local file with the backbone's weights without the top (`*_notop.h5`), None = random initial weights.
        height, width: of the pictures.
        channels: 1 (the grey picture is repeated three times) or 3.
        dropout: before the last layer.
        seed: of the new head's initial weights.
        logits: leave the softmax out.

    Returns:
        A keras.Model, (N, height, width, channels) raw pixels -> (N, classes).

    Raises:
        UnknownNameError: there is no such backbone.
        UsageError: the channels do not fit the backbone.
        ModelError: the weights do not fit.
    """
    keras = load_keras()
    known = [n for n, f in vars(keras.applications).items() if inspect.isfunction(f) and n[0].isupper()]
    if backbone not in known:
        raise UnknownNameError("backbone", backbone, known)
    if channels not in (1, 3) or (channels == 3 and backbone in CAFFE):
        raise UsageError(
            f"channels={channels!r} does not go with {backbone}; use channels=1 (the grey picture is repeated three times)"
        )
    check_sizes((height, width), "height and width", 2)
    if weights is not None and not is_file(weights):
        raise ModelError(f"the weights {weights} do not exist; name a local file of {backbone} without its top")
    start = keras.Input((height, width, channels), name="pixels", dtype="float32")
    x = keras.layers.Concatenate(dtype="float32", name="three")([start] * 3) if channels == 1 else start
    scale, offset = _normalisation(backbone)
    if scale is not None:
        x = keras.layers.Rescaling(scale, offset, dtype="float32", name="normalise")(x)
    try:
        body = getattr(keras.applications, backbone)(
            include_top=False, weights=weights, input_shape=(height, width, 3), pooling=None, name="backbone"
        )
    except (ValueError, OSError) as error:
        raise ModelError(
            f"{backbone} cannot be built at {height}x{width} with weights {weights}: {str(error).splitlines()[0]}"
        ) from error
    return keras.Model(start, pooled_head(body(x), classes, dropout, Seeds(seed), logits), name="transfer")


def _normalisation(backbone: str) -> tuple[Any, Any]:
    """-> (scale, offset) that turn raw pixels into what the backbone was trained on; (None, None) where it does so itself."""
    if backbone.startswith(RAW):
        return None, None
    if backbone in CAFFE:
        return 1.0, [-103.939, -116.779, -123.68]
    if backbone in TORCH:
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        return [1 / (255 * s) for s in std], [-m / s for m, s in zip(mean, std, strict=True)]
    return 1 / 127.5, -1.0
