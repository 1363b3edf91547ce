"""Comparing explanations: the same faces by several methods, layers or networks, and how far the maps agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ferviz.attribution import titles
from ferviz.attribution.attribution_job import AttributionJob, join
from ferviz.attribution.explain import is_quickly_tested
from ferviz.attribution.explanation import Explanation
from ferviz.attribution.maps.metrics import rank_correlation
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods.registry import METHODS
from ferviz.attribution.targets import PREDICTED
from ferviz.engines.base import Array
from ferviz.errors import UsageError
from ferviz.faces.crops import as_faces
from ferviz.faces.face import Face
from ferviz.files import PathLike
from ferviz.manifests import manifest
from ferviz.models.model import Model
from ferviz.registry import split_names
from ferviz.rendering.marks import vector_figure
from ferviz.rendering.printing import PrintSize, figure_size, screen_or_print
from ferviz.rendering.sheets.sheet import PERCENTILE, is_signed
from ferviz.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image


@dataclass(frozen=True, eq=False)
class ExplanationComparison(Result):
    """What `ferviz.compare_explanations` returns.

    Attributes:
        names: (M,) what each explanation differs in, e.g. "gradcam" or "gradcam, conv3, my-net".
        explanations: M explanations of the same faces and one target.
        correlation: (M, M) float64, Spearman's rank correlation of the maps at picture size, the mean over the faces.
    """

    command: ClassVar[str] = "compare"

    names: tuple[str, ...]
    explanations: tuple[Explanation, ...] = field(repr=False)
    correlation: np.ndarray = field(repr=False)

    @property
    def target(self) -> str:
        """What all maps explain: a class, a contrast, or "predicted" (the class that the first network predicts)."""
        return self.explanations[0].targets[0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may mislead in any of the maps, each sentence once; with the names that it is about where these are not all."""
        names: dict[str, list[str]] = {}
        for name, explanation in zip(self.names, self.explanations, strict=True):
            for warning in dict.fromkeys(explanation.warnings):
                names.setdefault(warning, []).append(name)
        return tuple(w if len(of) == len(self.names) else f"{', '.join(of)}: {w}" for w, of in names.items())

    def picture(
        self,
        *,
        zoom: float = 1.0,
        width_mm: float | None = None,
        dpi: float | None = None,
        font_size: float | None = None,
    ) -> Image.Image:
        """Return the maps side by side as an RGB picture, with the table of their rank correlations below.

        Args:
            zoom: 1 for screens, 2 for fine print.
            width_mm: the width of a printed page, in millimetres; None = a page for screens.
            dpi: pixels an inch of a printed page; None = 300.
            font_size: points of a printed page's text; None = 8.

        Raises:
            UsageError: there is no such page.
        """
        return self._drawn(zoom, screen_or_print(width_mm, dpi, font_size))

    def _drawn(self, zoom: float, printing: PrintSize | None) -> Image.Image:
        from ferviz.attribution.sheets.explanation_sheet import remarks
        from ferviz.rendering.sheets.comparison_sheet import ROWS, comparison_picture

        first = self.explanations[0]
        target = "the class that the first network predicts" if self.target == PREDICTED else self.target
        methods = {e.method for e in self.explanations}
        method = f"{titles.title(first.method)}, " if len(methods) == 1 else ""
        networks = dict.fromkeys(
            f"{e.settings.get('model')} ({str(e.settings.get('model_sha256') or '')[:8]})" for e in self.explanations
        )
        notes = ["Each column has a scale of its own; the colours of two columns do not compare."]
        if first.trust is None:
            notes.append("Not tested whether these maps point at what the networks need.")
        if any(is_signed(list(explanation.heatmaps)) for explanation in self.explanations):
            notes.append(f"Signed maps are drawn up to the {PERCENTILE}th percentile of their magnitudes.")
        if len(first) > ROWS:
            notes.append(f"The first {ROWS} of {len(first)} faces are drawn; the correlations are over all of them.")
        notes.append(f"Network{'s' if len(networks) > 1 else ''} {', '.join(networks).replace(' ()', '')}")
        answers = [[f"{p.label} {p.probabilities[p.label]:.2f}" for p in e.predictions] for e in self.explanations]
        return comparison_picture(
            [face.pixels for face in first.faces],
            [f"{p.label} {p.probabilities[p.label]:.2f}" for p in first.predictions],
            self.names,
            [explanation.heatmaps[:, 0] for explanation in self.explanations],
            self.correlation,
            title="Comparison of explanations",
            subtitle=f"{method}evidence for {target}",
            notes=tuple(notes),
            warnings=self.warnings,
            remarks=[[remarks(e, face)[0] for face in range(len(e))] for e in self.explanations if e.trust],
            details=[_detail(e) for e in self.explanations],
            answers=answers if len(networks) > 1 else (),
            gains=self.gains,
            zoom=zoom,
            printing=printing,
        )

    @property
    def gains(self) -> tuple[float | None, ...]:
        """For each explanation the mean area between insertion and deletion under the first fill; None where not tested."""
        means: list[float | None] = []
        for e in self.explanations:
            verdicts = [] if e.trust is None else [row[0] for row in e.trust.verdicts]
            # Only the first fill was asked for every map.
            known = [next(iter(verdict.srg.values())) for verdict in verdicts if verdict.srg]
            means.append(float(np.mean(known)) if known else None)
        return tuple(means)

    def plot(
        self, *, figsize: tuple[float, float] | None = None, width_mm: float | None = None, dpi: float | None = None,
        font_size: float | None = None,
    ) -> Figure:  # fmt: skip
        """Return the same as a matplotlib Figure (made without pyplot), for papers.

        Args:
            figsize: (width, height) of the figure in inches; None = by `width_mm`, and as tall as its content.
            width_mm: the figure's width in millimetres; None = 174.
            dpi, font_size: as in `picture`.

        Raises:
            UsageError: there is no such page.
        """
        size = figure_size(figsize, width_mm, dpi, font_size)
        return vector_figure(self._drawn(1.0, size), size.inches, figsize and figsize[1])

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain data: names, target, correlation, explanations, verdicts (M, N), gains (M); null where not tested."""
        verdicts = [e.trust and [row[0].to_dict() for row in e.trust.verdicts] for e in self.explanations]
        return {
            "names": list(self.names),
            "target": self.target,
            "correlation": self.correlation.tolist(),
            "explanations": [explanation.to_dict() for explanation in self.explanations],
            "verdicts": verdicts,
            "gains": list(self.gains),
        }

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the exact numbers: `correlation`, `heatmaps/<name>` and `raw/<name>` of each explanation, `images` and `sizes`."""
        arrays = {"correlation": self.correlation}
        for name, explanation in zip(self.names, self.explanations, strict=True):
            values = explanation.to_arrays()
            arrays |= {f"{key}/{name}": values[key] for key in ("heatmaps", "raw")}
            arrays |= {key: values[key] for key in ("images", "sizes")}
        return arrays

    def inputs(self) -> list[PathLike]:
        """Return the pictures that the faces come from."""
        return self.explanations[0].inputs()

    def manifest(self) -> dict[str, Any]:
        """Return how this was made, as it goes into every file: `to_dict`, each explanation's settings, versions, time."""
        settings = [explanation.settings for explanation in self.explanations]
        return manifest(command=self.command, **self.to_dict(), settings=settings)


