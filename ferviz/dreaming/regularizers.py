"""The costs of a dream: roughness, extreme pixels, and distance from the picture that it began with.

All weights are in units of the objective (logits), per pixel and for pixels in 0..1, so they mean the same at every size. Activations
have no common unit, so for them the weights may be relative to the objective itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Regularizers:
    """Weights of the costs that are subtracted from the objective; 0 leaves one out.

    Attributes:
        tv: of the total variation, the mean absolute difference of neighbours (Mahendran and Vedaldi 2015).
        l2: of the mean squared deviation from mid-grey.
        pull: of the mean squared distance from the start picture.
        relative: all weights are multiplied by the objective's current magnitude, which is the same as raising its logarithm with the
            weights as they are.
    """

    tv: float = 0.0
    l2: float = 0.0
    pull: float = 0.0
    relative: bool = False

    def cost(self, pictures: Any, starts: Any, values: Any) -> Any:
        """Compute the costs, in TensorFlow's operations.

        Args:
            pictures, starts: (F, h, w, c) tensors in 0..1.
            values: (F,) tensor, the objectives.

        Returns:
            (F,) tensor.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        cost = tf.zeros_like(pictures[:, 0, 0, 0])
        if self.tv:
            down = tf.reduce_mean(tf.abs(pictures[:, 1:] - pictures[:, :-1]), [1, 2, 3])
            across = tf.reduce_mean(tf.abs(pictures[:, :, 1:] - pictures[:, :, :-1]), [1, 2, 3])
            cost += self.tv * (down + across)
        if self.l2:
            cost += self.l2 * tf.reduce_mean(tf.square(pictures - 0.5), [1, 2, 3])
        if self.pull:
            cost += self.pull * tf.reduce_mean(tf.square(pictures - starts), [1, 2, 3])
        return cost * tf.stop_gradient(tf.abs(values)) if self.relative else cost

    def cost_gradient(self, pictures: np.ndarray, starts: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Compute the gradient of the costs at the pictures, in NumPy.

        Args:
            pictures, starts: (F, h, w, c) in 0..1.
            values: (F,) the objectives.

        Returns:
            (F, h, w, c) float32.
        """
        gradient = np.zeros_like(pictures, np.float32)
        pixels = np.float32(np.prod(pictures.shape[1:]))
        if self.tv:
            for axis in (1, 2):
                change = np.diff(pictures, axis=axis)
                slope = np.sign(change) * np.float32(self.tv / max(np.prod(change.shape[1:]), 1))
                sides = [(0, 0)] * 4
                sides[axis] = (1, 1)
                gradient -= np.diff(np.pad(slope, sides), axis=axis)
        if self.l2:
            gradient += self.l2 * 2.0 / pixels * (pictures - 0.5)
        if self.pull:
            gradient += self.pull * 2.0 / pixels * (pictures - starts)
        return gradient * np.abs(values)[:, None, None, None] if self.relative else gradient
