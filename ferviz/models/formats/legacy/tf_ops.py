"""Replace TensorFlow functions that Keras 2 wrote into graphs (TFOpLambda and the like) by layers and operations of Keras 3.

`x / 255.` became a TFOpLambda "math.truediv", `x[..., ::-1]` a SlicingOpLambda; keras.applications' own networks have them.
What has no counterpart stays as it is, and the allow-list refuses it by its name.
"""

from __future__ import annotations

import json
from typing import Any

from ferviz.models.formats.legacy.inbound_nodes import TF_OP_LAYERS, Config, keras_tensor

_ARITHMETIC = {
    "add": "add", "addv2": "add", "subtract": "subtract", "sub": "subtract", "multiply": "multiply", "mul": "multiply",
    "truediv": "divide", "divide": "divide", "realdiv": "divide", "div": "divide", "biasadd": "add", "bias_add": "add",
}  # fmt: skip
_MERGE_LAYERS = {"add": "Add", "subtract": "Subtract", "multiply": "Multiply"}
_ACTIVATIONS = {"sigmoid": "sigmoid", "tanh": "tanh", "swish": "silu", "silu": "silu", "elu": "elu", "selu": "selu",
                "softplus": "softplus", "gelu": "gelu", "relu": "relu", "relu6": "relu6", "softsign": "softsign",
                "log_softmax": "log_softmax"}  # fmt: skip
_POOLS = {"reduce_mean": ("GlobalAveragePooling2D", "Mean"), "mean": ("GlobalAveragePooling2D", "Mean"),
          "reduce_max": ("GlobalMaxPooling2D", "Max"), "max": ("GlobalMaxPooling2D", "Max")}  # fmt: skip
_WINDOWS = {"max_pool2d": "MaxPooling2D", "max_pool": "MaxPooling2D",
            "avg_pool2d": "AveragePooling2D", "avg_pool": "AveragePooling2D"}  # fmt: skip
_PASSING = ("identity", "cast", "stop_gradient", "stopgradient", "convert_to_tensor")
_UNARY = {
    "abs": "Absolute",
    "square": "Square",
    "sqrt": "Sqrt",
    "exp": "Exp",
    "negative": "Negative",
    "neg": "Negative",
    "rsqrt": "Rsqrt",
    "log": "Log",
}


def replace_tf_op(layer: Config) -> Config:
    """Return the layer or operation of Keras 3 that computes the same as a TensorFlow function.

    Args:
        layer: one layer of a graph, with `name` and `inbound_nodes`.

    Returns:
        The replacement; the layer itself if it is no TensorFlow function or has no counterpart.
    """
    nodes, config = layer.get("inbound_nodes"), layer.get("config")
    kind = str(layer.get("class_name")).rpartition(">")[2]
    if kind not in TF_OP_LAYERS or not isinstance(config, dict) or not isinstance(nodes, list) or len(nodes) != 1:
        return layer
    try:
        operands, options = _parse_call(nodes[0])
        if kind == "TensorFlowOpLayer":
            function, operands, options = _from_node(config, operands)
        else:
            function = str(config["function"])
        replacement = _counterpart(function, operands, options)
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        return layer  # in a form that is not known here
    if replacement is None:
        return layer
    name, settings, node = replacement
    module = {"module": f"keras.src.ops.{settings.pop('ops')}"} if "ops" in settings else {}
    return {
        "class_name": name,
        **module,
        "config": {"name": layer.get("name", config.get("name")), **settings},
        "name": layer.get("name", config.get("name")),
        "inbound_nodes": [node],
    }


class Tensor(list[Any]):
    """The output of another layer: [name, call, output]; everything else among the operands is a constant."""


def _parse_call(node: Any) -> tuple[list[Any], Config]:
    """-> (operands: Tensor or constant, other keyword arguments) of one call as Keras 2 wrote it."""
    references = [node] if node and isinstance(node[0], str) else node
    operands: list[Any] = []
    options: Config = {}
    for reference in references:
        operands.append(reference[2] if reference[0] == "_CONSTANT_VALUE" else Tensor(reference[:3]))
        if len(reference) > 3 and isinstance(reference[3], dict):
            options |= reference[3]
    for key in ("y", "b", "bias"):
        if key in options:
            operands.append(_operand(options.pop(key)))
    if "x" in options:
        operands.insert(0, _operand(options.pop("x")))
    return operands, {k: _plain(v) for k, v in options.items() if k != "name"}


