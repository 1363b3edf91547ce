"""The parameter randomisation test: what becomes of a method's maps when the network forgets what it has learned, from the output down.

A method whose maps stay as they were hardly depends on the weights, and fails. That the others pass proves nothing: noise passes, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.attribution.methods.registry import METHODS
from ferviz.engines.base import Array
from ferviz.errors import ModelError
from ferviz.evaluation.panel.bootstrap import json_number, known_mean
from ferviz.evaluation.panel.method_maps import MethodMaps
from ferviz.faces.face import Face
from ferviz.models.model import Model
from ferviz.models.randomise import RandomNetworks

DRAWS, STAGES = 3, 3
"""Networks drawn anew, and stages of each: the last layer, half of the layers, all."""

FACES = 64
"""Most faces, shared out among the draws."""

MAX_PASSES = 2000
"""Passes through the networks that the test of a method may take; a method that takes more gets one face for each draw."""

MAX_CORRELATION = 0.5
"""A method whose maps correlate more than this with those of networks with random weights hardly depends on the weights."""

Key = tuple[str, str | None]
"""A method, and the layer that it was asked at."""


@dataclass(frozen=True)
class Cascade:
    """How networks were drawn anew.

    Attributes:
        shares: (S,), of the layers with kernels, counted from the output; 0 is the last one alone, 1 is all.
        draws: how often.
        same_class: (S,), share of faces for which such a network still predicts the class.
    """

    shares: tuple[float, ...]
    draws: int
    same_class: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"draws": self.draws, "same_class": by_share(self.shares, self.same_class)}


@dataclass(frozen=True)
class Randomisation:
    """How like its own maps a method's maps of networks with weights drawn anew are; means of Spearman's correlation over faces.

    Attributes:
        shares: (S,), as of the Cascade.
        correlation: (S,), of the maps for the class that the network itself predicts.
        absolute: (S,), of the maps without their signs.
        draws: (D,), the correlation of each draw, all layers drawn.
        unrelated: of the map with another face's from a network with all layers drawn: as much comes of what all maps have in common.
        edges: of the map from such a network, without its signs, with the face's edges.
        faces: how many were asked.
    """

    shares: tuple[float, ...]
    correlation: tuple[float, ...]
    absolute: tuple[float, ...]
    draws: tuple[float, ...]
    unrelated: float
    edges: float
    faces: int

    @property
    def fails(self) -> bool:
        """Whether the maps, or what they are without their signs, hardly depend on the network's weights."""
        return max(self.correlation[-1], self.absolute[-1]) > MAX_CORRELATION

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        ends = [min(self.draws), max(self.draws)] if self.draws else [float("nan")] * 2
        return {
            "correlation": by_share(self.shares, self.correlation), "absolute": by_share(self.shares, self.absolute),
            "draws": [json_number(value) for value in ends], "unrelated": json_number(self.unrelated), "edges": json_number(self.edges),
            "faces": self.faces,
        }  # fmt: skip


def by_share(shares: Sequence[float], values: Sequence[float]) -> dict[str, float | None]:
    """Return {share of the layers: value}, for JSON.

    Args:
        shares: (S,).
        values: (S,).
    """
    return {f"{share:g}": json_number(value) for share, value in zip(shares, values, strict=True)}


def share_title(share: float) -> str:
    """Return what a stage is called: "last", "50%", "all".

    Args:
        share: of the layers, counted from the output.
    """
    return {0.0: "last", 1.0: "all"}.get(share, f"{share:.0%}")


def randomisation(
    model: Model,
    images: np.ndarray,
    faces: Sequence[Face],
    predicted: np.ndarray,
    answers: Mapping[Key, MethodMaps],
    draws: int = DRAWS,
    stages: int = STAGES,
    seed: int = 0,
    batch_size: int = 64,
    log: Callable[[str], None] = lambda text: None,
) -> tuple[Cascade, dict[Key, Randomisation]]:
    """Draw a network's weights anew, from the output down, and compare each method's maps with those that it had before.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, 3) uint8.
        faces: the same, with landmarks.
        predicted: (N,), the number of the class that the network predicts, which is explained in all networks.
        answers: what the methods said about these faces.
        draws: networks drawn anew; each sees other faces.
        stages: of each, at least 2; as many as the network has layers with kernels = layer by layer.
        seed: of the weights and of the methods.
        batch_size: pictures in one pass through the network.
        log: takes a phrase about what is done next.

    Returns:
        How the networks were drawn, and what became of the maps of each method that could be asked.

    Raises:
        ModelError: the network has no weights that can be drawn anew.
    """
    shares = tuple(float(share) for share in np.linspace(0, 1, stages))
    networks, edges = RandomNetworks(model, images), face_edges(model, images)
    tests = {
        key: _Test(answer, edges, _shared_out(len(images), answer.passes, draws, stages), stages)
        for key, answer in answers.items()
        if not METHODS[answer.method].needs_explainer  # which no network with random weights has
    }
    same = np.zeros((draws, stages))
    for draw in range(draws):
        for stage, share in enumerate(shares):
            log(f"maps of random weights: draw {draw + 1} of {draws}, {share_title(share)}")
            network = networks.draw(seed + draw, share)
            same[draw, stage] = (network.logits(images[:FACES], batch_size).argmax(1) == predicted[:FACES]).mean()
            for key, test in list(tests.items()):
                try:
                    test.ask(network, faces, predicted, draw, stage, seed, batch_size)
                except ModelError:  # not to be asked so with these weights: numbers too large, a path that is gone
                    del tests[key]
    cascade = Cascade(shares, draws, tuple(same.mean(0).tolist()))
    return cascade, {key: test.result(shares) for key, test in tests.items()}


