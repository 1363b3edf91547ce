"""What a dream has to pay for: roughness, extreme pixels, and distance from the face that it began with.

All weights are in units of the objective (logits), per pixel and for pixels in 0..1, so they mean the same at every size. Activations
have no common unit, so for them the weights may be relative to the objective itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Regularizers:
    """Weights of what is taken from the objective; 0 leaves a part out.

    tv: total variation, the mean absolute difference of neighbours (Mahendran and Vedaldi 2015). l2: the mean squared deviation from
    mid-grey. pull: the mean squared distance from the start picture. relative: all weights are multiplied by the objective's own
    magnitude of the moment, which is the same as climbing its logarithm with the weights as they are.
    """

    tv: float = 0.0
    l2: float = 0.0
    pull: float = 0.0
    relative: bool = False

    def cost(self, pictures: Any, starts: Any, values: Any) -> Any:
        """pictures, starts: (F, h, w, c) tensors in 0..1; values: (F,) tensor, the objectives -> (F,) tensor."""
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
