"""What goes into a network and what comes out of it: one picture, and a score for each class."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ferviz import emotions
from ferviz.engines.backend import running
from ferviz.errors import ModelError

_EMOTION = re.compile(r"emo|expr|fer(?![a-z])|affect|feel|mood", re.IGNORECASE)
_LARGEST = 4096


def picture_input(network: Any, where: str) -> tuple[tuple[int | None, int | None, int], bool]:
    """Return ((height, width, channels) of the one picture that a network takes, whether its channels come first).

    network: a keras.Model. where: named in messages. Raises ModelError for other inputs.
    """
    from ferviz.engines.keras_trace import input_shape, wants_channels_first

    inputs = getattr(network, "inputs", None)
    if inputs is not None and len(inputs) != 1:
        named = ", ".join(f"{one.name} {_shown(one.shape)}" for one in inputs)
        raise ModelError(
            f"{where} takes {len(inputs)} inputs ({named}); ferviz explains networks that take one picture"
        )
    shape = tuple(inputs[0].shape) if inputs else input_shape(network)
    if shape is None:
        raise ModelError(f"{where} does not say what it takes; call it on a picture once before you hand it over")
    if len(shape) != 4:
        raise ModelError(
            f"{where} takes {_shown(shape)}; ferviz needs one picture, (N, height, width, channels){_advice(shape)}"
        )
    first = wants_channels_first(network)
    height, width, channels = (shape[2], shape[3], shape[1]) if first else shape[1:]
    if channels not in (1, 3):
        raise ModelError(
            f"{where} takes pictures with {channels} channels ({_shown(shape)}); ferviz feeds 1 (grey) or 3 (colour)"
        )
    for side in (height, width):
        if side is not None and side > _LARGEST:
            raise ModelError(f"{where} takes pictures of {height} x {width} pixels; that is not run")
    return (height, width, channels), first


def count_classes(network: Any, where: str, runner: Any = None) -> int:
    """Return K, the number of classes. runner: an engine that knows, where the network does not say.

    Raises ModelError for anything but one vector of two or more.
    """
    outputs = getattr(network, "outputs", None)
    if not outputs:
        classes: int | None = int(runner.classes)
    else:
        if len(outputs) != 1:
            raise ModelError(f"{where} has {len(outputs)} outputs; ferviz needs one, with a score for each class")
        classes = _width(outputs[0].shape)
        if classes is None:
            raise ModelError(
                f"{where} gives {_shown(outputs[0].shape)}; ferviz needs a score for each class, (N, classes)"
            )
    if classes is None or classes < 2:
        raise ModelError(
            f"{where} has an output of one unit (a yes-or-no network); ferviz explains two or more classes, so end it with two"
        )
    return classes


def select_output(network: Any, labels: str | Sequence[str] | None, where: str, note: Callable[[str], None]) -> Any:
    """Return a network that gives emotions alone, of one that gives age, gender or the like beside them.

    network: a keras.Model, which is not changed; one with a single output is returned as it is. labels: the caller's, whose
    number tells the output. where: named in messages. note: takes the sentence that says which output is used.
    The output is the one with as many classes as labels, else the one whose name speaks of emotions, else the only one with
    five to ten classes. Raises ModelError where that does not leave just one.
    """
    outputs = getattr(network, "outputs", None)
    names = getattr(network, "output_names", None)
    if not outputs or len(outputs) == 1 or not names or len(names) != len(outputs):
        return network
    found = [(str(name), one, _width(one.shape) or 0) for name, one in zip(names, outputs, strict=True)]
    wanted = len(emotions.label_scheme(labels).labels) if labels is not None else None
    called = [one for one in found if _EMOTION.search(one[0]) and one[2] > 1]
    fitting = (
        [one for one in found if one[2] == wanted] if wanted else called or [one for one in found if 5 <= one[2] <= 10]
    )
    listed = ", ".join(f"{name} {_shown(one.shape)}" for name, one, _ in found)
    if len(fitting) != 1:
        raise ModelError(
            f"{where} has {len(outputs)} outputs: {listed}; ferviz needs one, with a score for each class, so name its classes "
            "with labels, or save keras.Model(network.inputs, network.get_layer(NAME).output)"
        )
    note(f"the network has {len(outputs)} outputs, {listed}: {fitting[0][0]} is explained")
    inputs = network.inputs[0] if len(network.inputs) == 1 else network.inputs
    return running().Model(inputs, fitting[0][1], name=network.name)


def _width(shape: Iterable[int | None]) -> int | None:
    """-> K of (N, K) or of (N, 1, 1, K) and the like; None for other shapes."""
    sides = list(shape)
    wide = [side for side in sides[1:] if side != 1]
    if len(sides) < 2 or None in wide or len(wide) > 1:
        return None
    return int(wide[0] or 1) if wide else 1


def _advice(shape: Sequence[int | None]) -> str:
    """-> what to do about an input that is a picture in another form."""
    sides = [side for side in shape[1:] if side is not None]
    if len(shape) == 5:
        return ": this one looks at several pictures at once"
    if len(shape) == 3 and len(sides) == 2 and min(sides) > 8:
        height, width = sides
    elif len(shape) == 2 and len(sides) == 1 and sides[0] > 64 and math.isqrt(sides[0]) ** 2 == sides[0]:
        height = width = math.isqrt(sides[0])
    else:
        return ""
    ahead = f"keras.Input(({height}, {width}, 1)), keras.layers.Reshape({tuple(sides)})"
    return f", so save keras.Sequential([{ahead}, network])"


def _shown(shape: Iterable[int | None]) -> str:
    rest = list(shape)[1:]
    return "(" + ", ".join(["N", *("any" if side is None else str(side) for side in rest)]) + ")"
