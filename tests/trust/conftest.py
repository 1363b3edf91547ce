"""Networks in NumPy whose important pixels are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model


class LinearEngine:
    """Logits that are weighted sums of the pixels. weights: (h, w, c, K). The head is a softmax."""

    name, channels_first, layers, head = "linear", False, (), "softmax"

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = np.asarray(weights, np.float32)
        self.input_shape, self.classes = self.weights.shape[:3], self.weights.shape[3]
        self.largest_batch = self.pictures = 0

    def logits(self, batch: np.ndarray) -> np.ndarray:
        self.largest_batch = max(self.largest_batch, len(batch))
        self.pictures += len(batch)
        return np.tensordot(batch, self.weights, 3).astype(np.float32)

    def activations(self, batch: np.ndarray, layers: Any) -> list[np.ndarray]:
        return [batch for _ in layers]

    def gradients(self, batch: np.ndarray, layer: str, weights: np.ndarray, of: str = "logits") -> Any:
        if of != "logits":  # a layer, which is the picture
            return batch, weights, self.logits(batch)
        gradient = np.einsum("ntk,hwck->nthwc", weights, self.weights)
        return batch, gradient, self.logits(batch)


@pytest.fixture(scope="session")
def linear_model() -> Callable[..., Model]:
    """A function from (h, w, c, K) weights to a Model whose logits they are; its pictures are scaled to 0..1."""

    def build(weights: np.ndarray) -> Model:
        height, width, channels, classes = weights.shape
        labels = tuple(f"class {number}" for number in range(classes))
        return Model("linear", "", labels, InputSpec(height, width, channels), LinearEngine(weights))

    return build


CHESS = (np.indices((4, 4)).sum(0) % 2 * 2 - 1)[..., None]
"""A pattern that no fill continues."""


@pytest.fixture(scope="session")
def pattern_network(linear_model: Callable[..., Model]) -> Callable[..., tuple[Model, np.ndarray]]:
    """A function from a place (rows, columns) to a network whose class 1 is a pattern there, and three faces that have it."""

    def build(
        place: tuple[slice, slice], shape: tuple[int, int, int] = (16, 16, 1), classes: int = 2
    ) -> tuple[Model, np.ndarray]:
        weights = np.zeros((*shape, classes))
        weights[*place, :, 1] = CHESS / shape[2]
        pictures = np.random.default_rng(0).integers(100, 130, (3, *shape)).astype(np.uint8)
        pictures[:, *place] = 115 + 100 * CHESS
        return linear_model(weights), pictures

    return build
