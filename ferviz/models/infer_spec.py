"""Infer how a network's pictures are scaled and what its outputs are called.

The sources, in this order: the caller, the sidecar, the network itself (a layer near its input that scales). What none of them
tells is assumed, and noted as assumed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ferviz import emotions
from ferviz.engines.backend import running
from ferviz.engines.base import PictureShape
from ferviz.errors import ModelError, UsageError
from ferviz.models.formats.build import leaf_layers
from ferviz.models.formats.keras_classes import AUGMENTATION
from ferviz.models.input_spec import MAX_SIDE, InputSpec
from ferviz.models.network_address import parse_input
from ferviz.models.sidecar import Sidecar
from ferviz.native_logs import without_warnings

_PASSING = AUGMENTATION | {
    "InputLayer", "Identity", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "Resizing", "CenterCrop",
    "ZeroPadding2D", "Cropping2D", "Permute", "Reshape", "UpSampling2D", "Concatenate",
}  # fmt: skip
"""Layers that do not change the range of values, so that a layer that scales may follow them."""

_BY_COUNT = {6: "6-dropped", 7: "7", 8: "8-ferplus"}
_OUTSIDE = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}


def infer_labels(
    labels: str | Iterable[str] | None,
    sidecar: Sidecar | None,
    classes: int,
    note: Callable[[str], None],
    own: tuple[str, ...] | None = None,
) -> tuple[str, ...]:
    """Return the class names in the order of the outputs.

    Args:
        labels: the caller's: a scheme's name, "happy,sad,...", or a sequence of names; None = not given.
        sidecar: the network's sidecar, or None.
        classes: K, the number of outputs.
        note: takes the sentence that tells what was assumed.
        own: class names that the network's own file gives; the sidecar and the caller know better.

    Returns:
        K names.

    Raises:
        UsageError: the caller's labels are not K.
        ModelError: the sidecar's labels are not K.
    """
    if labels is not None:
        names = emotions.label_scheme(labels).labels
        if len(names) != classes:
            raise UsageError(
                f"labels has {len(names)} classes, but the network has {classes} outputs; name each output once"
            )
        if sidecar is not None and sidecar.labels not in (None, names):
            note(
                f"the labels contradict {sidecar.path.name}, which says {', '.join(sidecar.labels or ())}: "
                f"{', '.join(names)} is used"
            )
        return names
    if sidecar is not None and sidecar.labels is not None:
        if len(sidecar.labels) != classes:
            raise ModelError(f"{sidecar.path} has {len(sidecar.labels)} classes, but the network has {classes} outputs")
        return sidecar.labels
    if own is not None and len(own) == classes:
        with contextlib.suppress(UsageError):  # names that are no labels: the file means something else
            return emotions.label_scheme(own).labels
    if classes in _BY_COUNT:
        names = emotions.SCHEMES[_BY_COUNT[classes]].labels
        note(
            f"the file does not name its {classes} outputs: {', '.join(names)} is assumed (name them with --labels, or find "
            "their order with `ferviz check`)"
        )
        return names
    names = tuple(f"class{i}" for i in range(classes))
    note(
        f"the file does not name its {classes} outputs: they are called {names[0]} to {names[-1]} (name them with --labels)"
    )
    return names


def infer_input(
    size: tuple[int | None, int | None, int],
    network: Any,
    scaling: str | None,
    sidecar: Sidecar | None,
    note: Callable[[str], None],
    own: Mapping[str, Any] | None = None,
    rescaling: tuple[float, float, str] | None = None,
) -> InputSpec:
    """Return the input spec of a network.

    Args:
        size: (height, width, channels) of its input, None = any.
        network: the keras.Model, or None where there is none to look into.
        scaling: the caller's, None = not given.
        sidecar: the network's sidecar, or None.
        note: takes a sentence about what was inferred or assumed.
        own: fields of an InputSpec that the network's own configuration gives; the sidecar and the caller know better.
        rescaling: (factor, offset, name) of arithmetic on the pixels before the network's first layer, None = none is known.

    Raises:
        UsageError: the caller's scaling is not known.
        ModelError: the sidecar contradicts the network or has an impossible value.
    """
    height, width, channels = size
    stored: dict[str, Any] = dict(sidecar.input) if sidecar is not None else {}
    settings = (_without_statistics(own or {}) if "scaling" in stored else dict(own or {})) | stored
    for key, fixed in (("height", height), ("width", width)):
        if fixed is not None and settings.get(key, fixed) != fixed and sidecar is not None:
            raise ModelError(f"{sidecar.path} has {key} {settings[key]!r:.60}, but the network takes {fixed}")
        settings[key] = settings.get(key) if fixed is None else fixed
    if scaling is not None:
        InputSpec(scaling=scaling)  # a mistake of the caller's is a UsageError, not the sidecar's ModelError
        if stored.get("scaling", scaling) != scaling and sidecar is not None:
            note(f"the scaling contradicts {sidecar.path.name}, which says {stored['scaling']}: {scaling} is used")
        if scaling != "standardize":
            settings = _without_statistics(settings)
        settings["scaling"] = scaling
    inside = _scaling_inside(network) if rescaling is None else _scaling_by(*rescaling)
    if inside is not None:
        inferred, layer = inside
        if "scaling" not in settings:
            settings["scaling"] = inferred
            note(f"the layer {layer} scales the pixels inside the network, so the network takes values {inferred}")
        elif settings["scaling"] != inferred:
            note(
                f"the layer {layer} suggests that the network takes values {inferred}, but {settings['scaling']} is set"
            )
    assumed = [name for name in ("scaling", "resize") if name not in settings]
    if settings["height"] is None or settings["width"] is None:
        assumed += [name for name in ("height", "width") if settings[name] is None]
        side = InputSpec().default_side
        note(
            f"the network takes pictures of any size: faces are resized to {side} x {side} (set height and width in a sidecar)"
        )
    if channels == 3 and "order" not in settings:
        assumed.append("order")
    if "scaling" in assumed:
        note(
            "the file does not tell the range of values that the network takes: 0..1 is assumed (set it with --scaling, or find it with "
            "`ferviz check`)"
        )
    try:
        return InputSpec(channels=channels, assumed=tuple(assumed), **settings)
    except (UsageError, TypeError) as error:
        if sidecar is not None:
            raise ModelError(f"{sidecar.path}: {error}") from error
        raise ModelError(f"the network's input does not fit: {error}") from error


def check_input(value: Any, scaling: str | None) -> InputSpec | PictureShape | None:
    """Check the `input` of `load_model`.

    Args:
        value: what the caller passed.
        scaling: the caller's scaling, which an InputSpec has already.

    Returns:
        The InputSpec, or (h, w, c) with None for a side that is free; None where nothing was passed.

    Raises:
        UsageError: it is anything else.
    """
    if value is None:
        return None
    if isinstance(value, InputSpec):
        if scaling not in (None, value.scaling):
            raise UsageError(
                f"scaling {scaling!r} contradicts input=InputSpec(scaling={value.scaling!r}); leave one of them out"
            )
        return value
    if isinstance(value, str):
        value = parse_input(value)
    if not isinstance(value, Sequence) or len(value) != 3 or value[2] not in (1, 3):
        raise UsageError(f"input {value!r:.60} is not a picture's (height, width, channels), such as (48, 48, 1)")
    for side in value[:2]:
        if side is not None and (not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= MAX_SIDE):
            raise UsageError(f"input {value!r:.60} has a side that is no whole number from 1 to {MAX_SIDE}")
    height, width, channels = value
    return height, width, channels


def given_shape(given: InputSpec | PictureShape | None) -> PictureShape | None:
    """Return the shape of a network's pictures, None where the caller did not give it.

    Args:
        given: the caller's input.
    """
    if isinstance(given, InputSpec):
        return given.height, given.width, given.channels
    return given


def fit_size(given: PictureShape | None, size: PictureShape) -> PictureShape:
    """Return the size that a network's pictures have: its own, or where that is free the caller's.

    Args:
        given: the caller's, None = not given.
        size: the network's own.

    Raises:
        UsageError: they contradict each other.
    """
    if given is None:
        return size
    pairs = list(zip(given, size, strict=True))
    if any(None not in (asked, own) and asked != own for asked, own in pairs):
        asked_words, own_words = (" x ".join(str(side or "any") for side in sides) for sides in (given, size))
        raise UsageError(f"input {asked_words} contradicts the network, which takes {own_words}")
    height, width, channels = (own if own is not None else asked for asked, own in pairs)
    return height, width, channels or given[2]


def fit_spec(given: InputSpec, size: PictureShape) -> InputSpec:
    """Return the caller's input spec with the network's size, where the spec leaves that free.

    Args:
        given: the caller's.
        size: the network's own.

    Raises:
        UsageError: they contradict each other.
    """
    height, width, _ = fit_size((given.height, given.width, given.channels), size)
    return replace(given, height=height, width=width, assumed=())


def _without_statistics(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in ("mean", "std", "unit")}


def _scaling_by(factor: float, offset: float, name: str) -> tuple[str, str] | None:
    scaling = _by_rescaling(factor, offset)
    return (scaling, name) if scaling else None


def _scaling_inside(network: Any) -> tuple[str, str] | None:
    """-> (the range of values that the network takes, name of the layer that tells it), None where no layer tells it."""
    if network is None or not hasattr(network, "layers"):
        return None
    scaled = _by_operations(network)
    if scaled is not None:
        return scaled
    for layer in leaf_layers(network):
        kind = type(layer).__name__
        if kind == "Rescaling":
            scaling = _by_rescaling(_mean(layer.scale), _mean(layer.offset))
            return (scaling, layer.name) if scaling else None
        if kind in ("Normalization", "BatchNormalization"):
            scaling = _by_statistics(layer)
            return (scaling, layer.name) if scaling else None
        if kind not in _PASSING and not (kind == "Activation" and layer.get_config().get("activation") == "linear"):
            return None
    return None


def _by_operations(network: Any) -> tuple[str, str] | None:
    """-> as `_scaling_inside`, for operations before a network's first layer (`x / 255`): two blank pictures are passed through them."""
    steps = getattr(network, "operations", None)
    if not steps or len(network.inputs) != 1:
        return None
    layers = set(map(id, network.layers))
    ahead: list[Any] = []
    for step in steps:
        kind = type(step).__name__
        if id(step) not in layers or kind == "Rescaling":
            ahead.append(step)
        elif kind not in _PASSING:
            if not ahead and getattr(step, "operations", None):
                return _by_operations(step)
            break
    if all(id(step) in layers for step in ahead):
        return None  # layers alone are read from their settings
    part = running().Model(network.inputs[0], ahead[-1].output)
    blank = np.zeros((1, *(side or 96 for side in network.inputs[0].shape[1:])), np.float32)
    with without_warnings():  # a network may give its only input as a list
        black, white = (float(np.mean(np.asarray(part(blank + value, training=False)))) for value in (0, 1))
    if np.allclose((black, white), (0, 1), atol=1e-4):
        return None
    scaling = _by_rescaling(white - black, black)
    return (scaling, ahead[-1].name) if scaling else None


def _by_rescaling(scale: float, offset: float) -> str | None:
    """-> the range of values that `x * scale + offset` maps to one that networks are trained with: about 0..1, -1..1 or 0..255."""
    mapped = {
        name: tuple(sorted((low * scale + offset, high * scale + offset))) for name, (low, high) in _OUTSIDE.items()
    }
    for name, ends in mapped.items():
        if any(np.allclose(ends, usual, atol=0.02 * (usual[1] - usual[0])) for usual in _OUTSIDE.values()) and (
            ends != _OUTSIDE[name]  # a layer that changes no value does not tell the range
        ):
            return name
    for name, (low, high) in mapped.items():
        if 0.5 <= high - low <= 8 and low >= -5 and high <= 5:  # standardised
            return name
        if abs(high - low - 255) < 1 and -160 < low < -90:  # ImageNet's means are subtracted
            return name
    return None


def _mean(value: Any) -> float:
    """-> the mean of a layer's setting, NaN where a file has something else than numbers there."""
    try:
        return float(np.mean(np.asarray(value, np.float64)))
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _by_statistics(layer: Any) -> str | None:
    """-> the range of values whose mean and deviation a normalising layer has learned from its input, None if there is none."""
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
