"""The landmark network that comes with ferviz: 48 x 48 pixels to five points and how far to trust them, on LiteRT."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ferviz.faces.landmarks.points import SIDE, TEMPLATE, Points, mirrored
from ferviz.native_logs import silenced
from ferviz.numerics import sigmoid

ASSET = Path(__file__).resolve().parents[2] / "assets" / "landmarks.tflite"
"""The network's file, made by tools/train_landmarks.py."""

SCALE = 6.0
"""The network's coordinates are offsets from the template in units of this many pixels."""

_CHUNK = 64  # faces in one run


def normalised(images: np.ndarray) -> npt.NDArray[np.float32]:
    """Return pictures as the network takes them: each less its mean, divided by its deviation + 8 grey levels.

    Args:
        images: (N, 48, 48), 0..255.

    Returns:
        (N, 48, 48, 1) float32.
    """
    values = images.astype(np.float32)
    values -= values.mean((1, 2), keepdims=True)
    values /= values.std((1, 2), keepdims=True) + 8
    return values[..., None]


def decoded(outputs: np.ndarray) -> tuple[Points, np.ndarray, np.ndarray]:
    """Return what the network's numbers mean.

    Args:
        outputs: (N, 12), ten coordinates, a log-variance and a logit.

    Returns:
        The points (N, 5, 2) in pixels of the frame of 48; the error (N,) in pixels that the network expects of them; and the
        probability (N,) that the picture is a face on which YuNet would be reliable.
    """
    points = outputs[:, :10].reshape(-1, 5, 2).astype(float) * SCALE + TEMPLATE
    # The variance is that of a coordinate: a distance has two of them.
    error = SCALE * np.sqrt(2 * np.exp(np.clip(outputs[:, 10].astype(float), -20, 8)))
    return points, error, sigmoid(outputs[:, 11].astype(float))


class LandmarkNetwork:
    """The network, ready to run; safe to share between threads.

    Args:
        content: a LiteRT file; None = the one that comes with ferviz.
    """

    def __init__(self, content: bytes | None = None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content or ASSET.read_bytes(), num_threads=1)
        self._runner = self._interpreter.get_signature_runner()
        self._lock = threading.Lock()
        with silenced(everything=True):  # the first run announces the processor back end
            self._run(np.zeros((1, SIDE, SIDE, 1), np.float32))

    def __call__(self, images: np.ndarray) -> tuple[Points, np.ndarray, np.ndarray]:
        """Locate landmarks, the mean of each picture's and its mirror image's.

        Args:
            images: (N, 48, 48), 0..255.

        Returns:
            As `decoded`.
        """
        both = np.concatenate([images, images[:, :, ::-1]])
        outputs = [self._run(normalised(both[start : start + _CHUNK])) for start in range(0, len(both), _CHUNK)]
        points, error, face = decoded(np.concatenate(outputs) if outputs else np.zeros((0, 12), np.float32))
        count = len(images)
        mean = (points[:count] + mirrored(points[count:], SIDE)) / 2
        return mean, (error[:count] + error[count:]) / 2, (face[:count] + face[count:]) / 2

    def _run(self, batch: np.ndarray) -> np.ndarray:
        with self._lock:
            outputs: dict[str, Any] = self._runner(picture=batch)
            return np.array(outputs["landmarks"])


@cache
def bundled_network() -> LandmarkNetwork:
    """Return the network that comes with ferviz, opened once."""
    return LandmarkNetwork()