def compare_explanations(
    models: Model | Sequence[Model],
    faces: Any,
    methods: str | Sequence[str] = ("gradcam",),
    layers: str | Sequence[str | None] = (None,),
    target: str = "predicted",
    batch_size: int = 64,
    *,
    seed: int = 0,
    test: bool | None = None,
) -> ExplanationComparison:
    """Explain the same faces by every combination of networks, methods and layers.

    Args:
        models: one network or several.
        methods, layers: one or several, in a sequence or with commas between; a layer None is each network's default.
        faces, batch_size, seed: as for `ferviz.explain`.
        target: one target, the same for all; "predicted" is the class that the first network predicts, so that all maps explain one
            class.
        test: whether each map is tested, as for `ferviz.explain`; None = up to 48 maps in all are.

    Raises:
        UsageError: fewer than two combinations, or several targets.
        FervizError: what `ferviz.explain` raises.
    """
    models = [models] if isinstance(models, Model) else list(models)
    faces = as_faces(faces)
    methods = split_names(methods, METHODS)
    places = choose_places(models, layers)
    combinations = [(m, method, layer) for m in models for method in methods for layer in places]
    if len(combinations) < 2:
        raise UsageError("there is nothing to compare: name two methods, two layers or two networks")
    if len({m.name for m in models}) < len(models):
        names = [f"{m.name} {i}" for i, m in enumerate(models, 1)]
    else:
        names = [m.name for m in models]
    classes = [p.label for p in models[0].predict(faces)] if target == PREDICTED else [target] * len(faces)
    maps = len(faces) * len(combinations)
    tested = all(is_quickly_tested(m, maps) for m in models) if test is None else test
    explanations = [
        _explain_each(model, faces, method, classes, layer, batch_size, seed, target, tested)
        for model, method, layer in combinations
    ]
    labels = tuple(
        ", ".join(
            part
            for part, differs in (
                (method, len(methods) > 1),
                (layer or "default layer", len(places) > 1),
                (names[models.index(model)], len(models) > 1),
            )
            if differs
        )
        for model, method, layer in combinations
    )
    return ExplanationComparison(labels, tuple(explanations), agreement([e.heatmaps[:, 0] for e in explanations]))


