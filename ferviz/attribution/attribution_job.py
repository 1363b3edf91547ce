"""A way to explain faces that is checked once and then answers any number of chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ferviz.attribution.explanation import Explanation
from ferviz.attribution.layers import resolve_layers
from ferviz.attribution.maps.receptive_fields import Placement, centres, placement
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods import cam
from ferviz.attribution.methods.method import LAYER, Method, run_method
from ferviz.attribution.methods.registry import AUTO, METHODS
from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.attribution.targets import Target, parse_targets, resolve, target_weights
from ferviz.data.provenance import join_provenance
from ferviz.engines.base import INPUT, Array
from ferviz.engines.protocols import ForwardOnly, supports
from ferviz.errors import ModelError, UsageError, check_integer
from ferviz.faces.crops import center_crop
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import TEMPLATE_SOURCE, locate_landmarks
from ferviz.faces.regions import FaceRegions
from ferviz.models.compiled.explainer import TaughtExplainer, find_explainer
from ferviz.models.model import Model, as_model
from ferviz.models.prediction import check_finite, predictions_of
from ferviz.trust.recommendation import kept_placement, lack_of_gradients, recommended, recommended_layer
from ferviz.trust.verdict import Trust, join_trust, judge

PATIENT, HASTY = 500, 20
"""Passes through the network a face that `auto` may choose: for as many faces as one picture shows, and for more or larger ones."""

PLACES = NOMINAL, MEASURED = "nominal", "measured"
"""Where the cells of a layer's map can be drawn: evenly spread, or where they look."""

PLACED = 8
"""Faces on which it is measured where a layer's cells look."""

FUSED = "+"
"""Joins the names of layers whose maps were fused."""


