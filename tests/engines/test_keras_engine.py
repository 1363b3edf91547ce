"""The Keras engine against Keras itself, finite differences and NumPy, for every kind of network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ferviz.engines.base import INPUT, Engine
from ferviz.engines.graph.graph_gradients import logits_gradient
from ferviz.errors import ModelError, UnknownNameError, UsageError

KINDS = [
    "functional", "sequential", "subclassed", "with_function", "nested", "shared", "channels_first", "rgb", "any_size",
    "softmax_layer", "activation_layer", "sigmoid", "linear", "mixed_precision",
]  # fmt: skip
ENDS = ["activation_layer", "sigmoid", "linear"]
"""The network `functional` with other ends: the same from the first picture to the logits."""
BODIES = [kind for kind in KINDS if kind not in ENDS]
TRUNKS = ["functional", "sequential", "subclassed", "nested", "shared", "channels_first", "mixed_precision"]
SOME = {"functional": ("relu1", "short", "add"), "channels_first": ("norm1", "pool1", "conv2")}
"""The layers that are asked for in the largest trunks; every one of them is compared with LiteRT's in test_litert.py."""
HEADS = {"sigmoid": "sigmoid", "linear": "linear"}


def own_output(network: Any, batch: np.ndarray, first: bool) -> np.ndarray:
    """What Keras itself answers; a channels-first network's answer is its twin's, since TensorFlow runs such convolutions on processors
    with certain instructions only."""
    return np.asarray((channels_last_twin(network) if first else network)(batch, training=False))


def channels_last_twin(network: Any) -> Any:
    """The network `channels_first` of tests/networks.py with the channels last and the same weights."""
    from ferviz.engines.backend import keras

    layers = keras().layers
    picture = layers.Input((18, 18, 1))
    x = layers.Conv2D(5, 3, padding="same")(picture)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3)(layers.MaxPooling2D()(x))
    x = layers.Conv2D(6, 3, activation="relu", name="conv2")(x)
    x = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    twin = keras().Model(picture, x)
    twin.set_weights(network.get_weights())
    return twin


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_what_the_network_says_before_its_last_function(kind: str, engine: Any, networks: Any) -> None:
    e, batch = engine(kind), networks.pictures(kind, 5)
    logits = e.logits(batch)
    assert e.head == HEADS.get(kind, "softmax")
    assert logits.shape == (5, e.classes) == (5, 4)
    assert logits.dtype == np.float32
    if e.head == "softmax":
        exp = np.exp(logits - logits.max(1, keepdims=True))
        said = exp / exp.sum(1, keepdims=True)
    else:
        said = 1 / (1 + np.exp(-logits)) if e.head == "sigmoid" else logits
    tolerance = 2e-3 if kind == "mixed_precision" else 1e-5
    np.testing.assert_allclose(said, own_output(e.network, batch, kind == "channels_first"), atol=tolerance)
    assert isinstance(e, Engine)


@pytest.mark.parametrize("kind", BODIES)
def test_a_batch_is_its_singles_and_any_batch_size_compiles_once(kind: str, engine: Any, networks: Any) -> None:
    e, batch = engine(kind), networks.pictures(kind, 5)
    layer = next(info.name for info in reversed(e.layers) if info.spatial)
    weights = np.random.default_rng(3).normal(size=(5, 2, 4)).astype(np.float32)
    together = e.gradients(batch, layer, weights)
    compiled = len(e._functions)
    tolerance = 5e-3 if kind == "mixed_precision" else 1e-5
    for i in range(5):
        alone = e.gradients(batch[i : i + 1], layer, weights[i : i + 1])
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many[i], one[0], rtol=1e-4, atol=tolerance)
    assert len(e._functions) == compiled


