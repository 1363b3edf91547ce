"""A traced network -> one LiteRT file that computes everything that engines do, gradients included.

The file holds several graphs over the same weights, each under a name (LiteRT calls it a signature):

    predict    picture -> logits, activation (of the default layer)
    head       activation (of the default layer), weights -> logits, gradient
    layers     picture -> activation/<layer> of every layer that was asked for
    gradients  picture, weights -> logits, activation/<layer> and gradient/<layer> of each of them that has a gradient
    picture    picture, weights -> logits, gradient (at the picture)
    guided     as picture, by guided backpropagation
    explain       picture -> logits, values and error of a taught explainer (see `explainer_graph`)
    explain_head  activation/<layer> of the layers that it looks at -> values, error

`picture` is (N, h, w, c), `weights` (N, K), activations have the channels last. N is free. A graph that cannot be had (no gradient
up to the picture), or that would say nothing new, is left out.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import INPUT, LayerInfo
from ferviz.engines.compiled_network import CompiledNetwork
from ferviz.engines.compiler.erf import without_erf
from ferviz.engines.compiler.explainer_graph import ExplainerWeights, explain_graph, head_graph
from ferviz.engines.compiler.flatbuffer import merge
from ferviz.engines.compiler.freeze import Frozen, LayerOutput, freeze
from ferviz.engines.compiler.gradient_rules import RULES
from ferviz.engines.compiler.gradient_rules.elementwise_gradients import guided_relu
from ferviz.engines.compiler.gradient_rules.rule import Rule, UnsupportedOpError
from ferviz.errors import ModelError, UnknownNameError
from ferviz.native_logs import silenced, without_warnings

if TYPE_CHECKING:
    from ferviz.engines.graph import GraphEngine


@dataclass(frozen=True)
class Unsupported:
    """Stands where a gradient would be.

    Attributes:
        reason: why there is none.
    """

    reason: str


def compile_network(
    engine: GraphEngine,
    size: tuple[int, int],
    default: str,
    layers: Sequence[str] | None = None,
    explainer: ExplainerWeights | None = None,
) -> CompiledNetwork:
    """Compile a network together with its gradients.

    Args:
        engine: executes the network.
        size: (h, w) of its pictures, fixed in the file.
        default: the layer that is explained unless another is asked for.
        layers: names of the layers that can be explained, None = every map.
        explainer: what the network was taught about itself, None = nothing.

    Raises:
        UnknownNameError: for a layer that is not there.
        ModelError: for a network that uses operations which LiteRT does not have, or computes in half precision.
    """
    shape = (*size, engine.input_shape[2])
    traced = engine.traced if tuple(engine.input_shape) == shape else engine.trace_at(shape)
    frozen = freeze(traced)
    wanted = _select_layers(engine, frozen, default, layers)
    for name in wanted:
        kind = traced.calls[name].tensor.dtype.name
        if kind in ("float16", "bfloat16"):
            raise ModelError(
                f"the layer {name} computes in {kind}, and compiled networks compute in float32; save the network and load its file, "
                "which ferviz runs in float32, or explain it without compiling it"
            )
    classes = int(traced.logits.shape[-1])
    tf = tensorflow()
    picture = tf.TensorSpec([None, *shape], tf.float32, name="picture")
    weights = tf.TensorSpec([None, classes], tf.float32, name="weights")

    maps = [name for name in wanted if len(_sizes(traced, name)) == 3]
    refused, gradients, bypassed = _survey(frozen, picture, classes, maps, default)
    graphs: dict[str, tuple[Callable[..., dict[str, Any]], list[Any]]] = {
        "predict": (_predict(frozen, default), [picture]),
    }
    if wanted != [default]:
        graphs["layers"] = (_layers(frozen, wanted), [picture])
    if default in gradients and not bypassed:
        activation = tf.TensorSpec([None, *_sizes(traced, default)], tf.float32, name="activation")
        graphs["head"] = (_head(frozen, default, picture), [activation, weights])
    if gradients and (gradients != [default] or "head" not in graphs):
        graphs["gradients"] = (_gradients(frozen, gradients), [picture, weights])
    if INPUT not in refused:
        graphs["picture"] = (_at_picture(frozen, RULES), [picture, weights])
        graphs["guided"] = (_at_picture(frozen, {**RULES, "Relu": guided_relu}), [picture, weights])
    if explainer is not None:
        graphs["explain"] = (explain_graph(explainer, _outputs_of(frozen, explainer.layers)), [picture])
        taps = [(name, [None, *_sizes(traced, name)]) for name in explainer.layers]
        graphs["explain_head"] = (
            head_graph(explainer),
            [tf.TensorSpec(sizes, tf.float32, name=f"activation/{name}") for name, sizes in taps],
        )
    parts = {name: _convert(function, specs) for name, (function, specs) in graphs.items()}
    return CompiledNetwork(
        merge(parts),
        shape,
        classes,
        traced.head,
        default,
        tuple(_at_size(info, traced) for info in engine.layers),
        frozenset(wanted),
        frozenset(gradients),
        refused,
        () if explainer is None else explainer.layers,
        0 if explainer is None else explainer.cells,
        trusted=True,
    )


def _select_layers(engine: Any, frozen: Frozen, default: str, layers: Sequence[str] | None) -> list[str]:
    known = list(frozen.outputs)
    names = {layer.name for layer in engine.layers if layer.spatial}
    if layers is None:
        return [name for name in known if name in names or name == default]
    for name in layers:
        if name not in known:
            raise UnknownNameError("layer", name, known, "this model")
    return [name for name in known if name in {*layers, default}]


def _at_size(layer: LayerInfo, traced: Any) -> LayerInfo:
    """-> a layer with the sizes that it has for pictures of the size that is compiled for, where it takes any."""
    known = None in layer.shape and layer.name in traced.calls
    return replace(layer, shape=_sizes(traced, layer.name)) if known else layer


def _sizes(traced: Any, name: str) -> tuple[int, ...]:
    call = traced.calls[name]
    sizes = tuple(call.tensor.shape[1:])
    return (*sizes[1:], sizes[0]) if call.channels_first and len(sizes) == 3 else sizes


# -- gradients -----------------------------------------------------------------------------------------------------------


def vjp(output: Any, seed: Any, sources: Iterable[Any], rules: dict[str, Rule] = RULES) -> list[Any]:
    """Return the vector-Jacobian products of a tensor: the gradient of sum(output * seed) at each source.

    Args:
        output, seed: tensors of one shape in the graph that is being built.
        sources: tensors of the same graph.
        rules: {operation: gradient rule}.

    Returns:
        For each source its gradient, an Unsupported that says which operation has no rule, or None where nothing depends on it.
    """
    order = _operations(output)
    gradients: dict[str, Any] = {output.name: seed}
    wanted = list(sources)
    for op in reversed(order):
        upstream = gradients.get(op.outputs[0].name) if op.outputs else None
        if upstream is None or op.type == "Placeholder":
            continue
        if isinstance(upstream, Unsupported):
            parts: list[Any] = [upstream] * len(op.inputs)
        elif op.type not in rules or len(op.outputs) > 1:
            parts = [Unsupported(f"the gradient of the operation {op.type} is not available")] * len(op.inputs)
        else:
            try:
                parts = rules[op.type](op, upstream)
            except UnsupportedOpError as error:
                parts = [Unsupported(f"{error} ({op.type}) has no gradient in LiteRT's operations")] * len(op.inputs)
        for tensor, part in zip(op.inputs, parts, strict=True):
            if part is not None and tensor.op.type != "Const":
                gradients[tensor.name] = _sum(gradients.get(tensor.name), part)
    return [gradients.get(tensor.name) for tensor in wanted]


def _sum(a: Any, b: Any) -> Any:
    if a is None or isinstance(b, Unsupported):
        return b
    return a if isinstance(a, Unsupported) else a + b


def _operations(output: Any) -> list[Any]:
    """Return the operations that `output` depends on, each after its inputs."""
    order: list[Any] = []
    done: set[str] = set()
    stack = [(output.op, False)]
    while stack:
        op, ready = stack.pop()
        if op.name in done:
            continue
        if ready:
            done.add(op.name)
            order.append(op)
        else:
            stack.append((op, True))
            stack.extend((tensor.op, False) for tensor in op.inputs if tensor.op.name not in done)
    return order


def _survey(
    frozen: Frozen, picture: Any, classes: int, maps: list[str], default: str
) -> tuple[dict[str, str], list[str], bool]:
    """Find out which gradients there are -> ({layer: why not}, [layers that can], whether anything bypasses `default`)."""
    tf = tensorflow()
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, picture.shape)
        logits, tensors = frozen.place(x)
        seed = tf.compat.v1.placeholder(tf.float32, [None, classes])
        results = vjp(logits, seed, [x, *(tensors[name] for name in maps)])
        cut = tf.compat.v1.placeholder(tf.float32, tensors[default].shape)
        again, _ = frozen.place(x, {frozen.outputs[default].tensor: cut})
        bypassed = any(op is x.op for op in _operations(again))
    refused = {
        name: result.reason if isinstance(result, Unsupported) else "the class scores do not depend on it"
        for name, result in zip([INPUT, *maps], results, strict=True)
        if result is None or isinstance(result, Unsupported)
    }
    return refused, [name for name in maps if name not in refused], bypassed


# -- graphs --------------------------------------------------------------------------------------------------------------


def _out(tensor: Any, output: LayerOutput) -> Any:
    """A layer's activation as the network has it, from what the frozen graph has."""
    tf = tensorflow()
    if output.factor is not None:
        tensor = tensor * (1.0 / output.factor).astype(np.float32)
    return tf.transpose(tensor, [0, 2, 3, 1]) if output.channels_first and tensor.shape.rank == 4 else tensor


