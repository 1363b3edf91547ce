"""Parameterizations in the space of the picture: single pixels, principal components of faces, a pyramid of sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.dreaming.parameterizations.parameterization import Parameterization, Size, Vjp
from ferviz.engines.backend import tensorflow


@dataclass(frozen=True)
class Pixels(Parameterization):
    """Every pixel by itself.

    Attributes:
        deviation: of the normal noise before the first step, in the range 0..1.
    """

    deviation: float = 0.01

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        """Draw normal noise; see `Parameterization.start`.

        Args:
            size: (h, w, c).
            random: the source of the noise.
        """
        return random.normal(0, self.deviation, int(np.prod(size))).astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        """Reshape the variables; see `Parameterization.offset`.

        Args:
            variables: (F, D) tensor.
            size: (h, w, c).
        """
        return tensorflow().reshape(variables, (-1, *size))

    def offset_vjp(self, variables: np.ndarray, size: Size) -> tuple[np.ndarray, Vjp]:
        """Reshape the variables; see `Parameterization.offset_vjp`.

        Args:
            variables: (F, D).
            size: (h, w, c).
        """
        return variables.reshape(-1, *size), lambda gradient: gradient.reshape(variables.shape)


@dataclass(frozen=True)
class Components(Parameterization):
    """Coordinates along the principal components of real faces ("eigenfaces", Turk and Pentland 1991), in deviations of each.

    Attributes:
        components: (P, h, w), each scaled by the deviation that faces have along it, in the range 0..1.
        strength: the penalty is strength times the mean squared coordinate (the Mahalanobis distance from the mean face, per
            component): 1 is a typical face.
        deviation: of the coordinates before the first step.
    """

    components: np.ndarray = field(repr=False)
    strength: float = 1.0
    deviation: float = 0.05

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        """Draw coordinates near zero; see `Parameterization.start`.

        Args:
            size: (h, w, c).
            random: the source of the noise.
        """
        return random.normal(0, self.deviation, len(self.components)).astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        """Add up the components, the same in every colour; see `Parameterization.offset`.

        Args:
            variables: (F, P) tensor.
            size: (h, w, c).
        """
        tf = tensorflow()
        offset = tf.reshape(tf.matmul(variables, self._flat()), (-1, size[0], size[1], 1))
        return tf.repeat(offset, size[2], axis=3)

    def penalty(self, variables: Any, size: Size) -> Any:
        """Compute the Mahalanobis distance; see `Parameterization.penalty`.

        Args:
            variables: (F, P) tensor.
            size: (h, w, c).
        """
        tf = tensorflow()
        return self.strength * tf.reduce_mean(tf.square(variables), 1)

    def offset_vjp(self, variables: np.ndarray, size: Size) -> tuple[np.ndarray, Vjp]:
        """Add up the components, the same in every colour; see `Parameterization.offset_vjp`.

        Args:
            variables: (F, P).
            size: (h, w, c).
        """
        flat = self._flat()
        offset = (variables @ flat).reshape(-1, size[0], size[1], 1)
        return np.repeat(offset, size[2], axis=3), lambda gradient: gradient.sum(3).reshape(len(gradient), -1) @ flat.T

    def penalty_gradient(self, variables: np.ndarray, size: Size) -> np.ndarray:
        """Compute the gradient of the Mahalanobis distance; see `Parameterization.penalty_gradient`.

        Args:
            variables: (F, P).
            size: (h, w, c).
        """
        return variables * np.float32(2.0 * self.strength / variables.shape[1])

    def _flat(self) -> np.ndarray:
        return self.components.reshape(len(self.components), -1).astype(np.float32)


@dataclass(frozen=True)
class Pyramid(Parameterization):
    """A Laplacian pyramid: the sum of pictures of h, h / 2, h / 4 ... pixels, each enlarged; rough and smooth detail move alike.

    For networks that take a single size, what octaves are for the others (Lucid's `laplacian_pyramid_image`).

    Attributes:
        levels: at most so many, as long as 4 pixels remain.
        deviation: of the normal noise before the first step.
    """

    levels: int = 4
    deviation: float = 0.0

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        """Draw normal noise; see `Parameterization.start`.

        Args:
            size: (h, w, c).
            random: the source of the noise.
        """
        return random.normal(0, self.deviation, sum(self._lengths(size))).astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        """Enlarge every level and add them up; see `Parameterization.offset`.

        Args:
            variables: (F, D) tensor.
            size: (h, w, c).
        """
        tf = tensorflow()
        levels = tf.split(variables, self._lengths(size), axis=1)
        total = 0.0
        for level, (height, width) in zip(levels, self._sizes(size), strict=True):
            total += tf.image.resize(tf.reshape(level, (-1, height, width, size[2])), size[:2])
        return total

    def offset_vjp(self, variables: np.ndarray, size: Size) -> tuple[np.ndarray, Vjp]:
        """Enlarge every level and add them up; see `Parameterization.offset_vjp`.

        Args:
            variables: (F, D).
            size: (h, w, c).
        """
        height, width, channels = size
        sizes = self._sizes(size)
        scales = [(_enlargement(h, height), _enlargement(w, width)) for h, w in sizes]
        levels = np.split(variables, np.cumsum(self._lengths(size))[:-1], axis=1)
        total = sum(
            _separable(level.reshape(-1, h, w, channels), down, across)
            for level, (h, w), (down, across) in zip(levels, sizes, scales, strict=True)
        )

        def vjp(gradient: np.ndarray) -> np.ndarray:
            parts = [_separable(gradient, down.T, across.T) for down, across in scales]
            return np.concatenate([part.reshape(len(gradient), -1) for part in parts], 1)

        return np.asarray(total), vjp

    def _sizes(self, size: Size) -> list[tuple[int, int]]:
        halves = [(size[0] >> level, size[1] >> level) for level in range(self.levels)]
        return [half for half in halves if min(half) >= 4] or [(size[0], size[1])]

    def _lengths(self, size: Size) -> list[int]:
        return [height * width * size[2] for height, width in self._sizes(size)]


def _enlargement(old: int, new: int) -> np.ndarray:
    """-> (new, old) float32: linear interpolation with half-pixel centres, as tf.image.resize does it."""
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    below = np.floor(place).astype(int)
    matrix = np.zeros((new, old), np.float32)
    matrix[np.arange(new), below] = 1.0 - (place - below)
    matrix[np.arange(new), np.minimum(below + 1, old - 1)] += (place - below).astype(np.float32)
    return matrix


def _separable(pictures: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """pictures (N, h, w, c), down (H, h), across (W, w) -> (N, H, W, c)."""
    return np.einsum("Ww,nHwc->nHWc", across, np.einsum("Hh,nhwc->nHwc", down, pictures, optimize=True), optimize=True)
