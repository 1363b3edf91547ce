"""A network's graph as the compiled ascent needs it: pictures in 0..1 to tensors, at any size that the network can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferviz.dreaming.ascent.engine_network import spread
from ferviz.engines.base import LOGITS
from ferviz.engines.compiler.freeze import freeze
from ferviz.engines.graph import GraphEngine
from ferviz.engines.graph.graph_trace import Trace
from ferviz.engines.protocols import GraphBacked, supports
from ferviz.errors import ModelError, UnknownNameError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model


def graph_engine_of(model: Model) -> GraphEngine | None:
    """Return the graph behind a model, if TensorFlow can differentiate its network.

    Args:
        model: a model on any engine.

    Returns:
        The engine of that graph; None where there is none.
    """
    return model.engine.graph_engine() if supports(model.engine, GraphBacked) else None


class DreamNetwork:
    """A model's network, traced at one picture size.

    Args:
        model: the model that dreams, with a graph behind it (Keras, ONNX).
        size: (h, w) of the pictures; None = the model's own.

    Raises:
        ModelError: for a model without a graph, or one that cannot take pictures of this size.
    """

    def __init__(self, model: Model, size: tuple[int, int] | None = None) -> None:
        engine = graph_engine_of(model)
        if engine is None:
            raise ModelError(
                f"{model.name} runs on the {model.engine.name} engine, which TensorFlow cannot compile; use EngineNetwork"
            )
        self.model, self.channels_first = model, engine.channels_first
        self.size = (*(size or model.input.size), model.input.channels)
        native = (model.input.height, model.input.width)
        fits = all(own in (None, side) for own, side in zip(native, self.size[:2], strict=True))
        traced = _try(engine, self.size) if fits else engine.trace_resized(self.size)
        if traced is None:
            raise ModelError(
                f"{model.name} only takes pictures of {native[0]} x {native[1]} pixels (its weights are tied to that size), "
                f"not {self.size[0]} x {self.size[1]}; dream at its own size"
            )
        self._aliases = traced.aliases
        # Constants instead of variables, normalisation folded into the convolutions: about a third of a step's time.
        self._frozen = freeze(traced)

    def forward(self, pictures: Any, layers: Sequence[str]) -> dict[str, Any]:
        """Put the network into the graph that is being built; call it while TensorFlow traces.

        Args:
            pictures: (N, h, w, c) tensor in 0..1.
            layers: addresses of layers; LOGITS is a name too.

        Returns:
            {name: (N, ...) float32 tensor, channels last}.

        Raises:
            UnknownNameError: for a layer that is not there.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        logits, outputs = self._frozen.place(scaled(self.model.input, pictures))
        tensors = {}
        for name in layers:
            if name == LOGITS:
                tensors[name] = tf.cast(logits, tf.float32)
                continue
            address = self._aliases.get(name, name)
            if address not in outputs:
                raise UnknownNameError("layer", name, outputs, "this model")
            tensor, tap = outputs[address], self._frozen.outputs[address]
            if tap.channels_first and len(tensor.shape) == 4:
                tensor = tf.transpose(tensor, (0, 2, 3, 1))
            tensor = tf.cast(tensor, tf.float32)
            tensors[name] = tensor if tap.factor is None else tensor / tap.factor.astype("float32")
        return tensors


def takes_any_size(model: Model) -> bool:
    """Find out whether a network takes pictures larger than its own (no Flatten and the like in its way).

    Args:
        model: a model on any engine.

    Returns:
        True where it does. A network that TensorFlow cannot rebuild takes any size only if its input says so.
    """
    if model.input.height is None or model.input.width is None:
        return True
    engine = graph_engine_of(model)
    if engine is None:
        return False
    larger = (model.input.height + 8, model.input.width + 8, model.input.channels)
    return engine.trace_resized(larger) is not None


def scaled(spec: InputSpec, pictures: Any) -> Any:
    """Scale pictures as `InputSpec.preprocess` does, as a differentiable graph.

    Args:
        spec: the network's input spec.
        pictures: (N, h, w, c) tensor in 0..1.

    Returns:
        (N, h, w, c) tensor as the network takes it.
    """
    from ferviz.engines.backend import tensorflow

    tf = tensorflow()
    if spec.channels == 3 and spec.order == "bgr":
        pictures = pictures[..., ::-1]
    if spec.scaling == "0..1":
        return pictures
    if spec.scaling == "-1..1":
        return 2.0 * pictures - 1.0
    if spec.scaling == "0..255":
        return 255.0 * pictures
    values = pictures * (255.0 / spec.unit)
    if spec.mean is None:
        mean = tf.reduce_mean(values, [1, 2, 3], keepdims=True)
        deviation = tf.math.reduce_std(values, [1, 2, 3], keepdims=True)
        return (values - mean) / tf.maximum(deviation, 1e-6)
    return (values - spread(spec.mean, pictures.shape[1:3])) / spread(spec.std, pictures.shape[1:3])


def _try(engine: GraphEngine, size: tuple[int, int, int]) -> Trace | None:
    try:
        return engine.trace_at(size)
    except ModelError:
        raise
    except Exception:  # TensorFlow and code of the network's own raise what they like for a shape that does not fit
        return None