@dataclass(frozen=True, eq=False)
class AttributionJob:
    """A way to explain faces, checked and ready: `job(faces)` explains one chunk of them.

    Made by `AttributionJob.prepare`; nothing is parsed or checked again for a chunk.

    Attributes:
        model: the network.
        name: the method's name in the registry.
        method: the method.
        targets: what is explained.
        layers: names of the layers that the method looks at; the maps of several are fused.
        settings: all settings of the method.
        weights: (1, T, K + 1) float32, the targets as weights of the logits, as in `MethodInput`.
        batch_size: most faces in a chunk, and most pictures in one pass through the network.
        seed: for methods that draw random numbers.
        warnings: sentences about what may mislead in the maps.
        test: whether the maps are tested, too (see `ferviz.trust.verdict`).
        chosen: why this method was chosen, "" where it was named.
        places: for each layer where its cells look, if the maps are drawn there; else empty.
        explainer: what the network was taught about itself, where the method needs that.
    """

    model: Model
    name: str
    method: Method = field(repr=False)
    targets: tuple[Target, ...]
    layers: tuple[str, ...]
    settings: Mapping[str, Any]
    weights: Array = field(repr=False)
    batch_size: int = 64
    seed: int = 0
    warnings: tuple[str, ...] = ()
    test: bool = False
    chosen: str = ""
    places: tuple[Placement, ...] = ()
    explainer: TaughtExplainer | None = field(default=None, repr=False)

    @classmethod
    def prepare(
        cls,
        model: Model,
        method: str | None = "gradcam",
        target: str | Iterable[str] | Mapping[str, float] = "predicted",
        layer: str | Sequence[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        batch_size: int = 64,
        seed: int = 0,
        test: bool = False,
        passes: int = HASTY,
    ) -> AttributionJob:
        """Return the job, everything checked.

        Args:
            model: a network.
            method: as for `ferviz.explain`; None = Grad-CAM, or as "auto" where the network has no gradients.
            target, layer, batch_size, seed: as for `ferviz.explain`.
            settings: of the method.
            test: whether the maps are tested, too.
            passes: that the method "auto" may take a face: 1, 20 or 500.

        Raises:
            UnknownNameError: an unknown method, setting, layer or class.
            UsageError: an argument that makes no sense.
            ModelError: the network or its engine cannot do what the method needs.
        """
        if method not in (None, AUTO):
            METHODS[method]  # a name that does not exist is the first to be refused
        model = as_model(model)
        method, layer, chosen = _choose(model, method, layer, passes)
        entry = METHODS[method]
        entry.check_engine(model.engine, method)
        if len(model.labels) < 2:
            raise ModelError(f"{model.name} has one output unit; ferviz explains networks with two classes or more")
        targets = parse_targets(target, model.labels)
        if layer is None and entry.at == LAYER:
            layer = recommended_layer(model, method)
        layers, warnings = resolve_layers(model, entry, layer)
        resolved = entry.resolve_settings(settings or {}, any(target.contrast for target in targets))
        check_integer("batch_size", batch_size, 1)
        check_integer("seed", seed, 0)
        weights = target_weights(targets, model.labels, 1)
        explainer = find_explainer(model, str(resolved.get("explainer", ""))) if entry.needs_explainer else None
        return cls(
            model, method, entry, targets, layers, resolved, weights, batch_size, seed, warnings, test, chosen,
            explainer=explainer,
        )  # fmt: skip

    def with_templates(self) -> AttributionJob:
        """Return the job for data sets and videos: pictures that show no face get a typical face's regions, for one must not stop all."""
        return replace(self, settings={**self.settings, "template": True}) if "template" in self.settings else self

    def at_measured_places(self, faces: Sequence[Face]) -> AttributionJob:
        """Return the job that draws each cell of a map where it looks instead of where it lies.

        Args:
            faces: on which that is measured, where `ferviz trust --write` has not kept it; the first few are used.

        Raises:
            UsageError: the method looks at the picture.
            ModelError: the engine cannot differentiate the layer, or what was kept about it cannot be read.
        """
        if self.method.at != LAYER or any(layer == INPUT for layer in self.layers):
            raise UsageError(
                f"{self.name} looks at the picture, whose pixels are where they are; leave out place='measured'"
            )
        pixels = self.model.input.resized([face.pixels for face in faces[:PLACED]]).round().astype(np.uint8)
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        places = (
            _kept_place(self.model, layer) or placement(self.model, pixels, layer, self.seed) for layer in self.layers
        )
        return replace(self, places=tuple(places))

    def __call__(self, faces: Sequence[Face]) -> Explanation:
        """Explain one chunk of faces.

        Args:
            faces: one to `batch_size` faces.

        Returns:
            The explanation, in the order of the faces.

        Raises:
            NoFaceError: the method needs the regions of a face, and a picture shows none.
            ModelError: the network answers with NaN or infinity.
        """
        spec = self.model.input
        if spec.crop_pct < 1:  # a map lies on what the network sees, so the explained faces are their centres
            inner = replace(self.model, input=replace(spec, crop_pct=1.0))
            return replace(self, model=inner)([center_crop(face, spec.crop_pct) for face in faces])
        if self.method.needs_regions:
            faces = locate_landmarks(faces)
        output = self._run(faces)
        assert output.heatmaps is not None
        model = self.model
        # Details of other shapes than (N, T) and (N, T, rows, columns) are for callers of the method itself.
        details = {name: values.tolist() for name, values in output.details.items() if values.ndim == 2}
        settings = self.record() | ({"details": details} if details else {})
        return Explanation(
            heatmaps=output.heatmaps,
            raw=output.raw,
            faces=tuple(faces),
            targets=tuple(target.name for target in self.targets),
            method=self.name,
            layer=FUSED.join(self.layers),
            predictions=tuple(predictions_of(model.labels, model.probabilities_of(output.logits), faces)),
            settings=settings,
            warnings=(*model.cautions, *self.warnings, *output.warnings, *self._landmark_warnings(faces)),
            trust=self._judged(faces, output.heatmaps, output.logits) if self.test else None,
            grids={name: values for name, values in output.details.items() if values.ndim == 4},
        )

    def record(self) -> dict[str, Any]:
        """Return the network, the seed and the method's settings as plain data: an explanation's `settings`."""
        model = self.model
        return {
            "model": model.name,
            "model_sha256": model.sha256,
            "model_file": model.file_name,
            **(model.origin.conventions() if model.origin else {}),
            "engine": model.engine.name,
            "labels": list(model.labels),
            "seed": self.seed,
            **self.settings,
            **({"chosen": self.chosen} if self.chosen else {}),
            **({"place": MEASURED} if self.places else {}),
        }

    def explain(self, faces: Sequence[Face]) -> Explanation:
        """Explain any number of faces, chunk by chunk.

        Args:
            faces: at least one.

        Returns:
            The explanation, in the order of the faces.
        """
        starts = range(0, len(faces), self.batch_size)
        return join([self(faces[start : start + self.batch_size]) for start in starts])

    def _judged(self, faces: Sequence[Face], heatmaps: Array, logits: Array) -> Trust:
        """-> the verdicts on the maps of some faces."""
        weights = resolve(np.repeat(self.weights, len(faces), axis=0), logits)
        pictures = self.model.input.resized([face.pixels for face in faces])
        return judge(self.model, pictures, heatmaps, weights, seed=self.seed, batch_size=self.batch_size)

    def _landmark_warnings(self, faces: Sequence[Face]) -> list[str]:
        if not (self.method.needs_regions and any(face.landmark_source == TEMPLATE_SOURCE for face in faces)):
            return []
        return [
            "faces whose landmark_source is template show no landmarks: their regions lie where those of a typical face do"
        ]

    def _run(self, faces: Sequence[Face]) -> MethodOutput:
        """Run the method once a layer, bring the maps to picture size, and fuse those of several layers."""
        spec = self.model.input
        pictures = spec.resized([face.pixels for face in faces])
        batch = spec.scaled(pictures)
        height, width = batch.shape[1:3]
        regions = FaceRegions.of(faces, (height, width)) if self.method.needs_regions else None
        weights = np.repeat(self.weights, len(batch), axis=0)
        requests = (
            MethodInput(
                self.model.engine,
                batch,
                layer,
                weights,
                self.batch_size,
                self.seed,
                pictures,
                spec,
                regions,
                self.explainer,
            )
            for layer in self.layers
        )
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is an error below
            outputs = [run_method(self.method, request, **self.settings) for request in requests]
        for output, layer in zip(outputs, self.layers, strict=True):
            self._check(output, layer)
        places = self.places or [None] * len(outputs)
        maps = [_placed(output, place, height, width) for output, place in zip(outputs, places, strict=True)]
        if len(outputs) == 1:
            return replace(outputs[0], heatmaps=maps[0])
        fused = cam.fuse(maps)
        return MethodOutput(fused, outputs[0].logits, {}, fused)

    def _check(self, output: MethodOutput, layer: str) -> None:
        """Raise ModelError where the network's answer or a map is NaN or infinite."""
        check_finite(output.logits, self.model.name)
        maps = output.raw if output.heatmaps is None else output.heatmaps
        if not np.isfinite(maps).all():
            raise ModelError(
                f"the {self.name} map of {self.model.name} at {layer!r} is NaN or infinite, because numbers in the network are too large "
                "or too small; choose another layer or method, or check the network's weights"
            )


def _placed(output: MethodOutput, place: Placement | None, height: int, width: int) -> Array:
    """-> the maps at picture size, their cells where they look, if that was measured."""
    if output.heatmaps is not None:
        return output.heatmaps
    rows, columns = output.raw.shape[2:]
    return resize_maps(output.raw, height, width, None if place is None else centres(place, (rows, columns)))


def _kept_place(model: Model, layer: str) -> Placement | None:
    """-> where the cells of a layer were measured to look; None where that was not kept, or for pictures of another size."""
    record = kept_placement(model, layer)
    try:
        place = None if record is None else Placement.from_dict(record)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the sidecar of {model.name}: trust.report.placement of {layer!r} cannot be read ({error}); run ferviz trust --write again"
        ) from error
    return place if place and place.size == model.input.size else None


