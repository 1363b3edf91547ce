"""Transfer learning: a backbone of keras.applications, its own normalisation inside the network, and a new head."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.models.architectures.layers import Seeds, load_keras, pooled_head, sizes

CAFFE = ("ResNet50", "ResNet101", "ResNet152", "VGG16", "VGG19")
"""Backbones that were trained on BGR pixels less ImageNet's mean."""

TORCH = ("DenseNet121", "DenseNet169", "DenseNet201")
"""Backbones that were trained on pixels / 255, standardised per channel."""

OWN = ("EfficientNet", "ConvNeXt", "MobileNetV3")
"""Families that take raw pixels and normalise inside; all the others want -1 .. 1."""


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
    """Build the network: (N, height, width, channels) raw pixels -> (N, classes).

    backbone: a class of keras.applications, e.g. "ResNet50". weights: a local file with its weights without the top
    (`*_notop.h5`), None = start from nothing. channels: 1 (the grey picture is given three times) or 3. dropout: before the
    last layer. seed: of the new head. logits: leave the softmax out.
    Raises UnknownNameError for another backbone, ModelError for weights that do not fit.
    """
    keras = load_keras()
    known = [n for n, f in vars(keras.applications).items() if inspect.isfunction(f) and n[0].isupper()]
    if backbone not in known:
        raise UnknownNameError("backbone", backbone, known)
    if channels not in (1, 3) or (channels == 3 and backbone in CAFFE):
        raise UsageError(
            f"channels={channels!r} does not go with {backbone}; use channels=1 (its pixels are given three times)"
        )
    sizes((height, width), "height and width", 2)
    if weights is not None and not Path(weights).is_file():
        raise ModelError(f"the weights {weights} are not there; name a local file of {backbone} without its top")
    start = keras.Input((height, width, channels), name="pixels", dtype="float32")
    x = keras.layers.Concatenate(dtype="float32", name="three")([start] * 3) if channels == 1 else start
    scale, offset = _range(backbone)
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


def _range(backbone: str) -> tuple[Any, Any]:
    """Return (scale, offset) that turn raw pixels into what the backbone was trained on; (None, None) where it does so itself."""
    if backbone.startswith(OWN):
        return None, None
    if backbone in CAFFE:
        return 1.0, [-103.939, -116.779, -123.68]
    if backbone in TORCH:
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        return [1 / (255 * s) for s in std], [-m / s for m, s in zip(mean, std, strict=True)]
    return 1 / 127.5, -1.0