def _detail(e: Explanation) -> str:
    """-> how large an explanation's maps are, and where they come from."""
    size = "x".join(str(side) for side in e.raw.shape[2:])
    return f"{size}, picture" if e.layer == "input" else f"{size}, {e.layer}" if e.layer else size


def choose_places(models: Sequence[Model], layers: str | Sequence[str | None]) -> list[str | None]:
    """Return the layers that a comparison looks at, each one by itself.

    Args:
        models: the networks; one of them having a layer is enough for its name not to be taken apart at its commas.
        layers: as of `compare_explanations`.
    """
    known = {info.name for model in models for info in model.layers}
    places: list[str | None] = []
    for layer in [layers] if isinstance(layers, str) else layers:
        places += [None] if layer is None else split_names(layer, known)
    return places


def agreement(maps: Sequence[Array]) -> np.ndarray:
    """Return the mean rank correlation of each pair of map sets.

    Args:
        maps: M arrays (N, H, W); where sizes differ all are brought to the largest.

    Returns:
        (M, M) float64, ones on the diagonal.
    """
    height, width = (max(m.shape[i] for m in maps) for i in (1, 2))
    resized = [resize_maps(m, height, width) for m in maps]
    table = np.eye(len(maps))
    for i, a in enumerate(resized):
        for j in range(i):
            pairs = zip(a, resized[j], strict=True)
            table[i, j] = table[j, i] = np.mean([rank_correlation(x, y) for x, y in pairs])
    return table


def _explain_each(
    model: Model,
    faces: Sequence[Face],
    method: str,
    classes: Sequence[str],
    layer: str | None,
    batch_size: int,
    seed: int,
    target: str,
    test: bool,
) -> Explanation:
    """Explain each face for its own class, and put the faces back into order."""
    parts: dict[int, Explanation] = {}
    for label in dict.fromkeys(classes):
        job = AttributionJob.prepare(model, method, label, layer, None, batch_size, seed, test).with_templates()
        if len(job.targets) != 1:
            raise UsageError("a comparison takes one target; name one class or one contrast")
        rows = [i for i, name in enumerate(classes) if name == label]
        part = job.explain([faces[i] for i in rows])
        parts |= {row: part[k] for k, row in enumerate(rows)}
    return replace(join([parts[i] for i in range(len(faces))]), targets=(target,))
