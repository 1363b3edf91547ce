"""Parameterizations by a picture's spectrum: coefficients that fall with their frequency, or phases alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.dreaming.parameterizations.parameterization import Parameterization, Size, Vjp
from ferviz.engines.backend import tensorflow


@dataclass(frozen=True)
class Fourier(Parameterization):
    """A real spectrum, each coefficient divided by frequency ** decay.

    Attributes:
        decay: 1 is the fall of natural pictures; larger is smoother.
        deviation: of the coefficients before the first step.
        energy: the penalty is energy times the mean squared offset. Unlike a cost of the squashed pixels it can pull back what has
            become black or white.
    """

    decay: float = 1.0
    deviation: float = 0.01
    energy: float = 0.0

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        """Draw normal noise; see `Parameterization.start`.

        Args:
            size: (h, w, c).
            random: the source of the noise.
        """
        height, width, channels = size
        return random.normal(0, self.deviation, 2 * channels * height * (width // 2 + 1)).astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        """Transform the spectrum to a picture; see `Parameterization.offset`.

        Args:
            variables: (F, D) tensor.
            size: (h, w, c).
        """
        tf = tensorflow()
        height, width, channels = size
        parts = tf.reshape(variables, (-1, 2, channels, height, width // 2 + 1))
        spectrum = tf.complex(parts[:, 0], parts[:, 1]) * self._fall(height, width).astype(np.complex64)
        return tf.transpose(tf.signal.irfft2d(spectrum, (height, width)), (0, 2, 3, 1))

    def penalty(self, variables: Any, size: Size) -> Any:
        """Compute the energy of the offset; see `Parameterization.penalty`.

        Args:
            variables: (F, D) tensor.
            size: (h, w, c).
        """
        if not self.energy:
            return super().penalty(variables, size)
        return self.energy * tensorflow().reduce_mean(tensorflow().square(self.offset(variables, size)), [1, 2, 3])

    def offset_vjp(self, variables: np.ndarray, size: Size) -> tuple[np.ndarray, Vjp]:
        """Transform the spectrum to a picture; see `Parameterization.offset_vjp`.

        Args:
            variables: (F, D).
            size: (h, w, c).
        """
        height, width, channels = size
        fall = self._fall(height, width)
        parts = variables.reshape(-1, 2, channels, height, width // 2 + 1)
        offset = _picture((parts[:, 0] + 1j * parts[:, 1]) * fall, size)

        def vjp(gradient: np.ndarray) -> np.ndarray:
            spectrum = _at_spectrum(gradient, size) * fall
            return np.stack([spectrum.real, spectrum.imag], 1).reshape(variables.shape).astype(np.float32)

        return offset, vjp

    def penalty_gradient(self, variables: np.ndarray, size: Size) -> np.ndarray:
        """Compute the gradient of the energy; see `Parameterization.penalty_gradient`.

        Args:
            variables: (F, D).
            size: (h, w, c).
        """
        if not self.energy:
            return super().penalty_gradient(variables, size)
        offset, vjp = self.offset_vjp(variables, size)
        return vjp(offset * np.float32(2.0 * self.energy / np.prod(size)))

    def _fall(self, height: int, width: int) -> np.ndarray:
        across, down = np.meshgrid(np.fft.rfftfreq(width), np.fft.fftfreq(height))
        frequency = np.maximum(np.hypot(down, across), 1.0 / max(height, width))
        # sqrt(h * w) / 4 makes the same variables as large in the picture whatever its size; irfft2d divides by h * w.
        return frequency**-self.decay * np.sqrt(height * width) / 4.0


@dataclass(frozen=True)
class Phase(Parameterization):
    """Only the phases of a spectrum; its magnitudes stay those of real faces, so no frequency can be exaggerated.

    After MACO (Fel et al. 2023, arXiv:2306.06805).

    Attributes:
        magnitude: (h, w // 2 + 1), mean |rfft2| of faces minus their mean, in the range 0..1.
        phases: those before the first step, or None for random ones.
        spread: deviation of noise on the phases, radians.
    """

    magnitude: np.ndarray = field(repr=False)
    phases: np.ndarray | None = field(default=None, repr=False)
    spread: float = 0.1

    def start(self, size: Size, random: np.random.Generator) -> np.ndarray:
        """Draw phases; see `Parameterization.start`.

        Args:
            size: (h, w, c).
            random: the source of the noise.
        """
        height, width, channels = size
        noise = random.uniform(-np.pi, np.pi, (channels, height, width // 2 + 1))
        if self.phases is not None:
            noise = self.phases + noise * self.spread / np.pi
        return noise.ravel().astype(np.float32)

    def offset(self, variables: Any, size: Size) -> Any:
        """Transform the spectrum of these phases to a picture; see `Parameterization.offset`.

        Args:
            variables: (F, D) tensor.
            size: (h, w, c).
        """
        tf = tensorflow()
        height, width, channels = size
        phases = tf.reshape(variables, (-1, channels, height, width // 2 + 1))
        magnitude = self.magnitude.astype(np.float32)
        spectrum = tf.complex(magnitude * tf.cos(phases), magnitude * tf.sin(phases))
        return tf.transpose(tf.signal.irfft2d(spectrum, (height, width)), (0, 2, 3, 1))

    def offset_vjp(self, variables: np.ndarray, size: Size) -> tuple[np.ndarray, Vjp]:
        """Transform the spectrum of these phases to a picture; see `Parameterization.offset_vjp`.

        Args:
            variables: (F, D).
            size: (h, w, c).
        """
        height, width, channels = size
        phases = variables.reshape(-1, channels, height, width // 2 + 1)
        spectrum = self.magnitude * np.exp(1j * phases)

        def vjp(gradient: np.ndarray) -> np.ndarray:
            at = _at_spectrum(gradient, size)
            return (spectrum.real * at.imag - spectrum.imag * at.real).reshape(variables.shape).astype(np.float32)

        return _picture(spectrum, size), vjp


def _picture(spectrum: np.ndarray, size: Size) -> np.ndarray:
    """spectrum (F, c, h, w // 2 + 1) -> (F, h, w, c) float32."""
    return np.fft.irfft2(spectrum, (size[0], size[1])).transpose(0, 2, 3, 1).astype(np.float32)


def _at_spectrum(gradient: np.ndarray, size: Size) -> np.ndarray:
    """From the gradient at a picture (F, h, w, c) to those at the real and imaginary parts of its spectrum, as a complex array."""
    height, width, _ = size
    # Every column stands for itself and for its mirror image, except for those that are their own.
    twice = np.full(width // 2 + 1, 2.0)
    twice[0] = 1.0
    if width % 2 == 0:
        twice[-1] = 1.0
    return np.fft.rfft2(gradient.transpose(0, 3, 1, 2)) * twice / (height * width)