@pytest.mark.parametrize("kind", [k for k in BODIES if k != "mixed_precision"])
def test_gradients_at_the_picture_agree_with_finite_differences(kind: str, engine: Any, networks: Any) -> None:
    e, rng = engine(kind), np.random.default_rng(5)
    batch = networks.pictures(kind, 1)
    weights = rng.normal(size=(1, 3, 4)).astype(np.float32)
    _, gradient, _ = e.gradients(batch, INPUT, weights)
    assert gradient.shape == (1, 3, *batch.shape[1:])
    step = 1e-2  # the networks are piecewise smooth: the median over pixels leaves out the few that cross a kink
    pixels = rng.permutation(batch[0].size)[:40]
    moved = np.repeat(batch, 80, axis=0).reshape(80, -1)
    moved[np.arange(40), pixels] += step
    moved[np.arange(40, 80), pixels] -= step
    logits = e.logits(moved.reshape(80, *batch.shape[1:])).astype(np.float64)
    measured = (logits[:40] - logits[40:]) / (2 * step) @ weights[0].T.astype(np.float64)
    wanted = gradient[0].reshape(3, -1)[:, pixels].T
    assert np.abs(wanted).max() > 1e-3
    error = np.median(np.abs(measured - wanted)) / np.abs(wanted).max()
    assert error < 5e-3


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRUNKS)
def test_gradients_at_a_layer_agree_with_what_the_rest_of_the_network_does(
    kind: str, engine: Any, networks: Any
) -> None:
    e = engine(kind)
    batch = networks.pictures(kind, 3)
    tolerance = 2e-2 if kind == "mixed_precision" else 2e-3
    for info in [i for i in e.layers if i.spatial and i.name in SOME.get(kind, (i.name,))]:
        weights = np.random.default_rng(2).normal(size=(3, 1, 4)).astype(np.float32)
        activation, gradient, logits = e.gradients(batch, info.name, weights)
        assert activation.shape[1:] == tuple(a or b for a, b in zip(info.shape, activation.shape[1:], strict=True))
        np.testing.assert_allclose(e.activations(batch, [info.name])[0], activation, rtol=1e-4, atol=1e-4)
        again = e.logits_from(batch, info.name, activation)
        np.testing.assert_allclose(again, logits, rtol=1e-3, atol=tolerance)
        if kind == "mixed_precision":
            continue  # half precision drowns small differences; its gradients are compared with a float32 twin below
        # Few cells at a time, nine tries, and their median: a ReLU or maximum that changes its mind spoils one, not most.
        # Cells at exactly zero stay: behind a ReLU they tie in every pooling window.
        rng, step, one = np.random.default_rng(4), 1e-3, np.repeat
        directions = rng.normal(size=(9, *activation.shape[1:])) * (rng.random((9, *activation.shape[1:])) < 0.02)
        directions *= activation[0] != 0
        changed = np.concatenate([activation[:1] + step * directions, activation[:1] - step * directions])
        said = e.logits_from(one(batch[:1], 18, 0), info.name, changed.astype(np.float32)).astype(np.float64)
        measured = (said[:9] - said[9:]) / (2 * step) @ weights[0, 0]
        wanted = (gradient[0] * directions).sum((1, 2, 3))
        assert np.median(np.abs(measured - wanted)) < 0.02 * np.abs(wanted).max() + 1e-3, info.name


