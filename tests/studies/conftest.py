"""A network that adds up the means of face regions, so that what every study has to find is known on paper."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.emotions import label_scheme
from ferviz.engines.base import INPUT, LOGITS, LayerInfo
from ferviz.faces.landmarks.points import TEMPLATE
from ferviz.faces.regions import REGIONS, region_masks
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

LABELS = ("happy", "sad", "neutral")
SIZE = (48, 48)
MASKS = region_masks(np.asarray(TEMPLATE, np.float64)[None], SIZE)[0].astype(np.float64)
WORTH = {"happy": {"mouth": 0.06}, "sad": {"eyes": 0.06}, "neutral": {}}


class RegionVotes:
    """The logit of a class is the weighted sum of the regions' mean grey levels above 128."""

    name, head, layers = "region-votes", "softmax", ()

    def __init__(self, worth: dict[str, dict[str, float]], labels: tuple[str, ...] = LABELS) -> None:
        weights = np.array([[worth.get(label, {}).get(name, 0.0) for name in REGIONS] for label in labels])
        self.classes = len(labels)
        self._density = np.einsum("kr,rhw->khw", weights / MASKS.sum((1, 2)), MASKS)

    def logits(self, batch: np.ndarray) -> np.ndarray:
        return np.einsum("mhw,khw->mk", batch[..., 0] - 128.0, self._density, optimize=True).astype(np.float32)

    def gradients(
        self, batch: np.ndarray, layer: str, weights: np.ndarray, of: str = LOGITS
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        assert (layer, of) == (INPUT, LOGITS)
        gradient = np.einsum("ntk,khw->nthw", weights, self._density, optimize=True).astype(np.float32)
        return batch, gradient[..., None], self.logits(batch)


def region_network(
    worth: dict[str, dict[str, float]] = WORTH, labels: tuple[str, ...] = LABELS, name: str = "votes"
) -> Model:
    engine: Any = RegionVotes(worth, labels)
    return Model(name, name.encode().hex(), labels, InputSpec(*SIZE, 1, scaling="0..255"), engine)


CELLS, BLOCK = 12, 4
MOUTH, EYES, SILENT, NOISE = range(4)
WEIGHTS = np.array([[0.5, -0.25, 0.0], [-0.1, 0.4, 0.0], [9.0, -9.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
"""(C, K): a channel of the mouth, of the eyes, one that is always silent, and one that no class uses."""


class PooledChannels:
    """Channels are block means behind a mask, the logits weighted means of channels."""

    name, head = "pooled", "softmax"
    classes = len(LABELS)
    layers = (
        LayerInfo("conv", "Conv2D", (CELLS, CELLS, 4), True),
        LayerInfo("pool", "GlobalAveragePooling2D", (4,), False),
    )

    def __init__(self) -> None:
        coarse = MASKS.reshape(-1, CELLS, BLOCK, CELLS, BLOCK).mean((2, 4))
        parts = [coarse[REGIONS.index("mouth")], coarse[REGIONS.index("eyes")], 0 * coarse[0], 0 * coarse[0] + 1]
        self.masks = np.stack(parts, axis=-1).astype(np.float32)

    def _conv(self, batch: np.ndarray) -> np.ndarray:
        blocks = batch[..., 0].reshape(-1, CELLS, BLOCK, CELLS, BLOCK).mean((2, 4))
        return np.float32(blocks)[..., None] * self.masks

    def activations(self, batch: np.ndarray, layers: Any) -> list[np.ndarray]:
        return [self._conv(batch) for _ in layers]

    def logits(self, batch: np.ndarray) -> np.ndarray:
        return self.logits_from(batch, "conv", self._conv(batch))

    def logits_from(self, batch: np.ndarray, layer: str, activation: np.ndarray) -> np.ndarray:
        return np.float32(activation.mean((1, 2)) @ WEIGHTS)

    def gradients(
        self, batch: np.ndarray, layer: str, weights: np.ndarray, of: str = LOGITS
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        conv = self._conv(batch)
        at_conv = weights
        if of == LOGITS:
            pooled = np.einsum("ntk,ck->ntc", weights, WEIGHTS) / CELLS**2
            at_conv = np.broadcast_to(pooled[:, :, None, None], (*pooled.shape[:2], CELLS, CELLS, pooled.shape[-1]))
        value = self.logits(batch) if of == LOGITS else conv
        if layer != INPUT:
            return conv, at_conv, value
        blocks = (at_conv * self.masks).sum(-1) / BLOCK**2
        return batch, np.float32(blocks.repeat(BLOCK, 2).repeat(BLOCK, 3)[..., None]), value


@pytest.fixture
def model() -> Model:
    return region_network()


@pytest.fixture(autouse=True)
def template_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every face's landmarks lie where the template has them, and are no makeshift."""
    from ferviz.studies import region_scores

    def located(faces: Any) -> list[Any]:
        points = np.asarray(TEMPLATE, np.float32)
        return [replace(face, landmarks=points, landmark_source="network", landmark_score=1.0) for face in faces]

    monkeypatch.setattr(region_scores, "locate_landmarks", located)


def pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Faces with a bright mouth, bright eyes, or neither, and which; noise keeps them apart."""
    rng = np.random.default_rng(seed)
    kind = np.arange(count) % 3
    base = rng.normal(110, 12, (count, *SIZE))
    for face, k in zip(base, kind, strict=True):
        if k < 2:
            face += 70 * MASKS[REGIONS.index("mouth" if k == 0 else "eyes")] * rng.uniform(0.7, 1.2)
    return np.clip(base, 0, 255).astype(np.uint8), kind


@pytest.fixture
def data() -> Dataset:
    images, kind = pictures(90)
    return Dataset(
        images, kind, np.full(90, "PublicTest"), np.arange(90) + 500, label_scheme(LABELS), None, "made.csv", "5a"
    )
