"""A Keras network as a Trace: one traced copy in which every layer's output can be reached.

While TensorFlow traces the network, each layer's `call` is wrapped so that it records the tensor it returns; the wrappers
are gone again before anybody else can see them. That works for every way of writing a network (functional, Sequential,
subclassed, nested) because it looks at what runs and not at how it was put together.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ferviz.engines.backend import keras as get_keras
from ferviz.engines.backend import tensorflow
from ferviz.engines.base import Array
from ferviz.engines.graph.graph_trace import DEPTHWISE, KERNEL, POINTWISE, Call, Trace, trace_function
from ferviz.errors import ModelError

_LOCK = threading.RLock()  # wrapping is seen by every thread that uses the same layers, so one trace at a time

MOST_STEPS = 64
"""Steps of a recurrent layer that are written out one by one."""


def trace(
    network: Any,
    shape: tuple[int | None, int | None, int],
    channels_first: bool | None = None,
    guided: bool = False,
    separate: bool = False,
) -> Trace:
    """Trace a network for any number of pictures; the network is left exactly as it was.

    Args:
        network: a `keras.Model`.
        shape: (h, w, c) of its pictures, None = any.
        channels_first: whether the network takes (N, c, h, w); None finds out.
        guided: every ReLU's gradient also drops negative gradients (guided backpropagation).
        separate: every call returns a tensor of its own, also a layer that returns its own input (Dropout).

    Raises:
        ModelError: where the network does not return one vector of class scores a picture.
    """
    tf = tensorflow()
    first = wants_channels_first(network) if channels_first is None else channels_first

    def build(picture: Any) -> tuple[Any, list[Call]]:
        with _recording(network, first, separate) as records, _inlined(tf):
            x = tf.transpose(picture, [0, 3, 1, 2]) if first else picture
            return _single(network(_as_input(network, x), training=False)), records

    with _LOCK:
        return trace_function(build, shape, guided)


def wants_channels_first(network: Any) -> bool:
    """Return whether a network takes its pictures as (N, c, h, w): from the input's shape, else from its first layer.

    Args:
        network: a `keras.Model`.
    """
    shape = input_shape(network)
    if shape is not None and len(shape) == 4:
        front, back = shape[1] in (1, 3), shape[3] in (1, 3)
        if front != back:
            return front
    for layer, _ in _walk(network):
        if getattr(layer, "data_format", None):
            return bool(layer.data_format == "channels_first")
    return False


def input_shape(network: Any) -> tuple[int | None, ...] | None:
    """Return the shape of a network's picture with its batch axis, in the network's own order; None if it is not built.

    Args:
        network: a `keras.Model`.

    Raises:
        ModelError: for several inputs.
    """
    try:
        shape = network.input_shape
    except (AttributeError, ValueError, RuntimeError):
        shape = getattr(network, "_build_shapes_dict", None)  # {the argument's name: shape}
    while isinstance(shape, (list, dict)) and len(shape) == 1:
        shape = next(iter(shape.values())) if isinstance(shape, dict) else shape[0]
    if isinstance(shape, (list, dict)) and not (shape and not isinstance(next(iter(shape)), (list, tuple, dict, str))):
        raise ModelError(f"the network takes {len(shape)} inputs; ferviz explains networks that take one picture")
    return None if shape is None else tuple(shape)


def _as_input(network: Any, x: Any) -> Any:
    inputs = getattr(network, "_inputs_struct", None)
    if isinstance(inputs, dict):
        return dict.fromkeys(inputs, x)
    return x


def _single(output: Any) -> Any:
    while isinstance(output, (list, tuple, dict)) and len(output) == 1:
        output = next(iter(output.values())) if isinstance(output, dict) else output[0]
    if isinstance(output, (list, tuple, dict)):
        raise ModelError(f"the network has {len(output)} outputs; ferviz needs one, with a score a class")
    return output


@contextlib.contextmanager
def _inlined(tf: Any) -> Iterator[None]:
    """Let `tf.function`s inside the network run as plain Python, so that their tensors lie in the graph being traced."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _walk(network: Any, prefix: str = "") -> Iterator[tuple[Any, str]]:
    """Yield every layer inside `network` with its address, each layer once, outer before inner."""
    keras, seen, used = get_keras(), {id(network)}, set()

    def inside(parent: Any, path: str) -> Iterator[tuple[Any, str]]:
        for layer in parent.layers if isinstance(parent, keras.Model) else parent._layers:
            if id(layer) in seen or isinstance(layer, keras.layers.InputLayer):
                continue
            seen.add(id(layer))
            address, n = f"{path}{layer.name}", 2
            while address in used:
                address, n = f"{path}{layer.name}#{n}", n + 1
            used.add(address)
            yield layer, address
            yield from inside(layer, f"{address}/")

    yield from inside(network, prefix)