def _operand(value: Any) -> Any:
    is_reference = isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str)
    return Tensor(value[:3]) if is_reference else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return [_plain(v) for v in value["items"]]
    if isinstance(value, dict) and value.get("class_name") == "TensorShape":
        return list(value["items"])
    return value


def _from_node(config: Config, operands: list[Any]) -> tuple[str, list[Any], Config]:
    """-> (function, operands, options) of TensorFlow 2.0 to 2.3, which wrote the operation's NodeDef and its constants by position."""
    definition = config["node_def"]
    definition = json.loads(definition) if isinstance(definition, str) else definition
    constants = {int(k): v for k, v in (config.get("constants") or {}).items()}
    rest = iter(operands)
    arguments = [constants[i] if i in constants else next(rest) for i in range(len(constants) + len(operands))]
    function = str(definition["op"]).lower()
    options: Config = {}
    if function in ("mean", "max"):
        options = {"axis": arguments.pop(), "keepdims": bool(definition.get("attr", {}).get("keep_dims", {}).get("b"))}
    elif function == "reshape":
        options = {"shape": arguments.pop()}
    elif function == "concatv2":
        function, options = "concat", {"axis": arguments.pop()}
    return function, arguments, options


def _counterpart(function: str, operands: list[Any], options: Config) -> tuple[str, Config, Any] | None:
    """-> (class, settings, the call in Keras' JSON) for a TensorFlow function, None where there is none."""
    short = function.rpartition(".")[2].lower().removesuffix("_v2")
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    first = tensors[0]
    if short in _ARITHMETIC:
        return _arithmetic(_ARITHMETIC[short], operands, tensors)
    if short in ("maximum", "minimum") and len(tensors) == 2:
        return short.capitalize(), {}, _calls(tensors)
    if short == "maximum" and operands[-1] == 0:
        return "ReLU", {}, _calls(tensors)
    if short in _ACTIVATIONS:
        return "Activation", {"activation": _ACTIVATIONS[short]}, _calls([first])
    if short == "leaky_relu":
        return "LeakyReLU", {"negative_slope": float(options.get("alpha", 0.2))}, _calls([first])
    if short == "softmax":
        return "Softmax", {"axis": options.get("axis") if options.get("axis") is not None else -1}, _calls([first])
    if short in _PASSING:
        return "Identity", {}, _calls([first])
    if short in _POOLS:
        return _pool(_POOLS[short], first, options)
    if short == "reduce_sum":
        return (
            "Sum",
            {"ops": "numpy", "axis": options.get("axis"), "keepdims": bool(options.get("keepdims"))},
            _calls([first]),
        )
    if short in _WINDOWS and str(options.get("data_format") or "NHWC") == "NHWC":
        window = {"pool_size": _window(options["ksize"]), "strides": _window(options["strides"])}
        return _WINDOWS[short], {**window, "padding": str(options["padding"]).lower()}, _calls([first])
    if (
        short == "pad"
        and str(options.get("mode", "CONSTANT")).upper() == "CONSTANT"
        and not options.get("constant_values")
    ):
        pads = options["paddings"]
        if len(pads) == 4 and pads[0] == pads[3] == [0, 0]:
            return "ZeroPadding2D", {"padding": pads[1:3]}, _calls([first])
    if short == "reshape":
        return "Reshape", {"target_shape": list(options["shape"])[1:]}, _calls([first])
    if short in ("concat", "concatenate"):
        return "Concatenate", {"axis": options.get("axis", -1)}, _calls(tensors)
    if short == "grayscale_to_rgb":
        return "Concatenate", {"axis": -1}, _calls([first] * 3)
    if short == "rgb_to_grayscale":
        return "RGBToGrayscale", {"ops": "image"}, _calls([first])
    if short in ("resize", "resize_images") and isinstance(options.get("size"), list):
        height, width = options["size"]
        method = options.get("method") or "bilinear"
        return "Resizing", {"height": height, "width": width, "interpolation": method}, _calls([first])
    if short == "transpose":
        return "Permute", {"dims": list(options["perm"])[1:]}, _calls([first])
    if short == "expand_dims":
        return "ExpandDims", {"ops": "numpy", "axis": options["axis"]}, _calls([first])
    if short == "squeeze":
        return "Squeeze", {"ops": "numpy", "axis": options.get("axis")}, _calls([first])
    if short == "l2_normalize":
        return "UnitNormalization", {"axis": options["axis"]}, _calls([first])
    if short == "clip_by_value":
        low, high = options["clip_value_min"], options["clip_value_max"]
        return "Clip", {"ops": "numpy", "x_min": low, "x_max": high}, _calls([first])
    if short in _UNARY:
        return _UNARY[short], {"ops": "math" if short == "rsqrt" else "numpy"}, _calls([first])
    if short in ("getitem", "strided_slice") and "slice_spec" in options:
        return (
            "GetItem",
            {"ops": "numpy"},
            {"args": [keras_tensor(first), _slices(options["slice_spec"])], "kwargs": {}},
        )
    return None


