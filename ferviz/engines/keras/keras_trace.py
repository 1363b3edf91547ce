"""One traced copy of a Keras network in which every layer's output can be reached.

While TensorFlow traces the network, each layer's `call` is wrapped so that it records the tensor it returns; the wrappers
are gone again before anybody else can see them. That works for every way of writing a network (functional, Sequential,
subclassed, nested) because it looks at what runs and not at how it was put together. Everything else is cut out of the
traced graph: its output's last operation says whether the logits end in a softmax, gradients are added between recorded
tensors, and what a question does not need is pruned, filter gradients included.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ferviz.engines.backend import keras as get_keras
from ferviz.engines.backend import tensorflow
from ferviz.errors import ModelError, UnknownNameError

_LOCK = threading.RLock()  # wrapping is seen by every thread that uses the same layers, so one trace at a time

_VALUE_PRESERVING = {"Identity", "Cast", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient"}
_HEADS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_GUIDED = "FervizGuidedRelu"
MOST_STEPS = 64
"""Steps of a recurrent layer that are written out one by one."""


@dataclass(frozen=True)
class Call:
    """One call of one layer while the network was traced.

    Attributes:
        address: "conv3", "backbone/conv3", or "shared:1" for the second call of a layer that is used more than once.
        layer: the Keras layer.
        tensor: what it returned.
        channels_first: the order of the tensor's axes.
        inputs: the tensors that it was given.
    """

    address: str
    layer: Any
    tensor: Any
    channels_first: bool
    inputs: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Trace:
    """A traced network.

    Attributes:
        function: the graph as one wrapped function, to be pruned.
        picture: the tensor (N, h, w, c) float32.
        logits: the tensor (N, K) float32.
        head: "softmax", "sigmoid" or "linear".
        calls: address -> Call, in order of execution.
        aliases: the plain name of a layer that is called more than once -> the address of its last call.
    """

    function: Any
    picture: Any
    logits: Any
    head: str
    calls: dict[str, Call]
    aliases: dict[str, str] = field(default_factory=dict)

    def call(self, address: str) -> Call:
        """Return the call of a layer.

        Args:
            address: of the call, or a layer's plain name.

        Raises:
            UnknownNameError: for a layer that is not there.
        """
        address = self.aliases.get(address, address)
        if address not in self.calls:
            raise UnknownNameError("layer", address, self.calls, "this model")
        return self.calls[address]

    def part(self, feeds: list[Any], fetches: list[Any]) -> Callable[..., Any]:
        """Return the function from `feeds` to `fetches`, with all that it does not need left out.

        Args:
            feeds: tensors whose values are given.
            fetches: tensors that are computed.
        """
        part: Callable[..., Any] = self.function.prune(feeds, fetches)
        return part


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
    traced: dict[str, Any] = {}
    first = wants_channels_first(network) if channels_first is None else channels_first

    def run(picture: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        override = graph.gradient_override_map({"Relu": _guided_relu(tf)} if guided else {})
        with override, _recording(network, first, separate) as records, _inlined(tf):
            x = tf.transpose(picture, [0, 3, 1, 2]) if first else picture
            output = _single(network(_as_input(network, x), training=False))
            traced["logits"], traced["head"] = _logits(tf, output)
            traced["calls"] = [n for n in records if getattr(n.tensor, "graph", None) is graph]
        traced["picture"] = picture
        return traced["logits"]

    with _LOCK:
        function = tf.compat.v1.wrap_function(run, [tf.TensorSpec([None, *shape], tf.float32)])
    calls, aliases = _named(traced["calls"])
    return Trace(function, traced["picture"], traced["logits"], traced["head"], calls, aliases)


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


def _logits(tf: Any, output: Any) -> tuple[Any, str]:
    """Walk back from the network's output over operations that change no value to a softmax or sigmoid, and undo it."""
    shape = output.shape
    wide = [d for d in shape[1:] if d != 1] if shape.rank else None
    if wide is None or any(d is None for d in wide) or len(wide) > 1 or shape.rank < 2:
        raise ModelError(f"the network returns {tuple(shape)}; ferviz needs one score a class, (N, classes)")
    classes, tensor = (wide[0] if wide else 1), output
    while True:
        kind = tensor.op.type
        if kind in _HEADS:
            tensor = tensor.op.inputs[0]
            break
        # In a vector with ones around it a transposition moves nothing either.
        if kind not in _VALUE_PRESERVING and not (kind == "Transpose" and len(shape) > 2):
            tensor, kind = output, ""
            break
        tensor = tensor.op.inputs[0]
    logits = tf.cast(tf.reshape(tensor, [-1, classes]), tf.float32)
    return logits, _HEADS.get(kind, "linear")


def _guided_relu(tf: Any) -> str:
    with contextlib.suppress(KeyError):  # registered by an earlier trace

        @tf.RegisterGradient(_GUIDED)
        def gradient(op: Any, upstream: Any) -> Any:
            passes = tf.logical_and(op.outputs[0] > 0, upstream > 0)
            return tf.where(passes, upstream, tf.zeros_like(upstream))

    return _GUIDED


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
                calls.append(Call(address, layer, output, order, inputs))
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


def _named(records: list[Call]) -> tuple[dict[str, Call], dict[str, str]]:
    """Give repeated calls of a layer the addresses name:0, name:1, ..."""
    times: dict[str, int] = {}
    for record in records:
        times[record.address] = times.get(record.address, 0) + 1
    calls: dict[str, Call] = {}
    count: dict[str, int] = {}
    aliases: dict[str, str] = {}
    for record in records:
        address = record.address
        if times[address] > 1:
            address = f"{record.address}:{count.get(record.address, 0)}"
            count[record.address] = count.get(record.address, 0) + 1
            aliases[record.address] = address
        calls[address] = replace(record, address=address)
    return calls, aliases