@contextlib.contextmanager
def _recording(network: Any, channels_first: bool, separate: bool = False) -> Iterator[list[Call]]:
    """Wrap the `call` of every layer for the time of the block; yield the list that fills with one Call a call."""
    keras = get_keras()
    calls: list[Call] = []
    orders: dict[int, bool] = {}  # id of a recorded tensor -> channels first; `calls` keeps the tensors alive
    layers = list(_walk(network))
    kept = ("call", "quantized_call", "_losses", "_loss_ids", "_called", "data_format", "unroll")
    before = [
        (layer, {k: layer.__dict__[k] for k in kept if k in layer.__dict__}) for layer, _ in [*layers, (network, "")]
    ]

    def wrapped(layer: Any, address: str, call: Callable[..., Any]) -> Callable[..., Any]:
        is_convolution = isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose))

        def recording(*args: Any, **kwargs: Any) -> Any:
            inputs = tuple(value for value in _flat((args, list(kwargs.values()))) if hasattr(value, "op"))
            first = args[0] if args else next(iter(kwargs.values()), None)
            while isinstance(first, (list, tuple)) and first:
                first = first[0]
            own = getattr(layer, "data_format", None)
            order = own == "channels_first" if own else orders.get(id(first), channels_first)
            if getattr(layer, "unroll", None) is False and _is_short(first):
                layer.__dict__["unroll"] = True  # a loop can neither be frozen nor compiled
            if is_convolution and own == "channels_first" and not kwargs and len(args) == 1:
                output = _as_channels_last(layer, call, args[0])
            else:
                output = call(*args, **kwargs)
            if hasattr(output, "op") and output.dtype.is_floating and output.shape.rank is not None:
                output = tensorflow().identity(output) if separate else output
                orders[id(output)] = order
                calls.append(_call(address, layer, output, order, inputs))
            return output

        return recording

    try:
        for layer, address in layers:
            name = "quantized_call" if getattr(layer, "quantization_mode", None) else "call"
            if "_losses" in layer.__dict__:  # a regulariser on activations would leave traced tensors there
                layer.__dict__["_losses"], layer.__dict__["_loss_ids"] = [], set()
            layer.__dict__[name] = wrapped(layer, address, getattr(layer, name))
        yield calls
    finally:
        for layer, attributes in before:
            for name in kept:
                if name in attributes:
                    layer.__dict__[name] = attributes[name]
                else:
                    layer.__dict__.pop(name, None)


def _call(address: str, layer: Any, output: Any, channels_first: bool, inputs: tuple[Any, ...]) -> Call:
    parameters = sum(int(np.prod(weight.shape)) for weight in layer.weights)
    is_network = isinstance(layer, get_keras().Model)
    kind = type(layer).__name__
    return Call(address, kind, output, channels_first, inputs, parameters, partial(_kernels, layer), is_network)


def _kernels(layer: Any) -> dict[str, Array]:
    layers = get_keras().layers
    if isinstance(layer, layers.SeparableConv2D):
        return {DEPTHWISE: _array(layer.depthwise_kernel), POINTWISE: _array(layer.pointwise_kernel)}
    if isinstance(layer, layers.DepthwiseConv2D):
        return {DEPTHWISE: _array(layer.kernel)}
    if isinstance(layer, layers.Conv2DTranspose):
        return {KERNEL: _array(layer.kernel).swapaxes(2, 3)}  # Keras keeps its outputs before its inputs
    return {KERNEL: _array(layer.kernel)} if isinstance(layer, layers.Conv2D) else {}


def _array(kernel: Any) -> Array:
    return np.asarray(kernel, np.float32)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [inner for item in value for inner in _flat(item)] if isinstance(value, (list, tuple)) else [value]


def _is_short(x: Any) -> bool:
    """Does a recurrent layer go through so few steps, and a fixed number of them, that each can have its own operations?"""
    shape: Any = getattr(x, "shape", ())
    return bool(len(shape) > 2 and shape[1] is not None and shape[1] <= MOST_STEPS)


def _as_channels_last(layer: Any, call: Callable[..., Any], x: Any) -> Any:
    """Run a channels-first convolution with the channels last: TensorFlow has no other kernels on many CPUs."""
    tf = tensorflow()
    layer.__dict__["data_format"] = "channels_last"
    try:
        y = call(tf.transpose(x, [0, 2, 3, 1]))
    finally:
        layer.__dict__["data_format"] = "channels_first"
    return tf.transpose(y, [0, 3, 1, 2])