def _arithmetic(operation: str, operands: list[Any], tensors: list[Tensor]) -> tuple[str, Config, Any] | None:
    left, right = operands
    if len(tensors) == 2:
        if operation == "divide":
            return "TrueDivide", {"ops": "numpy"}, {"args": [keras_tensor(t) for t in tensors], "kwargs": {}}
        return _MERGE_LAYERS[operation], {}, _calls(tensors)
    constant, tensor_first = (right, True) if isinstance(left, Tensor) else (left, False)
    if operation == "add":
        scale, offset = 1.0, constant
    elif operation == "multiply":
        scale, offset = constant, 0.0
    elif operation == "subtract":
        scale, offset = (1.0, _map(constant, lambda v: -v)) if tensor_first else (-1.0, constant)
    elif tensor_first:
        scale, offset = _map(constant, lambda v: 1.0 / v), 0.0
    elif isinstance(constant, list):
        return None
    else:
        return "TrueDivide", {"ops": "numpy"}, {"args": [constant, keras_tensor(tensors[0])], "kwargs": {}}
    return "Rescaling", {"scale": scale, "offset": offset}, _calls(tensors)


def _map(value: Any, change: Any) -> Any:
    """Apply `change` to a number or to the numbers of a list of one axis (channels)."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    return [change(float(v)) for v in value] if isinstance(value, list) else change(float(value))


def _window(value: Any) -> Any:
    """-> Keras' 2 or [2, 2] for TensorFlow's 2, [2, 2] or [1, 2, 2, 1]."""
    return value[1:3] if isinstance(value, list) and len(value) == 4 else value


def _pool(names: tuple[str, str], first: Tensor, options: Config) -> tuple[str, Config, Any]:
    axis, keep = options.get("axis"), bool(options.get("keepdims"))
    for axes, order in (([1, 2], "channels_last"), ([2, 3], "channels_first"), ([-3, -2], "channels_last")):
        if axis == axes:
            return names[0], {"keepdims": keep, "data_format": order}, _calls([first])
    return names[1], {"ops": "numpy", "axis": axis, "keepdims": keep}, _calls([first])


def _slices(spec: Any) -> Any:
    spec = _plain(spec)
    if isinstance(spec, list):
        return [_slices(part) for part in spec]
    if isinstance(spec, dict) and "step" in spec:
        return {"class_name": "__slice__", "config": {key: spec.get(key) for key in ("start", "stop", "step")}}
    if spec == "..." or (isinstance(spec, dict) and spec.get("class_name") == "__ellipsis__"):
        return {"class_name": "__ellipsis__", "config": {}}
    return spec


def _calls(tensors: list[Tensor]) -> list[Any]:
    return [[*tensor, {}] for tensor in tensors]
