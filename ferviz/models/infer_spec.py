"""What a network's numbers mean: how its pictures are scaled and what its outputs are called.

In this order somebody may have said it: the caller, the sidecar, the network itself (a layer near its input that scales);
what nobody said is assumed, and noted as assumed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ferviz import emotions
from ferviz.engines.backend import running
from ferviz.errors import ModelError, UsageError
from ferviz.models.formats.build import leaf_layers
from ferviz.models.formats.keras_classes import AUGMENTATION
from ferviz.models.input_spec import InputSpec
from ferviz.models.sidecar import Sidecar

_PASSING = AUGMENTATION | {
    "InputLayer", "Identity", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "Resizing", "CenterCrop",
    "ZeroPadding2D", "Cropping2D", "Permute", "Reshape", "UpSampling2D", "Concatenate",
}  # fmt: skip
"""Layers that leave the range of the values alone, so that what scales may stand behind them."""

_BY_COUNT = {6: "6-dropped", 7: "7", 8: "8-ferplus"}
_OUTSIDE = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}


def infer_labels(
    given: str | Iterable[str] | None, sidecar: Sidecar | None, classes: int, note: Callable[[str], None]
) -> tuple[str, ...]:
    """Return the K class names in the order of the outputs.

    given: the caller's: a scheme's name, "happy,sad,...", or a sequence. sidecar: what was found beside the file, or None.
    classes: K. note: takes the sentence that says what was assumed. Raises UsageError, ModelError when the count is wrong.
    """
    if given is not None:
        labels = emotions.label_scheme(given).labels
        if len(labels) != classes:
            raise UsageError(
                f"labels names {len(labels)} classes, but the network has {classes} outputs; name each output once"
            )
        return labels
    if sidecar is not None and sidecar.labels is not None:
        if len(sidecar.labels) != classes:
            raise ModelError(
                f"{sidecar.path} names {len(sidecar.labels)} classes, but the network has {classes} outputs"
            )
        return sidecar.labels
    if classes in _BY_COUNT:
        labels = emotions.SCHEMES[_BY_COUNT[classes]].labels
        note(f"nothing says what the {classes} outputs are: {', '.join(labels)} is assumed (say it with --labels)")
        return labels
    labels = tuple(f"class{i}" for i in range(classes))
    note(
        f"nothing says what the {classes} outputs are: they are called {labels[0]} to {labels[-1]} (say it with --labels)"
    )
    return labels


def infer_input(
    size: tuple[int | None, int | None, int],
    network: Any,
    scaling: str | None,
    sidecar: Sidecar | None,
    note: Callable[[str], None],
) -> InputSpec:
    """Return the input spec of a network.

    size: (height, width, channels) that its input has, None = any. network: the keras.Model, or None where there is none to look
    into. scaling: the caller's, or None. sidecar: what was found beside the file, or None. note: takes sentences.
    Raises UsageError for the caller's mistakes, ModelError for the sidecar's.
    """
    height, width, channels = size
    settings: dict[str, Any] = dict(sidecar.input) if sidecar is not None else {}
    for key, fixed in (("height", height), ("width", width)):
        if fixed is not None and settings.get(key, fixed) != fixed and sidecar is not None:
            raise ModelError(f"{sidecar.path} says {key} {settings[key]}, but the network takes {fixed}")
        settings[key] = settings.get(key) if fixed is None else fixed
    if scaling is not None:
        InputSpec(scaling=scaling)  # the caller's mistake is told as the caller's
        if scaling != "standardize":
            settings = {k: v for k, v in settings.items() if k not in ("mean", "std", "unit")}
        settings["scaling"] = scaling
    inside = _inside(network)
    if inside is not None:
        found, layer = inside
        if "scaling" not in settings:
            settings["scaling"] = found
            note(f"the layer {layer} scales the pixels inside the network, so it is fed {found}")
        elif settings["scaling"] != found:
            note(f"the layer {layer} looks as if the network wanted {found}, but {settings['scaling']} was asked for")
    assumed = [name for name in ("scaling", "resize") if name not in settings]
    if settings["height"] is None or settings["width"] is None:
        assumed += [name for name in ("height", "width") if settings[name] is None]
        side = InputSpec().default_side
        note(
            f"the network takes pictures of any size: faces are resized to {side} x {side} (say height and width in a sidecar)"
        )
    if channels == 3 and "order" not in settings:
        assumed.append("order")
    if "scaling" in assumed:
        note(
            'nothing says which values the network was fed: 0..1 is assumed (say it with --scaling, or find out with "ferviz check")'
        )
    try:
        return InputSpec(channels=channels, assumed=tuple(assumed), **settings)
    except (UsageError, TypeError) as error:
        if sidecar is not None:
            raise ModelError(f"{sidecar.path}: {error}") from error
        raise ModelError(f"the network's input cannot be served: {error}") from error


def _inside(network: Any) -> tuple[str, str] | None:
    """-> (what the network is fed, name of the layer that tells), None where no layer tells."""
    if network is None or not hasattr(network, "layers"):
        return None
    scaled = _by_operations(network)
    if scaled is not None:
        return scaled
    for layer in leaf_layers(network):
        kind = type(layer).__name__
        if kind == "Rescaling":
            found = _by_rescaling(np.mean(layer.scale), np.mean(layer.offset))
            return (found, layer.name) if found else None
        if kind in ("Normalization", "BatchNormalization"):
            found = _by_statistics(layer)
            return (found, layer.name) if found else None
        if kind not in _PASSING and not (kind == "Activation" and layer.get_config().get("activation") == "linear"):
            return None
    return None


def _by_operations(network: Any) -> tuple[str, str] | None:
    """What the operations before a network's first layer (`x / 255`) say, found by letting two blank pictures through them."""
    steps = getattr(network, "operations", None)
    if not steps or len(network.inputs) != 1:
        return None
    layers = set(map(id, network.layers))
    ahead: list[Any] = []
    for one in steps:
        kind = type(one).__name__
        if id(one) not in layers or kind == "Rescaling":
            ahead.append(one)
        elif kind not in _PASSING:
            if not ahead and getattr(one, "operations", None):
                return _by_operations(one)
            break
    if all(id(one) in layers for one in ahead):
        return None  # layers alone tell it by themselves
    part = running().Model(network.inputs[0], ahead[-1].output)
    blank = np.zeros((1, *(side or 96 for side in network.inputs[0].shape[1:])), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network may call its only input a list
        black, white = (float(np.mean(np.asarray(part(blank + value, training=False)))) for value in (0, 1))
    if np.allclose((black, white), (0, 1), atol=1e-4):
        return None
    found = _by_rescaling(white - black, black)
    return (found, ahead[-1].name) if found else None


def _by_rescaling(scale: float, offset: float) -> str | None:
    """Return the range that `x * scale + offset` brings to what networks are trained on: about 0..1, -1..1 or 0..255."""
    brought = {
        name: tuple(sorted((low * scale + offset, high * scale + offset))) for name, (low, high) in _OUTSIDE.items()
    }
    for name, ends in brought.items():
        if any(np.allclose(ends, usual, atol=0.02 * (usual[1] - usual[0])) for usual in _OUTSIDE.values()) and (
            ends != _OUTSIDE[name]  # a layer that changes nothing tells nothing
        ):
            return name
    for name, (least, most) in brought.items():
        if 0.5 <= most - least <= 8 and least >= -5 and most <= 5:  # standardised
            return name
        if abs(most - least - 255) < 1 and -160 < least < -90:  # ImageNet's means taken off
            return name
    return None


def _by_statistics(layer: Any) -> str | None:
    """Return the range whose mean and deviation a normalising layer has learned as its input's."""
    mean = (
        getattr(layer, "moving_mean", None)
        if type(layer).__name__ == "BatchNormalization"
        else getattr(layer, "mean", None)
    )
    spread = getattr(layer, "moving_variance", None) if mean is not None and hasattr(layer, "moving_variance") else None
    spread = getattr(layer, "variance", None) if spread is None else spread
    if mean is None or spread is None:
        return None
    average, deviation = float(np.mean(np.asarray(mean))), float(np.sqrt(np.mean(np.asarray(spread))))
    if not np.isfinite([average, deviation]).all() or deviation == 0:
        return None
    if 30 < average < 225 and deviation > 5:
        return "0..255"
    if 0.15 < average < 0.9 and 0.05 < deviation < 0.5:
        return "0..1"
    if -0.6 < average < 0.6 and 0.3 < deviation < 0.8:
        return "-1..1"
    return None
