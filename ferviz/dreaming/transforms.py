"""Small random views of a picture, as part of the graph: a dream must please the network from all of them.

A picture that convinces only at one exact position is noise that fits; asking for the mean over shifted, turned, scaled,
lit and grainy views (the expectation over transformations, Athalye et al. 2018) leaves what a face has. Gradients flow back through
every view to the one picture, which itself is never moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Transforms:
    """How far views differ from the picture; the defaults suit faces of 48 pixels.

    shift: pixels at a picture height of 48, in both directions. rotate: radians. scale: fraction, .07 = between 1/1.07 and 1.07.
    contrast: fraction by which the deviation from the mean changes. brightness: largest shift of all pixels, in the range 0..1.
    noise: standard deviation of Gaussian noise, in the range 0..1; each view draws its own strength between 0 and this.
    blur: largest standard deviation of a Gaussian blur, in pixels at a height of 48. flip: mirror every second view.
    Every number may be 0: that part is left out. Shifts, rotations and scales are uniform between their limits.
    """

    shift: float = 3.0
    rotate: float = 0.1
    scale: float = 0.07
    contrast: float = 0.2
    brightness: float = 0.08
    noise: float = 0.08
    blur: float = 0.0
    flip: bool = False

    def apply(self, pictures: Any, samples: int, seed: Any) -> Any:
        """Return `samples` views of each picture.

        pictures: (F, h, w, c) float32 tensor in 0..1. seed: (2,) int32 tensor. -> (F * S, h, w, c), the views of one picture in a row;
        values may leave 0..1. The same S draws serve every picture, so a dream does not depend on what is dreamt beside it.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        count, height, width, channels = pictures.shape
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 8))

        def draw(limit: float, stream: int) -> Any:
            return tf.random.stateless_uniform((samples,), seeds[stream], -limit, limit)

        views = tf.repeat(pictures, samples, axis=0)
        if self.shift or self.rotate or self.scale:
            pixel = self.shift * height / 48.0
            angle, zoom = draw(self.rotate, 0), tf.exp(draw(self.scale, 1))
            matrices = _matrices(tf, angle, zoom, draw(pixel, 2), draw(pixel, 3), height, width)
            views = _warp(tf, views, tf.tile(matrices, (count, 1)), height, width)
        if self.flip:
            mirror = tf.tile(tf.range(samples) % 2 == 1, (count,))
            views = tf.where(mirror[:, None, None, None], views[:, :, ::-1], views)
        if self.blur:
            views = blurred(views, tf.tile(self.blur * height / 48.0 * tf.abs(draw(1.0, 4)), (count,)))
        if self.contrast or self.brightness:
            gain, offset = tf.tile(1.0 + draw(self.contrast, 5), (count,)), tf.tile(draw(self.brightness, 6), (count,))
            views = (views - 0.5) * gain[:, None, None, None] + 0.5 + offset[:, None, None, None]
        if self.noise:
            strength = self.noise * tf.random.stateless_uniform((samples, 1, 1, 1), seeds[7])
            grain = strength * tf.random.stateless_normal((samples, height, width, channels), seeds[7])
            views = views + tf.tile(grain, (count, 1, 1, 1))
        return views


NONE = Transforms(0, 0, 0, 0, 0, 0)
"""No transform at all: every view is the picture."""

PAD = 4
"""Pixels of mirrored border at a height of 48, so that a moved picture shows no empty edge."""


def _matrices(tf: Any, angle: Any, zoom: Any, down: Any, across: Any, height: int, width: int) -> Any:
    """Return (S, 8) projective transforms, output to input pixels, that turn and scale about the middle and then shift."""
    cos, sin = tf.cos(angle) / zoom, tf.sin(angle) / zoom
    y, x = (height - 1) / 2.0, (width - 1) / 2.0
    zero = tf.zeros_like(cos)
    return tf.stack([cos, -sin, x - cos * x + sin * y + across, sin, cos, y - sin * x - cos * y + down, zero, zero], 1)


def _warp(tf: Any, views: Any, matrices: Any, height: int, width: int) -> Any:
    pad = max(1, min(round(PAD * height / 48.0), height - 1, width - 1))
    edged = tf.pad(views, ((0, 0), (pad, pad), (pad, pad), (0, 0)), "REFLECT")
    # The padded picture's origin lies `pad` pixels up and left, and is where the border's values come from.
    shift = tf.constant([0, 0, pad, 0, 0, pad, 0, 0], tf.float32)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=edged,
        transforms=matrices + shift,
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def blurred(views: Any, deviation: Any) -> Any:
    """Return each picture blurred by a Gaussian of its own, as two products with band matrices.

    views: (N, h, w, c) tensor. deviation: (N,) tensor, in pixels; 0 leaves a picture as it is. -> (N, h, w, c).
    """
    from ferviz.engines.backend import tensorflow

    tf = tensorflow()

    def band(size: int) -> Any:
        place = tf.range(size, dtype=tf.float32)
        squared = tf.square(place[:, None] - place[None, :])
        weight = tf.exp(-squared / (2.0 * tf.square(deviation)[:, None, None] + 1e-3))
        return weight / tf.reduce_sum(weight, 2, keepdims=True)

    down = tf.einsum("nij,njwc->niwc", band(views.shape[1]), views)
    return tf.einsum("nij,nhjc->nhic", band(views.shape[2]), down)
