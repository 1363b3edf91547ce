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
        self.largest_batch = 0

    def logits(self, batch: np.ndarray) -> np.ndarray:
        self.largest_batch = max(self.largest_batch, len(batch))
        return np.tensordot(batch, self.weights, 3).astype(np.float32)

    def activations(self, batch: np.ndarray, layers: Any) -> list[np.ndarray]:
        return [batch for _ in layers]

    def gradients(self, batch: np.ndarray, layer: str, weights: np.ndarray, of: str = "logits") -> Any:
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
