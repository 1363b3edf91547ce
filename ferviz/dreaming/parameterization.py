"""What the ascent really changes: numbers from which a picture follows, smooth ones before rough ones.

A parameterization turns flat variables (F, D) into an offset (F, h, w, c) that is added to the start picture before both are
squashed into 0..1. It changes no optimum, but which of the many is found first: with Fourier coefficients divided by their
frequency all scales of a picture move together, with single pixels the noise does (Olah et al., "Feature Visualization", 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Size = Sequence[int]


class Parameterization:
    """Variables to pictures; `size` is (h, w, c)."""

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        """Return the variables of one picture to begin with, (D,) float32."""
        raise NotImplementedError

    def offset(self, variables: Any, size: Size) -> Any:
        """variables: (F, D) tensor -> (F, h, w, c) tensor, added to the start picture's logarithmic odds / SLOPE."""
        raise NotImplementedError

    def penalty(self, variables: Any, size: Size) -> Any:
        """-> (F,) tensor, what the ascent has to pay for these variables; nothing unless a parameterization says so."""
        return _tf().zeros_like(variables[:, 0])


SLOPE = 4.0
"""The squashing is sigmoid(SLOPE * x): its slope at mid-grey is 1, so an offset of .1 changes a grey pixel by .1."""


@dataclass(frozen=True)
class Pixels(Parameterization):
    """Each pixel by itself. deviation: of the normal noise to begin with, in the range 0..1."""

    deviation: float = 0.01

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        return random.normal(0, self.deviation, int(np.prod(size))).astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        return _tf().reshape(variables, (-1, *size))


@dataclass(frozen=True)
class Fourier(Parameterization):
    """A real spectrum, each coefficient divided by frequency ** decay.

    decay: 1 is the fall of natural pictures; larger is smoother. deviation: of the coefficients to begin with. energy: the penalty is
    energy times the mean squared offset. Unlike a cost of the squashed pixels it can pull back what has become black or white.
    """

    decay: float = 1.0
    deviation: float = 0.01
    energy: float = 0.0

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        height, width, channels = size
        return random.normal(0, self.deviation, 2 * channels * height * (width // 2 + 1)).astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        tf = _tf()
        height, width, channels = size
        parts = tf.reshape(variables, (-1, 2, channels, height, width // 2 + 1))
        spectrum = tf.complex(parts[:, 0], parts[:, 1]) * self._fall(height, width).astype(np.complex64)
        return tf.transpose(tf.signal.irfft2d(spectrum, (height, width)), (0, 2, 3, 1))

    def penalty(self, variables: Any, size: Size) -> Any:
        if not self.energy:
            return super().penalty(variables, size)
        return self.energy * _tf().reduce_mean(_tf().square(self.offset(variables, size)), [1, 2, 3])

    def _fall(self, height: int, width: int) -> np.ndarray:
        across, down = np.meshgrid(np.fft.rfftfreq(width), np.fft.fftfreq(height))
        frequency = np.maximum(np.hypot(down, across), 1.0 / max(height, width))
        # sqrt(h * w) / 4 makes the same variables as large in the picture whatever its size; irfft2d divides by h * w.
        return frequency**-self.decay * np.sqrt(height * width) / 4.0


@dataclass(frozen=True)
class Phase(Parameterization):
    """Only the phases of a spectrum; its magnitudes stay those of real faces, so no frequency can be exaggerated.

    After MACO (Fel et al. 2023, arXiv:2306.06805). magnitude: (h, w // 2 + 1), mean |rfft2| of faces less their mean, in the range
    0..1; start: the phases to begin with, or None for random ones. spread: deviation of noise on the phases, radians.
    """

    magnitude: np.ndarray = field(repr=False)
    phases: np.ndarray | None = field(default=None, repr=False)
    spread: float = 0.1

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        height, width, channels = size
        noise = random.uniform(-np.pi, np.pi, (channels, height, width // 2 + 1))
        if self.phases is not None:
            noise = self.phases + noise * self.spread / np.pi
        return noise.ravel().astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        tf = _tf()
        height, width, channels = size
        phases = tf.reshape(variables, (-1, channels, height, width // 2 + 1))
        magnitude = self.magnitude.astype(np.float32)
        spectrum = tf.complex(magnitude * tf.cos(phases), magnitude * tf.sin(phases))
        return tf.transpose(tf.signal.irfft2d(spectrum, (height, width)), (0, 2, 3, 1))


@dataclass(frozen=True)
class Components(Parameterization):
    """Coordinates along the principal components of real faces ("eigenfaces", Turk and Pentland 1991), in deviations of each.

    components: (P, h, w), each scaled by the deviation that faces have along it, in the range 0..1. strength: the penalty is strength
    times the mean squared coordinate (the Mahalanobis distance from the mean face, per component): 1 is a typical face.
    """

    components: np.ndarray = field(repr=False)
    strength: float = 1.0
    deviation: float = 0.05

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        return random.normal(0, self.deviation, len(self.components)).astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        tf = _tf()
        flat = self.components.reshape(len(self.components), -1).astype(np.float32)
        offset = tf.reshape(tf.matmul(variables, flat), (-1, size[0], size[1], 1))
        return tf.repeat(offset, size[2], axis=3)

    def penalty(self, variables: Any, size: Size) -> Any:
        tf = _tf()
        return self.strength * tf.reduce_mean(tf.square(variables), 1)


@dataclass(frozen=True)
class Pyramid(Parameterization):
    """A Laplacian pyramid: the sum of pictures of h, h / 2, h / 4 ... pixels, each blown up; rough and smooth detail move alike.

    For networks that take one size only, what octaves are for the others (Lucid's `laplacian_pyramid_image`). levels: at most this
    many, as far as 4 pixels remain. deviation: of the normal noise to begin with.
    """

    levels: int = 4
    deviation: float = 0.0

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        count = sum(height * width * size[2] for height, width in self._sizes(size))
        return random.normal(0, self.deviation, count).astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        tf = _tf()
        sizes = self._sizes(size)
        levels = tf.split(variables, [height * width * size[2] for height, width in sizes], axis=1)
        total = 0.0
        for level, (height, width) in zip(levels, sizes, strict=True):
            total += tf.image.resize(tf.reshape(level, (-1, height, width, size[2])), size[:2])
        return total

    def _sizes(self, size: Size) -> list[tuple[int, int]]:
        halves = [(size[0] >> level, size[1] >> level) for level in range(self.levels)]
        return [half for half in halves if min(half) >= 4] or [(size[0], size[1])]


@dataclass(frozen=True)
class Sum(Parameterization):
    """Several parameterizations at once, their offsets added."""

    parts: tuple[Parameterization, ...]

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        return np.concatenate([part.start(size, random) for part in self.parts])

    def offset(self, variables: Any, size: Size) -> Any:
        return sum(part.offset(v, size) for part, v in self._split(variables, size))

    def penalty(self, variables: Any, size: Size) -> Any:
        return sum(part.penalty(v, size) for part, v in self._split(variables, size))

    def _split(self, variables: Any, size: Size) -> list[tuple[Parameterization, Any]]:
        lengths = [len(part.start(size, np.random.default_rng(0))) for part in self.parts]
        return list(zip(self.parts, _tf().split(variables, lengths, axis=1), strict=True))


def _tf() -> Any:
    from ferviz.engines.backend import tensorflow

    return tensorflow()
