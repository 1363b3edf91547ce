"""Small networks of every kind that ferviz has to cope with, made in code, with fixed weights.

Each takes an 18 x 18 picture and knows four classes; NETWORKS maps a name to a function that builds it. The weights are
drawn from a generator of their own, so that no test depends on another one or on a global seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.engines.backend import keras as get_keras
from ferviz.engines.backend import tensorflow

SIZE, CLASSES = 18, 4


def seeded(network: Any, seed: int = 0) -> Any:
    """Give every weight a value that depends on `seed` alone: large enough that ReLUs are mixed, variances positive."""
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        if "seed" in weight.path:
            continue
        value = rng.normal(size=weight.shape) * (0.5 if len(weight.shape) > 1 else 0.2)
        if "variance" in weight.path or "gamma" in weight.path:
            value = 0.5 + rng.random(weight.shape)
        weight.assign(value.astype("float32"))
    return network


def functional(channels: int = 1, size: int | None = SIZE, head: str = "softmax") -> Any:
    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((size, size, channels))
    x = layers.Conv2D(5, 3, padding="same", name="conv1")(picture)
    x = layers.BatchNormalization(name="norm1")(x)
    x = layers.ReLU(name="relu1")(x)
    short = layers.Conv2D(6, 1, strides=2, name="short")(x)
    x = layers.SeparableConv2D(6, 3, strides=2, padding="same", name="conv2")(x)
    x = layers.Add(name="add")([x, short])
    x = layers.ReLU(name="relu2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    return keras.Model(picture, layers.Dense(CLASSES, activation=head, name="head")(x), name="functional")


def sequential() -> Any:
    keras = get_keras()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(6, 3, activation="elu", name="conv2"),
            layers.Flatten(name="flat"),
            layers.Dense(8, activation="relu", name="dense1"),
            layers.Dense(CLASSES, activation="softmax", name="head"),
        ],
        name="sequential",
    )


def subclassed() -> Any:
    keras, tf = get_keras(), tensorflow()
    layers = keras.layers

    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = layers.Conv2D(4, 3, name="conv1")
            self.conv2 = layers.Conv2D(6, 3, name="conv2")
            self.head = layers.Dense(CLASSES, name="head")

        def call(self, x: Any) -> Any:
            x = tf.nn.relu(self.conv1(x))
            x = tf.nn.relu(self.conv2(x))
            return tf.nn.softmax(self.head(tf.reduce_mean(x, [1, 2])))

    network = Own()
    network(np.zeros((1, SIZE, SIZE, 1), "float32"))
    return network


def with_function() -> Any:
    """A subclassed network whose `call` is a tf.function of its own."""
    keras, tf = get_keras(), tensorflow()
    layers = keras.layers

    class Compiled(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.conv = layers.Conv2D(5, 3, activation="relu", name="conv")
            self.head = layers.Dense(CLASSES, name="head")

        def build(self, shape: Any) -> None:
            self.conv.build(shape)
            self.head.build((None, 5))

        @tf.function
        def call(self, x: Any) -> Any:
            return tf.nn.softmax(self.head(tf.reduce_mean(self.conv(x), [1, 2])))

    network = Compiled()
    network.build((None, SIZE, SIZE, 1))
    return network


def nested() -> Any:
    keras = get_keras()
    layers = keras.layers
    inner = keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 4)),
            layers.Conv2D(6, 3, activation="relu", name="conv3"),
            layers.AveragePooling2D(2, name="pool3"),
        ],
        name="inner",
    )
    at = layers.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(4, 1, name="conv1")(at)
    backbone = keras.Model(at, inner(x), name="backbone")
    picture = layers.Input((SIZE, SIZE, 1))
    x = layers.GlobalMaxPooling2D()(backbone(picture))
    return keras.Model(picture, layers.Dense(CLASSES, activation="softmax", name="head")(x), name="nested")


def shared() -> Any:
    """One convolution called twice."""
    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((SIZE, SIZE, 1))
    twice = layers.Conv2D(4, 3, padding="same", activation="tanh", name="twice")
    x = layers.Conv2D(4, 3, padding="same", name="first")(picture)
    x = twice(twice(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(picture, layers.Dense(CLASSES, activation="softmax", name="head")(x), name="shared")


def channels_first() -> Any:
    keras = get_keras()
    layers = keras.layers
    first = {"data_format": "channels_first"}
    picture = layers.Input((1, SIZE, SIZE))
    x = layers.Conv2D(5, 3, padding="same", name="conv1", **first)(picture)
    x = layers.BatchNormalization(axis=1, name="norm1")(x)
    x = layers.ReLU(name="relu1")(x)
    x = layers.MaxPooling2D(name="pool1", **first)(x)
    x = layers.DepthwiseConv2D(3, name="depth", **first)(x)
    x = layers.Conv2D(6, 3, activation="relu", name="conv2", **first)(x)
    x = layers.GlobalAveragePooling2D(name="pool2", **first)(x)
    return keras.Model(picture, layers.Dense(CLASSES, activation="softmax", name="head")(x), name="channels_first")


def softmax_layer() -> Any:
    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(6, 3, activation="relu", name="conv1")(picture)
    x = layers.Conv2D(CLASSES, 3, name="classes")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Reshape((CLASSES,))(x)
    return keras.Model(picture, layers.Softmax(name="softmax")(x), name="softmax_layer")


def activation_layer() -> Any:
    keras = get_keras()
    network = functional(head="linear")
    return keras.Model(
        network.input, keras.layers.Activation("softmax", name="end")(network.output), name="activation_layer"
    )


def mixed_precision(policy: str = "mixed_float16") -> Any:
    keras = get_keras()
    layers = keras.layers
    picture = layers.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(6, 3, activation="relu", name="conv1", dtype=policy)(picture)
    x = layers.Conv2D(6, 3, activation="relu", name="conv2", dtype=policy)(x)
    x = layers.GlobalAveragePooling2D(dtype=policy)(x)
    x = layers.Dense(CLASSES, name="head", dtype=policy)(x)
    return keras.Model(picture, layers.Activation("softmax", dtype="float32")(x), name="mixed_precision")


NETWORKS = {
    "functional": functional,
    "sequential": sequential,
    "subclassed": subclassed,
    "with_function": with_function,
    "nested": nested,
    "shared": shared,
    "channels_first": channels_first,
    "rgb": lambda: functional(channels=3),
    "any_size": lambda: functional(size=None),
    "softmax_layer": softmax_layer,
    "activation_layer": activation_layer,
    "sigmoid": lambda: functional(head="sigmoid"),
    "linear": lambda: functional(head="linear"),
    "mixed_precision": mixed_precision,
}


def build(name: str, seed: int = 0) -> Any:
    """Return the network of that name with seeded weights."""
    return seeded(NETWORKS[name](), seed)


def pictures(network_name: str, n: int, seed: int = 1) -> np.ndarray:
    """Return n random pictures for that network: (n, 18, 18, c) float32 in 0..1."""
    return np.random.default_rng(seed).random((n, SIZE, SIZE, 3 if network_name == "rgb" else 1), np.float32)
