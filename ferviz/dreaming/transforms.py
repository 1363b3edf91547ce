"""Small random views of a picture: a dream has to score well in all of them.

A picture that convinces only at one exact position is noise that fits; asking for the mean over shifted, rotated, scaled, lighter,
darker and grainier views (the expectation over transformations, Athalye et al. 2018) leaves what a face has. Gradients flow back through
every view to the one picture, which itself is never moved. `apply` draws the views within a TensorFlow graph; `apply_vjp` draws
views of the same distribution in NumPy, from a generator of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

PAD = 4
"""Pixels of mirrored border at a height of 48, so that a moved picture shows no empty edge."""


@dataclass(frozen=True)
class Transforms:
    """How far views differ from the picture; the defaults suit faces of 48 pixels.

    Every number may be 0: that part is left out. Shifts, rotations and scales are uniform between their limits.

    Attributes:
        shift: pixels at a picture height of 48, in both directions.
        rotate: radians.
        scale: fraction, .07 = between 1/1.07 and 1.07.
        contrast: fraction by which the deviation from the mean changes.
        brightness: largest shift of all pixels, in the range 0..1.
        noise: standard deviation of Gaussian noise, in the range 0..1; each view draws its own strength between 0 and this.
        blur: largest standard deviation of a Gaussian blur, in pixels at a height of 48.
        flip: mirror every second view.
    """

    shift: float = 3.0
    rotate: float = 0.1
    scale: float = 0.07
    contrast: float = 0.2
    brightness: float = 0.08
    noise: float = 0.08
    blur: float = 0.0
    flip: bool = False

    def apply(self, pictures: Any, samples: int, seed: Any, copies: int = 1) -> Any:
        """Draw views of pictures, as part of a TensorFlow graph.

        Args:
            pictures: (F, h, w, c) float32 tensor in 0..1.
            samples: S, views per picture.
            seed: (2,) int32 tensor.
            copies: pictures of one objective, which stand in a row; each has draws of its own.

        Returns:
            (F * S, h, w, c), the views of one picture in a row; values may leave 0..1. The same draws serve every objective, so a dream
            does not depend on the dreams beside it.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        count, height, width, channels = pictures.shape
        count, draws = count // copies, samples * copies
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 8))

        def draw(limit: float, stream: int) -> Any:
            return tf.random.stateless_uniform((draws,), seeds[stream], -limit, limit)

        views = tf.repeat(pictures, samples, axis=0)
        if self.shift or self.rotate or self.scale:
            pixel = self.shift * height / 48.0
            angle, zoom = draw(self.rotate, 0), tf.exp(draw(self.scale, 1))
            matrices = _matrices(tf, angle, zoom, draw(pixel, 2), draw(pixel, 3), height, width)
            views = _warp(tf, views, tf.tile(matrices, (count, 1)), height, width)
        if self.flip:
            mirror = tf.tile(tf.range(draws) % 2 == 1, (count,))
            views = tf.where(mirror[:, None, None, None], views[:, :, ::-1], views)
        if self.blur:
            views = blurred(views, tf.tile(self.blur * height / 48.0 * tf.abs(draw(1.0, 4)), (count,)))
        if self.contrast or self.brightness:
            gain, offset = tf.tile(1.0 + draw(self.contrast, 5), (count,)), tf.tile(draw(self.brightness, 6), (count,))
            views = (views - 0.5) * gain[:, None, None, None] + 0.5 + offset[:, None, None, None]
        if self.noise:
            strength = self.noise * tf.random.stateless_uniform((draws, 1, 1, 1), seeds[7])
            grain = strength * tf.random.stateless_normal((draws, height, width, channels), seeds[7])
            views = views + tf.tile(grain, (count, 1, 1, 1))
        return views

    def apply_vjp(
        self, pictures: np.ndarray, samples: int, random: np.random.Generator, copies: int = 1
    ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Draw views of pictures in NumPy, all of the transforms above, and how a gradient flows back through them.

        Every view is an affine function of its picture, so its gradient is exact.

        Args:
            pictures: (F, h, w, c) float32 in 0..1.
            samples: S, views per picture.
            random: the source of the draws.
            copies: as for `apply`.

        Returns:
            The views (F * S, h, w, c), the views of one picture in a row, and a function from the gradient at the views to that at the
            pictures (F, h, w, c). The same draws serve every objective.
        """
        size = pictures.shape[1:]
        of_copy = [
            [self._view(pictures[copy::copies], copy * samples + sample, random) for sample in range(samples)]
            for copy in range(copies)
        ]

        def vjp(gradient: np.ndarray) -> np.ndarray:
            parts = gradient.reshape(-1, copies, samples, *size)
            sums = [
                sum(back(parts[:, copy, sample]) for sample, (_, back) in enumerate(views))
                for copy, views in enumerate(of_copy)
            ]
            return np.stack(sums, 1).reshape(-1, *size).astype(np.float32)

        flat = np.stack([np.stack([view for view, _ in views], 1) for views in of_copy], 1).reshape(-1, *size)
        return np.ascontiguousarray(flat, np.float32), vjp

    def _view(
        self, view: np.ndarray, sample: int, random: np.random.Generator
    ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """One view of every picture, and how a gradient flows back through it."""
        height, width = view.shape[1:3]
        backwards: list[Callable[[np.ndarray], np.ndarray]] = []
        if self.shift or self.rotate or self.scale:
            pixel = self.shift * height / 48.0
            angle, zoom = random.uniform(-self.rotate, self.rotate), np.exp(random.uniform(-self.scale, self.scale))
            down, across = random.uniform(-pixel, pixel, 2)
            warp = warp_matrix(angle, zoom, down, across, height, width)
            view = _times(warp, view)
            backwards.append(lambda gradient: _times(warp.T, gradient))
        if self.flip and sample % 2 == 1:
            view = view[:, :, ::-1]
            backwards.append(lambda gradient: gradient[:, :, ::-1])
        if self.blur:
            deviation = self.blur * height / 48.0 * abs(random.uniform(-1.0, 1.0))
            bands = blur_band(height, deviation), blur_band(width, deviation)
            view = blurred_by(view, *bands)
            backwards.append(lambda gradient: blurred_by(gradient, bands[0].T, bands[1].T))
        if self.contrast or self.brightness:
            gain = np.float32(1.0 + random.uniform(-self.contrast, self.contrast))
            view = (view - 0.5) * gain + np.float32(0.5 + random.uniform(-self.brightness, self.brightness))
            backwards.append(lambda gradient: gradient * gain)
        if self.noise:
            view = view + self.noise * random.uniform() * random.normal(size=view.shape[1:]).astype(np.float32)

        def vjp(gradient: np.ndarray) -> np.ndarray:
            for back in reversed(backwards):
                gradient = back(gradient)
            return gradient

        return view, vjp


NONE = Transforms(0, 0, 0, 0, 0, 0)
"""No transform at all: every view is the picture."""


def blurred(views: Any, deviation: Any) -> Any:
    """Blur each picture by a Gaussian of its own, as two products with band matrices, in TensorFlow's operations.

    Args:
        views: (N, h, w, c) tensor.
        deviation: (N,) tensor, in pixels; 0 leaves a picture as it is.

    Returns:
        (N, h, w, c) tensor.
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


def blur_band(size: int, deviation: float) -> np.ndarray:
    """Make the matrix of a Gaussian blur along one axis.

    Args:
        size: pixels along the axis.
        deviation: of the Gaussian, in pixels; 0 leaves everything as it is.

    Returns:
        (size, size) float32, whose rows sum to 1.
    """
    squared = np.square(np.subtract.outer(np.arange(size), np.arange(size)), dtype=np.float32)
    weight = np.exp(-squared / np.float32(2.0 * deviation**2 + 1e-3))
    return weight / weight.sum(1, keepdims=True)


def blurred_by(pictures: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Multiply pictures by a matrix along each axis.

    Args:
        pictures: (N, h, w, c).
        down: (h, h).
        across: (w, w).

    Returns:
        (N, h, w, c).
    """
    return np.matmul(across, np.tensordot(down, pictures, (1, 1)).swapaxes(0, 1))  # type: ignore[no-any-return]


def warp_matrix(angle: float, zoom: float, down: float, across: float, height: int, width: int) -> Any:
    """Make the sparse matrix of a bilinear warp: rotated and scaled about the middle, then shifted, with a mirrored border.

    Args:
        angle: radians.
        zoom: factor, above 1 enlarges.
        down, across: pixels.
        height, width: of the picture.

    Returns:
        (h * w, h * w) float32 in scipy's CSR form, from the pixels of a picture to those of its view.
    """
    from scipy.sparse import csr_array

    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    y, x = np.mgrid[:height, :width].astype(np.float64)
    middle_y, middle_x = (height - 1) / 2.0, (width - 1) / 2.0
    source_x = cos * (x - middle_x) - sin * (y - middle_y) + middle_x + across
    source_y = sin * (x - middle_x) + cos * (y - middle_y) + middle_y + down
    rows, columns, weights = [], [], []
    pad = _border(height, width)
    tops, lefts = (np.clip(at, -pad, size - 1 + pad) for at, size in ((source_y, height), (source_x, width)))
    for row, share_y in _neighbours(tops):
        for column, share_x in _neighbours(lefts):
            rows.append(np.arange(height * width))
            columns.append((_mirrored(row, height) * width + _mirrored(column, width)).ravel())
            weights.append((share_y * share_x).ravel())
    entries = np.concatenate(weights).astype(np.float32), (np.concatenate(rows), np.concatenate(columns))
    return csr_array(entries, shape=(height * width, height * width))


def _neighbours(places: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """-> the whole numbers below and above each place, each with its share in a linear interpolation."""
    below = np.floor(places)
    return [(below.astype(int), 1.0 - (places - below)), (below.astype(int) + 1, places - below)]


def _mirrored(places: np.ndarray, size: int) -> np.ndarray:
    """Fold places beyond the border back into 0..size-1; the border itself is not doubled."""
    folded = np.abs(places) % max(2 * (size - 1), 1)
    return np.minimum(folded, 2 * (size - 1) - folded)


def _times(matrix: Any, pictures: np.ndarray) -> np.ndarray:
    """(h * w, h * w) times each picture of (N, h, w, c)."""
    flat = pictures.reshape(len(pictures), -1, pictures.shape[3]).transpose(1, 0, 2)
    return (matrix @ flat.reshape(len(flat), -1)).reshape(flat.shape).transpose(1, 0, 2).reshape(pictures.shape)  # type: ignore[no-any-return]


def _border(height: int, width: int) -> int:
    return max(1, min(round(PAD * height / 48.0), height - 1, width - 1))


def _matrices(tf: Any, angle: Any, zoom: Any, down: Any, across: Any, height: int, width: int) -> Any:
    """-> (S, 8) projective transforms, output to input pixels, that rotate and scale about the middle and then shift."""
    cos, sin = tf.cos(angle) / zoom, tf.sin(angle) / zoom
    y, x = (height - 1) / 2.0, (width - 1) / 2.0
    zero = tf.zeros_like(cos)
    return tf.stack([cos, -sin, x - cos * x + sin * y + across, sin, cos, y - sin * x - cos * y + down, zero, zero], 1)


def _warp(tf: Any, views: Any, matrices: Any, height: int, width: int) -> Any:
    pad = _border(height, width)
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
