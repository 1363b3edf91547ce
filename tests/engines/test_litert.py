"""The LiteRT engine against the Keras engine, over every kind of network; its limits and its memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ferviz.engines.backend import tensorflow
from ferviz.engines.base import INPUT, Engine
from ferviz.engines.compiler.convert import compile_network
from ferviz.engines.fallback import FallbackEngine
from ferviz.engines.graph.graph_gradients import channels_last, tensor_at
from ferviz.engines.litert import LiteRTEngine
from ferviz.errors import ModelError, NotCompiledError, UnknownNameError, UsageError

KINDS = [
    "functional",
    "sequential",
    "subclassed",
    "with_function",
    "nested",
    "shared",
    "channels_first",
    "any_size",
    "softmax_layer",
    "sigmoid",
]
ENDS = ["any_size", "sigmoid"]
"""The network `functional` with another end or for any size: the same layers, of which the last is asked for its gradient."""


def compiled(engine: Any, default: str, layers: list[str] | None = None) -> LiteRTEngine:
    return LiteRTEngine(compile_network(engine, (18, 18), default, layers), threads=1)


def near(ours: np.ndarray, theirs: np.ndarray, where: str) -> None:
    """Within 1e-4 of the range, which is what every answer of the seam promises."""
    assert ours.shape == theirs.shape, where
    assert ours.dtype == np.float32, where
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * max(float(np.ptp(theirs)), 1e-6), err_msg=where)


def differentiated(engine: Any, layers: list[str], targets: int) -> Any:
    """(pictures, weights) -> logits, then each layer's activation and gradient, all layers in one graph; they are the engine's own tensors,
    and its gradients, layer by layer, are tested in test_keras_engine.py."""
    tf, trace = tensorflow(), engine.traced
    tensors, calls = zip(*(tensor_at(trace, layer) for layer in layers), strict=True)
    with trace.function.graph.as_default():
        weights = tf.compat.v1.placeholder(tf.float32, [None, targets, 4])
        sums = [tf.reduce_sum(trace.logits * weights[:, target]) for target in range(targets)]
        by_target = [tf.gradients(total, list(tensors)) for total in sums]
        last = [
            [channels_last(values, call) for values, call in zip(row, calls, strict=True)]
            for row in (tensors, *by_target)
        ]
        gradients = [tf.stack(of_layer, 1) for of_layer in zip(*last[1:], strict=True)]
        return trace.part([trace.picture, weights], [trace.logits, *last[0], *gradients])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_equals_keras(kind: str, pair: Any, networks: Any) -> None:
    keras, litert = pair(kind)
    assert isinstance(litert, Engine)
    assert all(None not in info.shape for info in litert.layers), "what is compiled takes one size"
    batch = networks.pictures(kind, 3)
    targets = 2 if kind == "functional" else 1  # TensorFlow differentiates every target anew
    weights = np.random.default_rng(5).normal(size=(3, targets, 4)).astype(np.float32)
    near(litert.logits(batch), keras.logits(batch), "logits")
    assert litert.compiled.refused == {}
    maps = [info.name for info in keras.layers if info.spatial]
    assert maps
    assert set(maps) == litert.compiled.gradients == litert.compiled.activations
    layers = [*(maps[-1:] if kind in ENDS else maps), INPUT]
    logits, *rest = (
        value.numpy() for value in differentiated(keras, layers, targets)(*map(tensorflow().constant, (batch, weights)))
    )
    for name, activation, gradient in zip(layers, rest[: len(layers)], rest[len(layers) :], strict=True):
        ours = litert.gradients(batch, name, weights)
        for what, value, theirs in zip(
            ("activation", "gradient", "logits"), ours, (activation, gradient, logits), strict=True
        ):
            near(value, theirs, f"{what} at {name}")
    for name, ours, theirs in zip(maps, litert.activations(batch, maps), keras.activations(batch, maps), strict=True):
        near(ours, theirs, f"activation of {name}")
    near(litert.guided_gradients(batch, INPUT, weights)[1], keras.guided_gradients(batch, INPUT, weights)[1], "guided")


def test_the_weights_lie_in_the_file_once_for_each_direction(pair: Any) -> None:
    keras, litert = pair("functional")
    network = keras.network
    kernel = network.get_layer("conv1").get_weights()[0]
    scale = network.get_layer("norm1").gamma.numpy() / np.sqrt(
        network.get_layer("norm1").moving_variance.numpy() + network.get_layer("norm1").epsilon
    )
    folded = np.ascontiguousarray((kernel * scale).transpose(3, 0, 1, 2)).astype("float32")
    hits = _count_near(litert.compiled.content, folded)
    assert hits == 1, hits


def _count_near(content: bytes, values: np.ndarray) -> int:
    """How often the numbers stand in the file, to rounding."""
    at = np.frombuffer(content[: len(content) // 4 * 4], np.float32)
    flat = values.ravel()
    with np.errstate(invalid="ignore", over="ignore"):
        starts = np.flatnonzero(np.isclose(at[: len(at) - flat.size + 1], flat[0], rtol=1e-5, atol=0))
        return sum(bool(np.allclose(at[i : i + flat.size], flat, rtol=1e-4, atol=1e-6)) for i in starts)


def test_a_large_batch_equals_single_pictures_and_keeps_its_order(pair: Any, networks: Any) -> None:
    _, litert = pair("functional")
    batch = networks.pictures("functional", 150)
    weights = np.random.default_rng(6).normal(size=(150, 1, 4)).astype(np.float32)
    for layer in ("relu2", "conv1", INPUT):
        together = litert.gradients(batch, layer, weights)
        for i in (0, 63, 64, 149):
            alone = litert.gradients(batch[i : i + 1], layer, weights[i : i + 1])
            for ours, theirs in zip(alone, together, strict=True):
                np.testing.assert_allclose(ours[0], theirs[i], atol=1e-5)


def test_results_are_the_callers_own(pair: Any, networks: Any) -> None:
    _, litert = pair("functional")
    batch = networks.pictures("functional", 2)
    first = litert.logits(batch)
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(litert.logits(batch), kept)
    batch[0] = 0  # a changed picture is a new question
    assert not np.array_equal(litert.logits(batch)[0], kept[0])
    np.testing.assert_array_equal(litert.logits(batch)[1], kept[1])


def test_no_pictures_give_no_rows(pair: Any, networks: Any) -> None:
    _, litert = pair("functional")
    none = np.zeros((0, 18, 18, 1), np.float32)
    assert litert.logits(none).shape == (0, 4)
    assert litert.activations(none, ["conv1"])[0].shape == (0, 18, 18, 5)
    activation, gradient, logits = litert.gradients(none, "conv1", np.zeros((0, 2, 4), np.float32))
    assert (activation.shape, gradient.shape, logits.shape) == ((0, 18, 18, 5), (0, 2, 18, 18, 5), (0, 4))
    batch = networks.pictures("functional", 2)
    kept = litert.activations(batch, ["relu2"])[0]
    litert.logits_from(batch, "relu2", kept)  # which wants one output of a graph that has several
    _, gradient, logits = litert.gradients(none, "relu2", np.zeros((0, 2, 4), np.float32))
    assert (gradient.shape, logits.shape) == ((0, 2, *kept.shape[1:]), (0, 4))


def test_the_network_can_be_entered_at_its_default_layer(pair: Any, networks: Any) -> None:
    keras, litert = pair("functional")
    batch = networks.pictures("functional", 2)
    activation = litert.activations(batch, ["relu2"])[0] * 0.5
    near(litert.logits_from(batch, "relu2", activation), keras.logits_from(batch, "relu2", activation), "entered")
    with pytest.raises(NotCompiledError, match="conv1"):
        litert.logits_from(batch, "conv1", activation)


def test_only_the_chosen_layers_and_the_default_one_are_in_the_file(pair: Any, engine: Any, networks: Any) -> None:
    _, small = pair("functional", "conv2")
    assert small.compiled.gradients == {"conv2", "relu2"}
    batch = networks.pictures("functional", 1)
    with pytest.raises(NotCompiledError, match="conv1"):
        small.gradients(batch, "conv1", np.ones((1, 1, 4), np.float32))
    with pytest.raises(NotCompiledError, match="conv1"):
        small.activations(batch, ["conv1"])
    assert [info.name for info in small.layers] == [info.name for info in engine("functional").layers]
    with pytest.raises(UnknownNameError, match="conv1"):
        compile_network(engine("functional"), (18, 18), "relu2", ["conv11"])


def test_wrong_questions_are_told(pair: Any, networks: Any) -> None:
    _, litert = pair("functional")
    batch = networks.pictures("functional", 2)
    weights = np.ones((2, 1, 4), np.float32)
    with pytest.raises(UnknownNameError, match="relu1"):
        litert.gradients(batch, "relu11", weights)
    with pytest.raises(UsageError, match="18, 18, 1"):
        litert.logits(batch[:, :9])
    with pytest.raises(UsageError, match="weights"):
        litert.gradients(batch, "relu2", weights[:1])
    with pytest.raises(NotCompiledError, match="guided"):
        litert.guided_gradients(batch, "relu2", weights)


def test_a_skip_connection_round_the_default_layer_is_not_lost(networks: Any) -> None:
    """The head then needs the picture too; its gradients come from the whole graph instead."""
    from ferviz.engines.backend import keras as get_keras
    from ferviz.engines.keras import KerasEngine

    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((18, 18, 1))
    side = layers.Conv2D(3, 3, name="side")(picture)
    x = layers.Conv2D(3, 3, activation="relu", name="main")(picture)
    both = layers.Concatenate(name="both")([side, x])
    out = layers.Dense(4, name="head")(layers.GlobalAveragePooling2D()(layers.ReLU(name="last")(both)))
    whole = KerasEngine(networks.seeded(keras.Model(picture, out)))
    litert = compiled(whole, "main")
    assert "head" not in litert._graphs
    batch, weights = (
        networks.pictures("functional", 2),
        np.random.default_rng(1).normal(size=(2, 2, 4)).astype("float32"),
    )
    for ours, theirs in zip(
        litert.gradients(batch, "main", weights), whole.gradients(batch, "main", weights), strict=True
    ):
        near(ours, theirs, "main")


def test_layers_before_an_operation_without_a_rule_are_refused_with_the_reason(networks: Any) -> None:
    from ferviz.engines.backend import keras as get_keras
    from ferviz.engines.keras import KerasEngine

    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((18, 18, 1))
    x = layers.Conv2D(4, 3, name="before")(picture)
    x = layers.UpSampling2D(2, name="up")(x)
    x = layers.Conv2D(4, 3, activation="relu", name="after")(x)
    out = layers.Dense(4, name="head")(layers.GlobalAveragePooling2D()(x))
    litert = compiled(KerasEngine(networks.seeded(keras.Model(picture, out))), "after")
    assert litert.compiled.gradients == {"up", "after"}
    assert set(litert.compiled.refused) == {"input", "before"}
    assert litert.compiled.activations == {"before", "up", "after"}
    batch, weights = networks.pictures("functional", 1), np.ones((1, 1, 4), np.float32)
    assert litert.activations(batch, ["before"])[0].shape == (1, 16, 16, 4)
    with pytest.raises(NotCompiledError, match=r"Tile|Resize"):
        litert.gradients(batch, "before", weights)
    with pytest.raises(NotCompiledError, match=r"Tile|Resize"):
        litert.gradients(batch, INPUT, weights)


def test_a_network_in_half_precision_is_refused_with_its_layer(engine: Any) -> None:
    mixed = engine("mixed_precision")
    layer = [info.name for info in mixed.layers if info.spatial][-1]
    with pytest.raises(ModelError, match=f"{layer} computes in float16"):
        compile_network(mixed, (18, 18), layer, [layer])


def test_a_network_with_operations_that_litert_lacks_is_refused_with_their_names(networks: Any) -> None:
    from ferviz.engines.backend import keras as get_keras
    from ferviz.engines.backend import tensorflow
    from ferviz.engines.keras import KerasEngine

    keras, tf = get_keras(), tensorflow()
    layers = keras.layers

    class Strange(layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.math.igamma(tf.abs(x) + 1.0, tf.abs(x) + 0.5)

    picture = layers.Input((18, 18, 1))
    x = Strange(name="strange")(layers.Conv2D(4, 3, name="conv")(picture))
    out = layers.Dense(4, name="head")(layers.GlobalAveragePooling2D()(x))
    with pytest.raises(ModelError, match="Igamma"):
        compile_network(KerasEngine(networks.seeded(keras.Model(picture, out))), (18, 18), "conv")


def test_the_fallback_asks_the_network_only_for_what_the_file_lacks(pair: Any, networks: Any) -> None:
    whole, small = pair("functional", "conv2")
    loaded, told = [], []

    def load() -> Any:
        loaded.append(True)
        return whole

    both = FallbackEngine(small, load, told.append)
    batch, weights = networks.pictures("functional", 2), np.ones((2, 1, 4), np.float32)
    both.gradients(batch, "relu2", weights)
    both.gradients(batch, INPUT, weights)
    assert (both.name, both.notes, loaded, told) == ("litert", (), [], [])
    near(both.gradients(batch, "conv1", weights)[1], whole.gradients(batch, "conv1", weights)[1], "conv1")
    both.gradients(batch, "relu1", weights)
    assert loaded == [True]
    assert both.name == "keras"
    assert told == [*both.notes]
    assert "conv1" in both.notes[0]
    with pytest.raises(UnknownNameError):
        FallbackEngine(small, load).gradients(batch, "conv9", weights)
    assert FallbackEngine(small, load).graph_engine() is whole


def test_a_file_that_is_not_what_its_table_says_is_refused(pair: Any) -> None:
    good = pair("functional")[1].compiled
    LiteRTEngine(good)
    for change in (
        {"size": (20, 18, 1)},
        {"size": (18, 18, 3)},
        {"classes": 5},
        {"activations": frozenset({"conv1"})},
        {"gradients": frozenset({"conv1", "conv9"})},
    ):
        with pytest.raises(ModelError, match="table"):
            LiteRTEngine(replace(good, **change))
    with pytest.raises(ModelError, match="LiteRT cannot read"):
        LiteRTEngine(replace(good, content=b"\0\0\0\0TFL3" + b"\0" * 200))
