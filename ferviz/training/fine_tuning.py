"""Fine-tuning: a network file as the initial weights of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferviz.engines.protocols import KerasBacked, supports
from ferviz.errors import ModelError
from ferviz.models.architectures.layers import load_keras

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


def pair_from_file(path: str, labels: tuple[str, ...]) -> tuple[Any, Any]:
    """Return two networks that take raw pixels and hold a file's weights: one with logits, one with softmax.

    The scaling of the file's input spec becomes a Rescaling layer inside.

    Args:
        path: anything that load_model reads.
        labels: the labels of the new networks. Where the file has the same ones in the same order its last layer is kept, otherwise
            a new one takes its place.

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