class _Test:
    """The test of one method. answer: its maps; edges: the faces'; rows: the faces of each draw; stages: of the cascade."""

    def __init__(self, answer: MethodMaps, edges: Array, rows: list[np.ndarray], stages: int) -> None:
        self._answer, self._edges, self._rows = answer, edges, rows
        self._correlation: list[list[list[float]]] = [[[] for _ in rows] for _ in range(stages)]
        self._absolute: list[list[float]] = [[] for _ in range(stages)]
        self._unrelated: list[float] = []
        self._on_edges: list[float] = []

    def ask(
        self,
        network: Model,
        faces: Sequence[Face],
        predicted: np.ndarray,
        draw: int,
        stage: int,
        seed: int,
        batch_size: int,
    ) -> None:
        """Compare the maps of a draw's faces with those of a network."""
        rows, answer = self._rows[draw], self._answer
        maps = class_maps(network, [faces[i] for i in rows], predicted[rows], answer, seed, batch_size)
        own = answer.maps[rows]
        self._correlation[stage][draw] += [rank_correlation(a, b) for a, b in zip(own, maps, strict=True)]
        self._absolute[stage] += [rank_correlation(np.abs(a), np.abs(b)) for a, b in zip(own, maps, strict=True)]
        if stage == len(self._absolute) - 1:
            if len(rows) > 1:
                self._unrelated += [rank_correlation(a, b) for a, b in zip(own, np.roll(maps, 1, 0), strict=True)]
            edges = self._edges[rows]
            self._on_edges += [rank_correlation(np.abs(a), b) for a, b in zip(maps, edges, strict=True)]

    def result(self, shares: tuple[float, ...]) -> Randomisation:
        """Return the means."""
        return Randomisation(
            shares,
            tuple(float(np.mean(np.concatenate(values))) for values in self._correlation),
            tuple(float(np.mean(values)) for values in self._absolute),
            tuple(float(np.mean(values)) for values in self._correlation[-1]),
            known_mean(np.array(self._unrelated)),
            known_mean(np.array(self._on_edges)),
            len(np.unique(np.concatenate(self._rows))),
        )


def class_maps(
    network: Model, faces: Sequence[Face], classes: np.ndarray, answer: MethodMaps, seed: int, batch_size: int
) -> Array:
    """Return a method's maps of faces, each for a class of its own.

    Args:
        network: the network.
        faces: N of them.
        classes: (N,), numbers of the classes.
        answer: names the method and the layer.
        seed, batch_size: as for `ferviz.explain`.

    Returns:
        (N, h, w), at the size of the network's input.
    """
    maps = np.empty((len(faces), *answer.maps.shape[1:]), np.float32)
    for number in np.unique(classes):
        rows, target = np.flatnonzero(classes == number), [network.labels[number]]
        job = AttributionJob.prepare(network, answer.method, target, answer.layer or None, None, batch_size, seed)
        maps[rows] = job.with_templates().explain([faces[i] for i in rows.tolist()]).heatmaps[:, 0]
    return maps


def face_edges(model: Model, images: np.ndarray) -> Array:
    """Return how strong edges are in faces, by Sobel's operator.

    Args:
        model: the network, at whose size of pictures they are looked at.
        images: (N, H, W) or (N, H, W, 3) uint8.

    Returns:
        (N, h, w) float32.
    """
    grey = np.ascontiguousarray(model.input.resized(images).astype(np.float32).mean(-1))
    return np.stack([np.hypot(cv2.Sobel(each, -1, 1, 0), cv2.Sobel(each, -1, 0, 1)) for each in grey])


def _shared_out(count: int, passes: float, draws: int, stages: int) -> list[np.ndarray]:
    """-> the faces of each draw, spread over all; all draws together see at most FACES, and each at least one."""
    each = int(np.clip(MAX_PASSES / max(passes * draws * stages, 1), 1, -(-FACES // draws)))
    few = np.unique(np.linspace(0, count - 1, min(count, each * draws)).round().astype(int))
    return [few[draw % len(few) :: draws] for draw in range(draws)]
