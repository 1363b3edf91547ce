"""From the fitted Keras network to the weights that are compiled into a `.ferviz` file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferviz.engines.base import Array
from ferviz.engines.compiler.explainer_graph import ExplainerWeights
from ferviz.training.explainer.fit import MAP_SCALE
from ferviz.training.explainer.tap_features import Projection


def explainer_weights(
    network: Any, layers: Sequence[str], projections: Sequence[Projection], scale: Array, error_scale: float
) -> ExplainerWeights:
    """Return the weights of a fitted explainer, with all that it was fed and scaled by folded in.

    Args:
        network: the keras.Model that `fit_explainer` returned.
        layers: the layers that it looks at.
        projections: of each layer's channels.
        scale: (2 K,), what the scores were divided by.
        error_scale: what its estimate of its error is multiplied by, to be that of a region's value.
    """
    arrays: dict[str, Array] = {}
    for layer in network.layers:
        weights = [np.asarray(weight, np.float32) for weight in layer.get_weights()]
        if layer.name == "place":
            arrays["place"] = weights[0]
        elif weights:
            kernel = weights[0][0, 0] if weights[0].ndim == 4 and weights[0].shape[:2] == (1, 1) else weights[0]
            arrays |= {f"{layer.name}/kernel": kernel, f"{layer.name}/bias": weights[1]}
    for number, projection in enumerate(projections):
        kernel = (projection.basis @ arrays[f"tap{number}/kernel"]).astype(np.float32)
        arrays[f"tap{number}/bias"] = (arrays[f"tap{number}/bias"] - projection.mean @ kernel).astype(np.float32)
        arrays[f"tap{number}/kernel"] = kernel
    arrays["maps/kernel"], arrays["maps/bias"] = (
        arrays[f"maps/{name}"] * scale * np.float32(MAP_SCALE) for name in ("kernel", "bias")
    )
    # The network says the logarithm of a variance; half of it is that of a deviation.
    arrays["doubt/kernel"] = arrays["doubt/kernel"] * np.float32(0.5)
    arrays["doubt/bias"] = (arrays["doubt/bias"] / 2 + np.log(scale * error_scale)).astype(np.float32)
    return ExplainerWeights(tuple(layers), arrays)
