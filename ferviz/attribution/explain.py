"""Explaining faces: asks one method, a chunk of faces at a time, and puts the answers together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ferviz.attribution.explanation import Explanation
from ferviz.attribution.methods import cam
from ferviz.attribution.methods.registry import METHODS, PICTURE, Method
from ferviz.attribution.request import MethodInput, MethodOutput
from ferviz.attribution.resize import resize_maps
from ferviz.attribution.targets import Target, parse_targets, target_weights
from ferviz.engines.base import INPUT, Array, LayerInfo, engine_notes
from ferviz.errors import ModelError, UsageError, check_integer
from ferviz.faces.crops import as_faces
from ferviz.faces.face import Face
from ferviz.models.features import MIN_CELLS
from ferviz.models.model import Model, as_model
from ferviz.models.prediction import Prediction

FUSED = "+"
"""Joins the names of layers whose maps were fused."""


def explain(
    model: Model,
    faces: Any,
    method: str = "gradcam",
    target: str | Iterable[str] | Mapping[str, float] = "predicted",
    layer: str | Sequence[str] | None = None,
    batch_size: int = 64,
    *,
    seed: int = 0,
    **settings: Any,
) -> Explanation:
    """Explain what a network's answers about faces rest on.

    model: a network. faces: a Face, a list of them, or uint8 crops (N, H, W) or (N, H, W, 3). method: one of `ferviz.methods()`.
    target: "predicted", a class, "all", a contrast such as "happy-sad", a weighting such as "2*happy-sad-fear", several of them, or
    {class: weight}. layer: a name, several (their maps are fused), or None for the last map; "input" is the picture.
    batch_size: faces in one pass; it bounds the memory and changes nothing else. seed: for methods that draw random numbers.
    settings: of the method; where it can be signed (`relu`), a contrast is, so that it shows what speaks for either side.
    Raises UnknownNameError for an unknown method, setting, layer or class; UsageError for what makes no sense; ModelError where
    the network or its engine cannot do what the method needs; NoFaceError without faces.
    """
    found = METHODS[method]
    model = as_model(model)
    if len(model.labels) < 2:
        raise ModelError(f"{model.name} has one output unit; ferviz explains networks with two classes or more")
    faces = as_faces(faces)
    targets = parse_targets(target, model.labels)
    layers, warnings = resolve_layers(model, found, layer)
    settings = resolve_settings(found, settings, targets)
    check_integer("batch_size", batch_size, 1)
    check_integer("seed", seed, 0)
    answers = [
        ask(model, faces[start : start + batch_size], found, targets, layers, batch_size, seed, settings)
        for start in range(0, len(faces), batch_size)
    ]
    logits = np.concatenate([answer.logits for answer in answers])
    details = {
        name: np.concatenate([answer.details[name] for answer in answers]).tolist()
        for name, values in answers[0].details.items()
        if values.ndim == 2  # one number a face and target; larger ones are for callers of the method itself
    }
    return Explanation(
        heatmaps=np.concatenate([heatmaps_of(answer) for answer in answers]),
        raw=np.concatenate([answer.raw for answer in answers]),
        faces=tuple(faces),
        targets=tuple(t.name for t in targets),
        method=method,
        layer=FUSED.join(layers),
        predictions=predictions(model, logits, faces),
        settings={
            "model": model.name,
            "model_sha256": model.sha256,
            "engine": model.engine.name,
            "labels": list(model.labels),
            "seed": seed,
            **settings,
            **({"details": details} if details else {}),
        },
        warnings=(*warnings, *engine_notes(model.engine)),
    )


def ask(
    model: Model,
    faces: Sequence[Face],
    method: Method,
    targets: Sequence[Target],
    layers: Sequence[str],
    chunk: int,
    seed: int,
    settings: Mapping[str, Any],
) -> MethodOutput:
    """Ask a method about some faces, once a layer, and fuse the maps where there are several layers; heatmaps included.

    layers: from `choose_layers`. chunk: pictures in one pass. settings: complete ones. -> an MethodOutput with `heatmaps`.
    """
    batch = model.preprocess(list(faces))
    weights = target_weights(targets, model.labels, len(batch))
    black = model.input.preprocess([np.zeros((*batch.shape[1:3], 3), np.uint8)])[0]
    height, width = batch.shape[1:3]
    answers = [method(MethodInput(model.engine, batch, at, weights, chunk, black, seed), **settings) for at in layers]
    maps = [a.heatmaps if a.heatmaps is not None else resize_maps(a.raw, height, width) for a in answers]
    if len(answers) == 1:
        return MethodOutput(answers[0].raw, answers[0].logits, answers[0].details, maps[0])
    fused = cam.fuse(maps)
    return MethodOutput(fused, answers[0].logits, {}, fused)


def heatmaps_of(answer: MethodOutput) -> Array:
    """Return the maps at picture size of an answer from `ask`."""
    assert answer.heatmaps is not None
    return answer.heatmaps


def predictions(model: Model, logits: Array, faces: Sequence[Face]) -> tuple[Prediction, ...]:
    """Return what the network says about each face, from its logits (N, K)."""
    values = model.probabilities_of(logits)
    return tuple(
        Prediction(model.labels[int(row.argmax())], dict(zip(model.labels, row.tolist(), strict=True)), face)
        for row, face in zip(values, faces, strict=True)
    )


def resolve_settings(method: Method, settings: Mapping[str, Any], targets: Sequence[Target]) -> dict[str, Any]:
    """Return all settings of the method: the defaults, what was given, and signed maps for contrasts.

    Raises UnknownNameError for a setting that the method does not have, UsageError for a value of the wrong kind.
    """
    known = dict(method.settings)
    if "relu" in known and any(target.contrast for target in targets):
        known["relu"] = False
    return known | method.checked(settings)


def resolve_layers(
    model: Model, method: Method, layer: str | Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the layers that a method looks at, and what has to be said about them and about the method.

    layer: a name, several (in a sequence, or with commas between), or None for the model's default.
    Raises UnknownNameError for a layer that is not there, ModelError for one whose output is not a map, UsageError where a method
    of the picture is given another layer.
    """
    cautions = [method.caution] if method.caution else []
    names = layer.split(",") if isinstance(layer, str) else list(layer) if isinstance(layer, Iterable) else [layer]
    names = [] if layer is None else [str(name).strip() for name in names]
    if method.at == PICTURE:
        if [name for name in names if name != INPUT]:
            raise UsageError(f"this method looks at the picture and not at a layer; leave out the layer {names[0]!r}")
        return (INPUT,), tuple(cautions)
    if not names:
        name, note = model.default_layer()
        return (name,), ((note, *cautions) if note else tuple(cautions))
    if len(set(names)) != len(names):
        raise UsageError(f"a layer is named twice in {', '.join(names)}; name each once")
    for name in names:
        info = model.layer(name)
        if not info.spatial or len(info.shape) != 3:
            maps = [other.name for other in model.layers if other.spatial]
            nearest = f"; the last map is {maps[-1]}" if maps else ""
            raise ModelError(
                f"the output of layer {name!r} is {info.shape}, which is not a map, so no heatmap can be made of it{nearest}"
            )
        cautions = [*_about(info, len(model.labels)), *cautions]
    return tuple(names), tuple(cautions)


def _about(layer: LayerInfo, classes: int) -> list[str]:
    found = []
    height, width, channels = layer.shape
    if channels == classes and layer.name != INPUT:
        found.append(
            f"{layer.name} has one channel per class, so Grad-CAM and its relatives show that channel and nothing else"
        )
    if height and width and min(height, width) < MIN_CELLS:
        found.append(f"the map of {layer.name} has only {height} x {width} cells, so its heatmap is coarse")
    return found
