"""The signature of a network: it has to take one picture and return one score for each class."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ferviz import emotions
from ferviz.engines.backend import running
from ferviz.errors import ModelError

_EMOTION = re.compile(r"emo|expr|fer(?![a-z])|affect|feel|mood", re.IGNORECASE)
_MAX_SIDE = 4096


def picture_input(network: Any, where: str) -> tuple[tuple[int | None, int | None, int], bool]:
    """Return the shape of the one picture that a network takes.

    Args:
        network: a keras.Model.
        where: the network's file or name, for messages.

    Returns:
        (height, width, channels), None for a side that is free; and whether the network wants its channels first.

    Raises:
        ModelError: the network takes anything but one picture with 1 or 3 channels.
    """
    from ferviz.engines.keras.keras_trace import input_shape, wants_channels_first

    inputs = getattr(network, "inputs", None)
    if inputs is not None and len(inputs) != 1:
        shapes = ", ".join(f"{tensor.name} {_format_shape(tensor.shape)}" for tensor in inputs)
        raise ModelError(
            f"{where} takes {len(inputs)} inputs ({shapes}); ferviz explains networks that take one picture"
        )
    shape = tuple(inputs[0].shape) if inputs else input_shape(network)
    if shape is None:
        raise ModelError(f"{where} has no input shape yet; call it on a picture once, then pass it to ferviz")
    if len(shape) != 4:
        raise ModelError(
            f"{where} takes {_format_shape(shape)}; ferviz needs one picture, (N, height, width, channels){_advice(shape)}"
        )
    channels_first = wants_channels_first(network)
    height, width, channels = (shape[2], shape[3], shape[1]) if channels_first else shape[1:]
    if channels not in (1, 3):
        raise ModelError(
            f"{where} takes pictures with {channels} channels ({_format_shape(shape)}); ferviz works with 1 (grey) or 3 (colour)"
        )
    for side in (height, width):
        if side is not None and side > _MAX_SIDE:
            raise ModelError(
                f"{where} takes pictures of {height} x {width} pixels; the largest side that ferviz works with is {_MAX_SIDE}"
            )
    return (height, width, channels), channels_first


def count_classes(network: Any, where: str, engine: Any = None) -> int:
    """Return the number of classes.

    Args:
        network: a keras.Model.
        where: the network's file or name, for messages.
        engine: the engine of a subclassed network, whose shapes only a run tells.

    Returns:
        K, 2 or more.

    Raises:
        ModelError: the network returns anything but one vector of two or more scores.
    """
    outputs = getattr(network, "outputs", None)
    if not outputs:
        classes: int | None = int(engine.classes)
    else:
        if len(outputs) != 1:
            raise ModelError(f"{where} has {len(outputs)} outputs; ferviz needs one, with a score for each class")
        classes = _width(outputs[0].shape)
        if classes is None:
            raise ModelError(
                f"{where} returns {_format_shape(outputs[0].shape)}; ferviz needs a score for each class, (N, classes)"
            )
    if classes is None or classes < 2:
        raise ModelError(
            f"{where} has a single output unit (a yes-or-no network); ferviz needs two or more classes, so give its last layer two units"
        )
    return classes


def select_output(network: Any, labels: str | Sequence[str] | None, where: str, note: Callable[[str], None]) -> Any:
    """Reduce a network with several outputs (age, gender, ...) to the output of its emotions.

    The output is the one with as many classes as labels; without labels the one whose name is a word for emotions, else the only one with
    five to ten classes.

    Args:
        network: a keras.Model, which is not changed.
        labels: the caller's label scheme or class names, None = not given.
        where: the network's file or name, for messages.
        note: takes the sentence that tells which output is used.

    Returns:
        A keras.Model with one output; a network that has only one is returned as it is.

    Raises:
        ModelError: no output fits, or several do.
    """
    outputs = getattr(network, "outputs", None)
    names = getattr(network, "output_names", None)
    if not outputs or len(outputs) == 1 or not names or len(names) != len(outputs):
        return network
    heads = [_Head(str(name), tensor, _width(tensor.shape) or 0) for name, tensor in zip(names, outputs, strict=True)]
    candidates = _emotion_heads(heads, labels)
    listed = ", ".join(f"{head.name} {_format_shape(head.tensor.shape)}" for head in heads)
    if len(candidates) != 1:
        raise ModelError(
            f"{where} has {len(outputs)} outputs: {listed}; ferviz needs one, with a score for each class, so name its classes "
            "with labels, or save keras.Model(network.inputs, network.get_layer(NAME).output)"
        )
    emotion = candidates[0]
    note(f"the network has {len(outputs)} outputs, {listed}: {emotion.name} is explained")
    inputs = network.inputs[0] if len(network.inputs) == 1 else network.inputs
    return running().Model(inputs, emotion.tensor, name=network.name)


@dataclass(frozen=True)
class _Head:
    """One of several outputs: its name, its tensor, and its number of classes (0 where it is no vector)."""

    name: str
    tensor: Any
    classes: int


def _emotion_heads(heads: Sequence[_Head], labels: str | Sequence[str] | None) -> list[_Head]:
    if labels is not None:
        count = len(emotions.label_scheme(labels).labels)
        return [head for head in heads if head.classes == count]
    named = [head for head in heads if _EMOTION.search(head.name) and head.classes > 1]
    return named or [head for head in heads if 5 <= head.classes <= 10]


def _width(shape: Iterable[int | None]) -> int | None:
    """-> K of (N, K) or of (N, 1, 1, K) and the like; None for other shapes."""
    sides = list(shape)
    wide = [side for side in sides[1:] if side != 1]
    if len(sides) < 2 or None in wide or len(wide) > 1:
        return None
    return int(wide[0] or 1) if wide else 1


def _advice(shape: Sequence[int | None]) -> str:
    """-> the end of the message for an input that is a picture in another form: how to adapt it."""
    sides = [side for side in shape[1:] if side is not None]
    if len(shape) == 5:
        return ": this one takes several pictures at once"
    if len(shape) == 3 and len(sides) == 2 and min(sides) > 8:
        height, width = sides
    elif len(shape) == 2 and len(sides) == 1 and sides[0] > 64 and math.isqrt(sides[0]) ** 2 == sides[0]:
        height = width = math.isqrt(sides[0])
    else:
        return ""
    layers = f"keras.Input(({height}, {width}, 1)), keras.layers.Reshape({tuple(sides)})"
    return f", so save keras.Sequential([{layers}, network])"


def _format_shape(shape: Iterable[int | None]) -> str:
    rest = list(shape)[1:]
    return "(" + ", ".join(["N", *("any" if side is None else str(side) for side in rest)]) + ")"