def _gradient_out(tensor: Any, output: LayerOutput) -> Any:
    tf = tensorflow()
    if output.factor is not None:
        tensor = tensor * output.factor
    return tf.transpose(tensor, [0, 2, 3, 1]) if output.channels_first and tensor.shape.rank == 4 else tensor


def _predict(frozen: Frozen, default: str) -> Callable[..., dict[str, Any]]:
    def predict(picture: Any) -> dict[str, Any]:
        logits, tensors = frozen.place(picture)
        return {"logits": logits, "activation": _out(tensors[default], frozen.outputs[default])}

    return predict


def _layers(frozen: Frozen, names: list[str]) -> Callable[..., dict[str, Any]]:
    def layers(picture: Any) -> dict[str, Any]:
        _, tensors = frozen.place(picture)
        return {f"activation/{name}": _out(tensors[name], frozen.outputs[name]) for name in names}

    return layers


def _outputs_of(frozen: Frozen, names: Sequence[str]) -> Callable[[Any], tuple[Any, dict[str, Any]]]:
    def outputs_of(picture: Any) -> tuple[Any, dict[str, Any]]:
        logits, tensors = frozen.place(picture)
        return logits, {name: _out(tensors[name], frozen.outputs[name]) for name in names}

    return outputs_of


def _head(frozen: Frozen, default: str, picture: Any) -> Callable[..., dict[str, Any]]:
    output = frozen.outputs[default]

    def head(activation: Any, weights: Any) -> dict[str, Any]:
        tf = tensorflow()
        inside = tf.transpose(activation, [0, 3, 1, 2]) if output.channels_first else activation
        if output.factor is not None:
            inside = inside * output.factor
        unused = tf.zeros([1, *picture.shape[1:]])  # nothing bypasses the layer, so nothing of it is left in the file
        logits, _ = frozen.place(unused, {output.tensor: inside})
        gradient = vjp(logits, weights, [inside])[0]
        return {"logits": logits, "gradient": _gradient_out(gradient, output)}

    return head