@pytest.mark.slow
def test_channels_first_answers_like_its_transposed_twin(engine: Any, networks: Any) -> None:
    """The same weights in a channels-last network give the same maps, gradients and logits."""
    from ferviz.engines.keras import KerasEngine

    first = engine("channels_first")
    last = KerasEngine(channels_last_twin(first.network))
    batch = networks.pictures("channels_first", 3)
    weights = np.tile(np.eye(4, dtype=np.float32)[1:3], (3, 1, 1))
    for a, b in zip(first.gradients(batch, "conv2", weights), last.gradients(batch, "conv2", weights), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for a, b in zip(first.gradients(batch, INPUT, weights), last.gradients(batch, INPUT, weights), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert {i.name: i.shape for i in first.layers}["conv1"] == (18, 18, 5)


@pytest.mark.slow
def test_half_precision_answers_like_its_float32_twin(engine: Any, networks: Any) -> None:
    """The distance between the two is one of rounding: no more than a few times what one rounding of the twin's own weights and pixels
    moves it. Distances are those of whole arrays, since a ReLU that switches by rounding moves single elements by any amount."""
    from ferviz.engines.keras import KerasEngine

    half, batch = engine("mixed_precision"), networks.pictures("mixed_precision", 3)
    network = networks.seeded(networks.mixed_precision("float32"))
    full, exact = KerasEngine(network), network.get_weights()
    weights = np.tile(np.eye(4, dtype=np.float32), (3, 1, 1))
    roundings, draws = (
        8,
        16,
    )  # of weights, pixels, and what each layer hands on, forwards and backwards: independent of each other
    rng = np.random.default_rng(0)

    def rounded(values: np.ndarray) -> np.ndarray:
        unit = np.finfo(np.float16).eps / 2
        return (values * (1 + rng.uniform(-unit, unit, values.shape))).astype(np.float32)

    for layer in ("conv1", INPUT):
        network.set_weights(exact)
        reference = full.gradients(batch, layer, weights)
        spread = np.zeros(len(reference))
        for _ in range(draws):
            network.set_weights([rounded(w) for w in exact])
            moved = full.gradients(rounded(batch), layer, weights)
            spread = np.maximum(spread, [np.linalg.norm(a - b) for a, b in zip(moved, reference, strict=True)])
        for a, b, bound in zip(
            half.gradients(batch, layer, weights), reference, np.sqrt(roundings) * spread, strict=True
        ):
            assert a.dtype == np.float32
            assert 0 < bound < 0.25 * np.linalg.norm(b)  # the bound itself tells a right answer from a wrong one
            assert np.linalg.norm(a - b) <= bound


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in BODIES if kind not in ("rgb", "any_size")])
def test_the_network_is_left_as_it_was(kind: str, networks: Any) -> None:
    from ferviz.engines.keras import KerasEngine

    def state(network: Any) -> list[Any]:
        return [
            (
                layer.name, layer.__dict__.get("call"), layer.call.__func__, layer.trainable, layer.get_config(), list(layer.__dict__),
                len(layer.losses), getattr(layer, "activation", None), getattr(layer, "data_format", None),
            )
            for layer in network._flatten_layers()
            if type(layer).__name__ not in ("Own", "Compiled")
        ]  # fmt: skip

    network, batch = networks.build(kind), networks.pictures(kind, 2)
    weights, before = network.get_weights(), state(network)
    said = own_output(network, batch, kind == "channels_first")
    e = KerasEngine(network)
    e.logits(batch)
    if kind in (*TRUNKS, "with_function", "softmax_layer"):
        layer = next(info.name for info in reversed(e.layers) if info.spatial)
        one = np.tile(np.eye(4, dtype=np.float32)[:1], (2, 1, 1))
        e.gradients(batch, layer, one)
        e.guided_gradients(batch, INPUT, one)
    assert state(network) == before
    for a, b in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(own_output(network, batch, kind == "channels_first"), said)


def test_new_weights_are_seen_without_a_new_engine(networks: Any) -> None:
    """The compiled functions read the network's variables, so explaining between training steps is safe."""
    from ferviz.engines.keras import KerasEngine

    network, batch = networks.build("functional"), networks.pictures("functional", 2)
    e = KerasEngine(network)
    before = e.logits(batch)
    networks.seeded(network, seed=9)
    assert np.abs(e.logits(batch) - before).max() > 0.01


def test_no_filter_gradient_is_computed(engine: Any) -> None:
    e = engine("functional")
    part = logits_gradient(e.traced, INPUT, 1)
    kinds = {op.type for op in part.graph.get_operations()}
    assert "Conv2DBackpropInput" in kinds  # the picture's gradient is there ...
    assert not [k for k in kinds if "BackpropFilter" in k]  # ... the weights' are not


