"""What an ONNX file says about its pictures and its classes: its own remarks, and arithmetic before its first layer."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import numpy as np

from ferviz.engines.base import NetworkFacts
from ferviz.engines.onnx.onnx_file import OnnxNetwork
from ferviz.engines.onnx.onnx_node import OnnxNode

_LABEL_KEYS = ("labels", "classes", "class_names", "names", "id2label")
_RANGES = {"nominalrange_0_255": "0..255", "normalized_0_1": "0..1", "normalized_1_1": "-1..1"}
_PASSING = {"Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Dropout"}
_MOST_STEPS = 16


def onnx_facts(network: OnnxNetwork) -> NetworkFacts:
    """Return what a file says about what it takes and gives.

    Args:
        network: the file's content.
    """
    remarks = {key.lower(): value for key, value in network.metadata.items()}
    labels = next((parsed for key in _LABEL_KEYS if key in remarks and (parsed := _labels(remarks[key]))), None)
    settings: dict[str, Any] = {}
    scaling = _RANGES.get(remarks.get("image.nominalpixelrange", "").lower())
    if scaling:
        settings["scaling"] = scaling
    if remarks.get("image.bitmappixelformat", "").lower().startswith("bgr") and network.shape[2] == 3:
        settings["order"] = "bgr"
    return NetworkFacts(labels, settings, _rescaling(network))


def _labels(text: str) -> tuple[str, ...] | None:
    """-> the names in a list, a dict {number: name} or a text with commas or lines; None for anything else."""
    value: Any = None
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
            break
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    if isinstance(value, dict):
        try:
            value = [value[key] for key in sorted(value, key=int)]
        except (TypeError, ValueError):
            return None
    if value is None:
        value = [name.strip() for name in re.split(r"[,\n]", text)]
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= 10_000:
        return None
    names = tuple(str(name).strip() for name in value)
    return names if all(names) and len(set(names)) == len(names) else None


def _rescaling(network: OnnxNetwork) -> tuple[float, float, str] | None:
    """-> (factor, offset, node) of the arithmetic that the picture goes through first, None where there is none."""
    users: dict[str, list[Any]] = {}
    for proto in network.nodes:
        for given in set(proto.input):
            users.setdefault(given, []).append(proto)
    constants = dict(network.constants)
    for proto in network.nodes:
        if proto.op_type == "Constant" and len(proto.output) == 1:
            node = OnnxNode(proto, network.where, network.opset, None, None)
            if node.has("value"):
                constants[proto.output[0]] = node.tensor("value")
    name, factor, offset, last = network.input, 1.0, 0.0, ""
    for _ in range(_MOST_STEPS):
        if len(users.get(name, [])) != 1:
            break
        (proto,) = users[name]
        other = [given for given in proto.input if given != name]
        if proto.op_type in ("Add", "Sub", "Mul", "Div") and len(other) == 1 and other[0] in constants:
            number = constants[other[0]]
            if number.size > 16 or number.dtype.kind != "f" or not number.size or not np.isfinite(number).all():
                break
            second = list(proto.input).index(name) == 1
            factor, offset = _applied(proto.op_type, factor, offset, float(number.mean()), second)
            last = proto.name or proto.output[0]
        elif proto.op_type not in _PASSING:
            break
        name = proto.output[0]
    return (factor, offset, last) if last and np.isfinite([factor, offset]).all() else None


def _applied(kind: str, factor: float, offset: float, number: float, second: bool) -> tuple[float, float]:
    if kind == "Add":
        return factor, offset + number
    if kind == "Sub":
        return (-factor, number - offset) if second else (factor, offset - number)
    if kind == "Mul":
        return factor * number, offset * number
    return (float("nan"), float("nan")) if second or number == 0 else (factor / number, offset / number)
