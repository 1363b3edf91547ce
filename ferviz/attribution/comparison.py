"""Comparing explanations: the same faces by several methods, layers or networks, and how far the maps agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.attribution.explain import explain
from ferviz.attribution.explanation import Explanation
from ferviz.attribution.metrics import rank_correlation
from ferviz.attribution.resize import resize_maps
from ferviz.engines.base import Array
from ferviz.errors import UsageError
from ferviz.faces.crops import as_faces
from ferviz.models.model import Model


@dataclass(frozen=True, eq=False)
class ExplanationComparison:
    """What `compare` answers.

    names: (M,) what each explanation differs in, e.g. "gradcam" or "gradcam, conv3, my-net". explanations: one each, of the same faces
    and one target. correlation: (M, M) float64, Spearman's rank correlation of the maps at picture size, the mean over the faces.
    """

    names: tuple[str, ...]
    explanations: tuple[Explanation, ...] = field(repr=False)
    correlation: np.ndarray = field(repr=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What has to be said about any of the maps, each with its name."""
        return tuple(f"{n}: {w}" for n, e in zip(self.names, self.explanations, strict=True) for w in e.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data."""
        return {
            "names": list(self.names),
            "correlation": self.correlation.tolist(),
            "explanations": [e.to_dict() for e in self.explanations],
        }


def compare_explanations(
    models: Model | Sequence[Model],
    faces: Any,
    methods: Sequence[str] = ("gradcam",),
    layers: Sequence[str | None] = (None,),
    target: str = "predicted",
    batch_size: int = 64,
    *,
    seed: int = 0,
) -> ExplanationComparison:
    """Explain the same faces by every combination of networks, methods and layers.

    models, methods, layers: one or several each; a layer None is each network's default. target: one target, the same for all;
    "predicted" is what the first network says, so that all maps explain one class. Other arguments: as for `ferviz.explain`.
    Raises UsageError for fewer than two combinations or several targets, and what `explain` raises.
    """
    models = [models] if isinstance(models, Model) else list(models)
    found = as_faces(faces)
    combinations = [(m, method, layer) for m in models for method in methods for layer in layers]
    if len(combinations) < 2:
        raise UsageError("there is nothing to compare: name two methods, two layers or two networks")
    if len({m.name for m in models}) < len(models):
        names = [f"{m.name} {i}" for i, m in enumerate(models, 1)]
    else:
        names = [m.name for m in models]
    said = [p.label for p in models[0].predict(found)] if target == "predicted" else [target] * len(found)
    made = [_each(model, found, method, said, layer, batch_size, seed, target) for model, method, layer in combinations]
    labels = tuple(
        ", ".join(
            part
            for part, differs in (
                (method, len(methods) > 1),
                (layer or "default layer", len(layers) > 1),
                (names[models.index(model)], len(models) > 1),
            )
            if differs
        )
        for model, method, layer in combinations
    )
    return ExplanationComparison(labels, tuple(made), agreement([e.heatmaps[:, 0] for e in made]))


def agreement(maps: Sequence[Array]) -> np.ndarray:
    """Return the mean rank correlation of each pair of map sets.

    maps: M arrays (N, H, W); where sizes differ all are brought to the largest. -> (M, M) float64, ones on the diagonal.
    """
    height, width = (max(m.shape[i] for m in maps) for i in (1, 2))
    alike = [resize_maps(m, height, width) for m in maps]
    table = np.eye(len(maps))
    for i, a in enumerate(alike):
        for j in range(i):
            pairs = zip(a, alike[j], strict=True)
            table[i, j] = table[j, i] = np.mean([rank_correlation(x, y) for x, y in pairs])
    return table


def _each(
    model: Model,
    faces: Sequence[Any],
    method: str,
    said: Sequence[str],
    layer: str | None,
    batch_size: int,
    seed: int,
    target: str,
) -> Explanation:
    """Explain each face for its own class, and put the faces back into order."""
    from dataclasses import replace

    parts: dict[int, Explanation] = {}
    for label in dict.fromkeys(said):
        rows = [i for i, s in enumerate(said) if s == label]
        part = explain(model, [faces[i] for i in rows], method, label, layer, batch_size, seed=seed)
        if len(part.targets) != 1:
            raise UsageError("a comparison takes one target; name one class or one contrast")
        parts |= {row: part[k] for k, row in enumerate(rows)}
    order = [parts[i] for i in range(len(faces))]
    return replace(
        order[0],
        heatmaps=np.concatenate([p.heatmaps for p in order]),
        raw=np.concatenate([p.raw for p in order]),
        faces=tuple(faces),
        predictions=tuple(p.predictions[0] for p in order),
        targets=(target,),
    )
