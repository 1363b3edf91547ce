"""tf-keras-vis, run on a network of ferviz: a second opinion by an implementation that shares no code with ferviz."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ferviz import numerics
from ferviz.engines.backend import keras as get_keras
from ferviz.engines.backend import tensorflow
from ferviz.engines.base import INPUT, Array
from ferviz.engines.protocols import KerasBacked, require
from ferviz.errors import ModelError
from ferviz.native_logs import without_warnings

NAMES = ("gradcam", "gradcam++", "layercam", "scorecam", "faster-scorecam", "saliency", "smoothgrad")


def tf_keras_vis(
    engine: Any, method: str, batch: Array, layer: str, weights: Array, seed: int = 0, expand: bool = False
) -> Array:
    """Run one of tf-keras-vis' methods.

    Args:
        engine: one with a Keras network behind it.
        method: one of NAMES.
        batch: (N, h, w, c) float32.
        layer: of the top level of a functional or Sequential network.
        weights: (N, T, K), on the logits.
        seed: of its SmoothGrad, which draws from TensorFlow's or NumPy's global generator; that one's state is restored afterwards.
        expand: bring the map to picture size as that library does (its interpolation aligns corners).

    Returns:
        (N, T, h, w) float32, not normalised.

    Raises:
        ModelError: with that library's own words, where it cannot run the network, or for an engine without a Keras network.
    """
    engine = require(engine, KerasBacked, "tf-keras-vis").keras_engine()
    tf = tensorflow()
    options: dict[str, Any] = {"normalize_cam": False, "expand_cam": expand, "seek_penultimate_conv_layer": False}
    if method in ("saliency", "smoothgrad"):
        options = {"normalize_map": False}
    else:
        if "/" in layer or ":" in layer or layer == INPUT:
            raise ModelError(f"tf-keras-vis reaches layers of the top level only, called once, not {layer!r}")
        options["penultimate_layer"] = layer
    if method == "smoothgrad":
        options |= {"smooth_samples": 32, "smooth_noise": 0.15}
    if method == "faster-scorecam":
        channels = [info.shape[-1] for info in engine.layers if info.name == layer]
        options["max_N"] = min([10, *(c for c in channels if c)])
    try:
        # Its Score-CAM draws Keras' progress bar on standard output.
        with without_warnings(output=True), _global_seed(seed):
            tool = _tool(method, _functional(engine, batch, softmax=method in ("scorecam", "faster-scorecam")))
            maps = [
                tool(lambda y, w=w: tf.reduce_sum(w * y, -1), tf.constant(batch), **options)
                for w in (weights[:, t] for t in range(weights.shape[1]))
            ]
    except ModelError:
        raise
    except Exception as error:  # whatever goes wrong inside the other library
        raise ModelError(
            f"tf-keras-vis cannot explain this network ({type(error).__name__}: {str(error)[:120]})"
        ) from error
    return np.stack([np.asarray(m, np.float32).reshape(len(batch), *np.shape(m)[-2:]) for m in maps], 1)


@contextlib.contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which the library uses, and restore its state."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(seed)  # noqa: NPY002
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _tool(method: str, model: Any) -> Any:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.layercam import Layercam
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.scorecam import Scorecam

    kinds = {"gradcam": Gradcam, "gradcam++": GradcamPlusPlus, "layercam": Layercam, "saliency": Saliency}
    return kinds.get(method, Saliency if method == "smoothgrad" else Scorecam)(model, clone=False)


def _functional(engine: Any, batch: Array, softmax: bool) -> Any:
    """A functional copy of the network that ends in its logits (or its softmax), with the same weights."""
    keras = get_keras()
    network = engine.network
    if engine.channels_first or not getattr(network, "inputs", None):
        raise ModelError("tf-keras-vis needs a functional or Sequential network with the channels last")
    model = keras.models.clone_model(keras.Model(network.inputs, network.outputs))
    model.set_weights(network.get_weights())
    model.trainable = False
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)):
            layer.__dict__["call"] = _without_filter_gradient(layer.call)
    last = model.layers[-1]
    if not softmax and engine.head != "linear":
        if isinstance(last, keras.layers.Softmax):
            model = keras.Model(model.inputs, last.input)
        else:
            last.activation = keras.activations.linear
    outputs = np.asarray(model(batch[:2], training=False))
    wanted = engine.logits(batch[:2])
    if softmax:
        wanted = numerics.softmax(wanted)
    if outputs.shape != wanted.shape or not np.allclose(outputs, wanted, atol=1e-2, rtol=1e-2):
        raise ModelError("tf-keras-vis cannot take the logits out of this network; it needs an activation to take away")
    return model


def _without_filter_gradient(call: Any) -> Any:
    """Wrap a convolution so that an eager tape computes the gradient at its input alone.

    The library's tapes also ask for every filter's gradient, for which oneDNN's kernels crash on some convolutions.
    """
    tf = tensorflow()

    @tf.function
    def backwards(x: Any, upstream: Any) -> Any:
        return tf.gradients(call(x), x, upstream)[0]

    @tf.custom_gradient
    def convolve(x: Any) -> Any:
        def gradient(upstream: Any, variables: Any = ()) -> Any:
            return backwards(x, upstream), [None for _ in variables]

        return call(x), gradient

    return convolve
