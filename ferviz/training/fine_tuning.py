"""Fine-tuning: a network file as the initial weights of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.engines.protocols import KerasBacked, supports
from ferviz.errors import ModelError
from ferviz.models.architectures.layers import load_keras
from ferviz.training.network import POLICIES

if TYPE_CHECKING:
    from ferviz.models.model import Model
from ferviz.models.network_address import parse_network


def load_trained(path: str) -> Model:
    """Return a network that a run builds on: on Keras, with the backend that trains; a compiled model as it is.

    Args:
        path: the network's file, with its conventions behind a question mark if it does not tell them: FILE?scaling=-1..1&labels=7.

    Raises:
        ModelError: the file cannot be read.
        UsageError: something else stands behind the question mark.
    """
    from ferviz.models.load import load_model

    file, conventions = parse_network(path)
    given: dict[str, Any] = {**conventions}
    return load_model(file, engine="auto" if file.endswith(".ferviz") else "keras", **given)


def pair_from_file(path: str, labels: tuple[str, ...], precision: str = "float32") -> tuple[Any, Any]:
    """Return two networks that take raw pixels and hold a file's weights: one with logits, one with softmax.

    The scaling of the file's input spec becomes a Rescaling layer inside.

    Args:
        path: anything that load_model reads.
        labels: the labels of the new networks. Where the file has the same ones in the same order its last layer is kept, otherwise
            a new one takes its place.
        precision: number format of the first one's arithmetic, where the file's network can be computed in it.

    Raises:
        ModelError: the file cannot be read, is not built of layers, does not end in a dense layer, or its pixels were standardised one
            by one.
    """
    keras = load_keras()
    model = load_trained(path)
    network: Any = model.engine.keras_engine().network if supports(model.engine, KerasBacked) else None
    if not isinstance(network, keras.Model) or not getattr(network, "layers", None) or not hasattr(network, "inputs"):
        raise ModelError(f"{path} is not built of Keras layers, so it cannot be trained further")
    scale, offset = _rescaling(path, model.input)
    body, dense = _body(path, network)
    pair = []
    for end in (None, "softmax"):
        last = keras.layers.Dense(
            len(labels), activation=end, kernel_initializer=keras.initializers.GlorotUniform(seed=0), dtype="float32", name=dense.name
        )  # fmt: skip
        copy = copy_in_precision(body, precision if end is None else "float32")
        if copy is None:
            copy = keras.models.clone_model(body)
            copy.set_weights(body.get_weights())
        if (scale, offset) == (1.0, 0.0):
            pair.append(keras.Model(copy.inputs[0], last(copy.outputs[0]), name=network.name))
        else:
            start = keras.Input(network.inputs[0].shape[1:], name="pixels", dtype="float32")
            x = keras.layers.Rescaling(scale, offset, name="normalise")(start)
            pair.append(keras.Model(start, last(copy(x)), name=network.name))
        if model.labels == tuple(labels):
            kernel, *bias = dense.get_weights()
            last.set_weights([kernel, *(bias or [np.zeros(len(labels))])])
    return pair[0], pair[1]


def _body(path: str, network: Any) -> tuple[Any, Any]:
    """Return (the network up to its last dense layer's input, that layer)."""
    keras = load_keras()
    for layer in reversed(network.layers):
        if isinstance(layer, keras.layers.Dense):
            return keras.Model(network.inputs, layer.input, name="body"), layer
        if layer.weights:
            break
    raise ModelError(
        f"{path} does not end in a dense layer, so it cannot be trained further; train its architecture from the start"
    )


def copy_in_precision(network: Any, precision: str, last: str | None = None) -> Any | None:
    """Return a copy of a network that computes in a precision; None for a network that is not a graph of Keras' own layers.

    Args:
        network: a keras.Model, with the same weights as its copy.
        precision: "float32", "bfloat16" or "float16"; the weights stay float32.
        last: the precision of the last layer; None = the same.
    """
    keras = load_keras()
    if not isinstance(network, keras.Sequential | keras.src.models.functional.Functional):
        return None
    leaves = [layer for layer in network._flatten_layers() if not hasattr(layer, "layers")]
    if any(type(layer) is not getattr(keras.layers, type(layer).__name__, None) for layer in leaves):
        return None
    end = leaves[-1].name

    def copy(layer: Any) -> Any:
        settings = layer.get_config()
        if not hasattr(layer, "layers") and not isinstance(layer, keras.layers.InputLayer):
            settings["dtype"] = POLICIES[last or precision if layer.name == end else precision]
        return type(layer).from_config(settings)

    clone = keras.models.clone_model(network, clone_function=copy)
    clone.set_weights(network.get_weights())
    return clone


def _rescaling(path: str, spec: Any) -> tuple[Any, Any]:
    if spec.scaling == "0..255":
        return 1.0, 0.0
    if spec.scaling == "0..1":
        return 1 / 255, 0.0
    if spec.scaling == "-1..1":
        return 1 / 127.5, -1.0
    if spec.mean is None or max(np.size(spec.mean), np.size(spec.std)) != 1:
        raise ModelError(
            f"{path} was trained on pixels standardised one by one, which cannot be put inside; train it with another scaling"
        )
    mean, std = float(np.ravel(spec.mean)[0]), float(np.ravel(spec.std)[0])
    return 1 / (spec.unit * std), -mean / std
