"""Additive training: a network learns that each cell of its last map answers for what is seen there.

Where a network ends in a mean over the cells of a map and a dense layer, every cell gives each class a part of its logit, which is
Grad-CAM before its ReLU. Nothing ties a cell to its place, though: it may hold evidence from anywhere. In additive training the
network is shown each face and two more pictures, of which one hides what the other shows. Half the difference of its answers to these
two has to be the difference of what the cells on either side gave to the whole face, so that what is hidden gives nothing. The cells'
parts are then the Shapley values of what they show, and the network learns to judge by parts of a face.

References:
    N. Jethani et al., "FastSHAP: real-time Shapley value estimation", ICLR 2022: the loss, there for an explainer of its own.
    A. Alkhatib et al., "Prediction via Shapley value regression", 2025: values learned together with the answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ferviz.attribution.methods.kernel_shap import draw_coalitions
from ferviz.errors import ModelError
from ferviz.fills import fill
from ferviz.models.architectures.layers import load_keras
from ferviz.training.explainer.coalitions import FILLS, patch_masks

GRIDS = (6, 3)
"""Rows and columns of the patches that are hidden, in turns: single features of a face, and entire regions of it."""


def with_coalitions(pixels: np.ndarray, seed: list[int]) -> np.ndarray:
    """Return faces, two pictures of each, of which one hides what the other shows, and what the first shows, side by side as channels.

    Args:
        pixels: (B, h, w, c) float32 in 0..255.
        seed: of the draw; its last number is the step's, which decides on the patches' size and on the fill.

    Returns:
        (B, h, w, 3 c + 1) float32.
    """
    rng = np.random.default_rng(seed)
    grid, kind = GRIDS[seed[-1] % len(GRIDS)], FILLS[seed[-1] // len(GRIDS) % len(FILLS)]
    count, height, width = pixels.shape[:3]
    patches = patch_masks(height, width, grid)
    drawn = draw_coalitions(grid**2, count, int(rng.integers(2**31)))
    at = rng.choice(len(drawn.members), count, p=drawn.weights / drawn.weights.sum())
    chosen = drawn.members[at] ^ (rng.random((count, 1)) < 0.5)
    seen = np.clip(np.tensordot(chosen.astype(np.float32), patches, 1), 0, 1)
    shown, covered = (fill(pixels, hidden, kind, seed[-1]) for hidden in (1 - seen, seen))
    return np.concatenate([pixels, shown, covered, seen[..., None]], -1)


def additive_network(core: Any) -> Any:
    """Return a network from what `with_coalitions` returns to (B, 2 K): the logits of the whole faces, and the cells' errors.

    It shares the layers of `core`. Batch normalisation keeps its statistics and nothing is dropped out, because the three pictures of a
    face have to be answered by one and the same function.

    Args:
        core: a keras.Model of K logits, which are a dense layer of the mean over a map.

    Raises:
        ModelError: it does not end so.
    """
    keras = load_keras()
    ops = keras.ops
    prepare, maps, dense = _parts(core)

    class Additive(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(name="additive")
            # As attributes, because JAX would compile other weights in as constants.
            self.prepare, self.maps, self.dense = prepare, maps, dense

        def call(self, inputs: Any) -> Any:
            pictures = ops.concatenate(ops.split(inputs[..., :-1], 3, -1))
            for layer in self.prepare:
                pictures = layer(pictures)
            cells = ops.matmul(ops.cast(self.maps(pictures, training=False), "float32"), self.dense.kernel)
            height, width = cells.shape[1:3]
            logits = ops.mean(cells, (1, 2)) + (self.dense.bias if self.dense.use_bias else 0)
            clean, shown, covered = ops.split(logits, 3)
            down, across = (_shares(int(old), new) for old, new in zip(inputs.shape[1:3], (height, width), strict=True))
            shares = ops.einsum("ai,nij,bj->nab", down, inputs[..., -1], across) - 0.5
            sums = ops.einsum("nij,nijk->nk", shares, ops.split(cells, 3)[0]) / (height * width)
            return ops.concatenate([clean, sums - (shown - covered) / 2], -1)

    return Additive()


def _shares(old: int, new: int) -> np.ndarray:
    """-> (new, old) float32, how much of each of `new` equal parts lies in each of `old` ones."""
    ends = np.arange(old + 1) / old
    starts = np.arange(new)[:, None] / new
    within = np.clip(ends, starts, starts + 1 / new)
    return (new * np.diff(within)).astype(np.float32)


def _parts(core: Any) -> tuple[list[Any], Any, Any]:
    """-> the layers before the map's network, that network from pictures to the map whose mean is taken, and the dense layer."""
    keras = load_keras()
    dense = core.layers[-1]
    problem = ModelError(
        f"{core.name} cannot be trained additively, because its classes are not a dense layer of the mean over a map; "
        "train the architecture residual, or leave the additive weight 0"
    )
    if not isinstance(dense, keras.layers.Dense) or not hasattr(core, "inputs"):
        raise problem
    before: list[Any] = []
    body, tensor = core, dense.input
    while True:
        layer = tensor._keras_history.operation
        if isinstance(layer, keras.layers.Dropout):
            tensor = layer.input
        elif isinstance(layer, keras.Model) and hasattr(layer, "inputs") and body is core:
            # A network that was read from a file stands inside, behind the scaling of its pictures.
            before = [part for part in core.layers[1:] if part not in (layer, dense)]
            body, tensor = layer, layer.outputs[0]
        elif isinstance(layer, keras.layers.GlobalAveragePooling2D) and not layer.keepdims:
            return before, keras.Model(body.inputs, layer.input), dense
        else:
            raise problem