def test_a_question_about_a_late_layer_does_not_differentiate_the_trunk(engine: Any) -> None:
    e = engine("functional")
    part = logits_gradient(e.traced, "relu2", 4)
    kinds = [op.type for op in part.graph.get_operations()]
    assert not [k for k in kinds if "Backprop" in k]
    assert kinds.count("Conv2D") == 3  # conv1, short and the pointwise half of conv2: one pass for all four targets


def test_nested_and_shared_layers_have_addresses(engine: Any, networks: Any) -> None:
    names = [i.name for i in engine("nested").layers]
    assert {"backbone/conv1", "backbone/inner/conv3", "backbone/inner", "backbone", "head"} <= set(names)
    assert names.index("backbone/inner/conv3") < names.index("backbone")
    e, batch = engine("shared"), networks.pictures("shared", 1)
    assert {"twice:0", "twice:1"} <= {i.name for i in e.layers}
    first, second, plain = e.activations(batch, ["twice:0", "twice:1", "twice"])
    np.testing.assert_array_equal(second, plain)  # the plain name is the last call
    assert np.abs(first - second).max() > 0.01


def test_two_layers_of_one_name_stay_apart() -> None:
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    k = keras()

    class Twins(k.Model):  # Keras checks names only in functional networks
        def __init__(self) -> None:
            super().__init__()
            self.a = k.layers.Conv2D(2, 3, name="conv")
            self.b = k.layers.Conv2D(3, 3, name="conv")
            self.c = k.layers.Dense(2, name="head")

        def call(self, x: Any) -> Any:
            return self.c(k.ops.mean(self.b(self.a(x)), axis=(1, 2)))

    network = Twins()
    network(np.zeros((1, 9, 9, 1), "float32"))
    assert {i.name: i.shape[-1] for i in KerasEngine(network).layers} == {"conv": 2, "conv#2": 3, "head": 2}


def test_layer_infos_say_height_width_channels(engine: Any) -> None:
    infos = {i.name: i for i in engine("functional").layers}
    assert infos["conv1"].shape == (18, 18, 5)
    assert infos["conv1"].parameters == 3 * 3 * 5 + 5
    assert infos["add"].shape == (9, 9, 6)
    assert infos["add"].spatial
    assert not infos["pool"].spatial
    assert {i.name: i for i in engine("any_size").layers}["conv1"].shape == (None, None, 5)
    assert engine("any_size").logits(np.zeros((1, 31, 23, 1), np.float32)).shape == (1, 4)


def test_logits_from_follows_connections_around_the_layer(engine: Any, networks: Any) -> None:
    e, batch = engine("functional"), networks.pictures("functional", 2)
    conv2, short = e.activations(batch, ["conv2", "short"])
    silent = e.logits_from(batch, "conv2", np.zeros_like(conv2))
    kernel, bias = e.network.get_layer("head").get_weights()
    np.testing.assert_allclose(silent, np.maximum(short, 0).mean((1, 2)) @ kernel + bias, atol=1e-5)


def test_more_targets_than_one_function_answers(engine: Any, networks: Any) -> None:
    e, batch = engine("functional"), networks.pictures("functional", 2)
    weights = np.random.default_rng(0).normal(size=(2, 37, 4)).astype(np.float32)
    _, many, _ = e.gradients(batch, "relu2", weights)
    for t in (0, 15, 16, 36):
        np.testing.assert_allclose(many[:, t], e.gradients(batch, "relu2", weights[:, t : t + 1])[1][:, 0], atol=1e-6)