def _choose(
    model: Model, method: str | None, layer: str | Sequence[str] | None, passes: int
) -> tuple[str, str | Sequence[str] | None, str]:
    """-> the method, its layer, and why it was chosen: "" where it was named."""
    if method is None:
        method = AUTO if lack_of_gradients(model) else "gradcam"
    if method != AUTO:
        return method, layer, ""
    if layer is not None:
        # Score-CAM is the method of a layer that needs no gradients.
        return "scorecam" if supports(model.engine, ForwardOnly) else "gradcam", layer, "a layer was named"
    best = recommended(model, passes)
    return best.method, best.layer, best.reason


def join(parts: Sequence[Explanation]) -> Explanation:
    """Return the explanations of one job's chunks as one explanation.

    Args:
        parts: at least one, in the order of the faces.
    """
    if len(parts) == 1:
        return parts[0]
    settings = dict(parts[0].settings)
    if "details" in settings:
        settings["details"] = {
            name: [row for part in parts for row in part.settings["details"][name]] for name in settings["details"]
        }
    # The last part knows whether the engine had to hand over to another one.
    settings["engine"] = parts[-1].settings["engine"]
    return replace(
        parts[0],
        heatmaps=np.concatenate([part.heatmaps for part in parts]),
        raw=np.concatenate([part.raw for part in parts]),
        faces=tuple(face for part in parts for face in part.faces),
        predictions=tuple(prediction for part in parts for prediction in part.predictions),
        settings=settings,
        warnings=tuple(dict.fromkeys(warning for part in parts for warning in part.warnings)),
        trust=join_trust([part.trust for part in parts]),
        provenance=join_provenance([part.provenance for part in parts]),
        grids={name: np.concatenate([part.grids[name] for part in parts]) for name in parts[0].grids},
    )