def _gradients(frozen: Frozen, names: list[str]) -> Callable[..., dict[str, Any]]:
    def gradients(picture: Any, weights: Any) -> dict[str, Any]:
        logits, tensors = frozen.place(picture)
        results = vjp(logits, weights, [tensors[name] for name in names])
        answer = {"logits": logits}
        for name, gradient in zip(names, results, strict=True):
            answer[f"activation/{name}"] = _out(tensors[name], frozen.outputs[name])
            answer[f"gradient/{name}"] = _gradient_out(gradient, frozen.outputs[name])
        return answer

    return gradients


def _at_picture(frozen: Frozen, rules: dict[str, Rule]) -> Callable[..., dict[str, Any]]:
    def at_picture(picture: Any, weights: Any) -> dict[str, Any]:
        logits, _ = frozen.place(picture)
        return {"logits": logits, "gradient": vjp(logits, weights, [picture], rules)[0]}

    return at_picture


def _convert(function: Callable[..., dict[str, Any]], specs: list[Any]) -> tuple[bytes, list[str], list[str]]:
    """Convert one graph -> (LiteRT file, names of its inputs, names of its outputs)."""
    tf = tensorflow()
    names: list[str] = []

    def ordered(*tensors: Any) -> list[Any]:
        answer = function(*tensors)
        names[:] = list(answer)
        # An output that is an input or another output would lose its own place in the file.
        return [tf.identity(tensor) for tensor in answer.values()]

    concrete = without_erf(tf.function(ordered, input_signature=specs, autograph=False).get_concrete_function(), specs)
    # The constructor for graphs without variables: `from_concrete_functions` freezes once more, and looks up where each operation was
    # written, which takes longer than converting.
    converter = tf.compat.v1.lite.TFLiteConverter(concrete.graph.as_graph_def(), concrete.inputs, concrete.outputs)
    converter.exclude_conversion_metadata = True
    try:
        with _quiet_converter():
            content: bytes = converter.convert()
    except Exception as error:  # the converter raises whatever its C++ side says
        missing = sorted(set(re.findall(r"tf\.([A-Z]\w+)", str(error))))
        what = f"the operation{'s' if len(missing) > 1 else ''} {', '.join(missing)}" if missing else "something"
        raise ModelError(
            f"the network cannot be compiled because it uses {what} that LiteRT does not have; explain it without compiling it"
        ) from error
    return content, [spec.name for spec in specs], names


@contextlib.contextmanager
def _quiet_converter() -> Iterator[None]:
    """Keep the converter's Python warnings, standard output and log lines from the terminal."""
    with without_warnings(output=True), silenced(everything=True):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        yield