def test_guided_gradients_stop_what_is_negative() -> None:
    """One ReLU between two weights, on paper: the gradient passes only where the input and itself are positive."""
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    k = keras()
    picture = k.layers.Input((1, 4, 1))
    x = k.layers.ReLU()(picture)
    x = k.layers.Dense(2, name="head", use_bias=False)(k.layers.Flatten()(x))
    network = k.Model(picture, x)
    network.set_weights([np.array([[1, 0], [-2, 0], [3, 0], [-4, 0]], np.float32)])
    e = KerasEngine(network)
    batch = np.array([1, 1, -1, -1], np.float32).reshape(1, 1, 4, 1)
    weights = np.array([[[1, 0]]], np.float32)
    assert e.gradients(batch, INPUT, weights)[1].ravel().tolist() == [1, -2, 0, 0]
    assert e.guided_gradients(batch, INPUT, weights)[1].ravel().tolist() == [1, 0, 0, 0]


def test_bad_questions(engine: Any, networks: Any) -> None:
    e, batch = engine("functional"), networks.pictures("functional", 2)
    one = np.ones((2, 1, 4), np.float32)
    with pytest.raises(
        UnknownNameError, match=r"layer 'conv9' is not in this model; it has conv1, .*did you mean 'conv"
    ):
        e.gradients(batch, "conv9", one)
    with pytest.raises(UsageError, match="weights must be"):
        e.gradients(batch, "conv1", one[:1])
    with pytest.raises(UsageError, match="takes pictures"):
        e.logits(np.zeros((2, 20, 18, 1), np.float32))
    with pytest.raises(UsageError, match="takes pictures"):
        e.logits(np.zeros((18, 18, 1), np.float32))


def test_networks_that_cannot_be_explained_are_refused_in_one_sentence() -> None:
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    k = keras()
    a, b = k.layers.Input((8, 8, 1)), k.layers.Input((8, 8, 1))
    pooled = k.layers.GlobalAveragePooling2D()(a)
    with pytest.raises(ModelError, match="takes 2 inputs"):
        KerasEngine(k.Model([a, b], k.layers.Dense(2)(k.layers.Flatten()(k.layers.Add()([a, b])))))
    with pytest.raises(ModelError, match="has 2 outputs"):
        _ = KerasEngine(k.Model(a, [k.layers.Dense(2)(pooled), k.layers.Dense(3)(pooled)])).classes
    with pytest.raises(ModelError, match="one score a class"):
        _ = KerasEngine(k.Model(a, k.layers.Conv2D(3, 3)(a))).classes
    vector = k.layers.Input((8,))
    with pytest.raises(ModelError, match="needs one picture"):
        KerasEngine(k.Model(vector, k.layers.Dense(2)(vector)))


def test_a_layer_beside_the_way_to_the_logits_is_refused() -> None:
    from ferviz.engines.backend import keras, tensorflow
    from ferviz.engines.keras import KerasEngine

    k, tf = keras(), tensorflow()

    class Blind(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.seen, self.unseen, self.head = (k.layers.Conv2D(2, 3, name="seen"), k.layers.Conv2D(2, 3, name="unseen"),
                                                 k.layers.Dense(2, name="head"))  # fmt: skip

        def call(self, x: Any) -> Any:
            self.unseen(x)
            return self.head(tf.reduce_mean(self.seen(x), [1, 2]))

    network = Blind()
    network(np.zeros((1, 8, 8, 1), "float32"))
    e = KerasEngine(network)
    with pytest.raises(ModelError, match="do not depend on 'unseen'"):
        e.gradients(np.zeros((1, 8, 8, 1), np.float32), "unseen", np.ones((1, 1, 2), np.float32))


def test_an_activity_regulariser_keeps_no_traced_tensor(networks: Any) -> None:
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    k = keras()
    network = k.Sequential(
        [
            k.layers.Input((8, 8, 1)),
            k.layers.Conv2D(2, 3, activity_regularizer="l2"),
            k.layers.Flatten(),
            k.layers.Dense(2),
        ]
    )
    KerasEngine(network).logits(np.ones((1, 8, 8, 1), np.float32))
    assert network.losses == []
