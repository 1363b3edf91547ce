"""A Model: a network that was read, together with everything one has to know to feed it and to read its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferviz.engines.base import INPUT, Array, Engine, LayerInfo
from ferviz.errors import ModelError, UnknownNameError, UsageError
from ferviz.faces.face import Face
from ferviz.models.input_spec import InputSpec
from ferviz.models.prediction import Prediction
from ferviz.numerics import sigmoid, softmax

COARSE = 6
"""A map with fewer cells a side than this cannot tell an eye from a brow on an aligned face."""

BATCH = 256
"""Faces in one pass where nobody asked for another number."""


@dataclass(frozen=True)
class Model:
    """A network, ready to be asked.

    name: short name, from the file's. sha256: of the file (of JSON and weights: of both; of a folder: of all its files); "" for a
    network in memory. labels: (K,) class names in the order of the outputs. input: what it is fed.
    engine: what executes it. notes: what was assumed or mended, one sentence each.
    origin: the file and the settings it was loaded with (`ferviz.models.compiled.cache.Origin`); None for a network in memory.
    """

    name: str
    sha256: str
    labels: tuple[str, ...]
    input: InputSpec
    engine: Engine = field(repr=False)
    notes: tuple[str, ...] = ()
    origin: Any = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        spec = self.input
        fed = f"{spec.height or 'any'} x {spec.width or 'any'} x {spec.channels}, values {spec.scaling}"
        return (
            f"Model({self.name!r}, labels={self.labels}, input='{fed}', layers={len(self.layers)}, engine={self.engine.name!r}"
            f"{f', notes={self.notes}' if self.notes else ''})"
        )

    def __getstate__(self) -> None:
        raise TypeError(
            "a Model holds a running network and cannot be pickled or copied; call ferviz.load_model in each process"
        )

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every addressable layer, in order of execution."""
        return tuple(self.engine.layers)

    @property
    def head(self) -> str:
        """How the network ends: "softmax", "sigmoid" or "linear"."""
        return self.engine.head

    def layer(self, name: str) -> LayerInfo:
        """Return the layer of that name; INPUT is the picture itself. Raises UnknownNameError."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        if name == INPUT:
            return LayerInfo(INPUT, "InputLayer", (self.input.height, self.input.width, self.input.channels), True)
        raise UnknownNameError("layer", name, [layer.name for layer in self.layers], "this model")

    def default_layer(self) -> tuple[str, str]:
        """Return (name, note) of the layer that explanations look at unless told otherwise.

        It is the last feature map that weights made, after everything that still happens to it at its size (activation,
        normalisation, addition), so before a pooling that ends the trunk; found by the shapes alone. Where that map already
        has one channel per class and nothing is learned after it, the one before it. note: one sentence about anything unusual,
        or "". Raises ModelError for a network without feature maps.
        """
        layers = self.layers
        here = _last_map(layers)
        if here is None:
            what = (
                "no layer whose output is a map"
                if layers
                else "no layers that can be looked into (a SavedModel has none)"
            )
            raise ModelError(
                f"{self.name} has {what}, so there is nothing to draw a heatmap from; "
                "methods that need only the answer (occlusion, RISE) still work"
            )
        notes = []
        classes = len(self.labels)
        if layers[here].shape[-1] == classes and not any(layer.parameters for layer in layers[here + 1 :]):
            before = _last_map(layers[: _made_by(layers, here)])
            if before is not None:
                notes.append(
                    f"the last map, {layers[here].name}, has one channel per class already, so {layers[before].name} is explained"
                )
                here = before
        height, width = layers[here].shape[:2]
        if height and width and min(height, width) < COARSE:
            fine = [
                i for i in range(here) if _is_map(layers[i]) and min(_side(s) for s in layers[i].shape[:2]) >= COARSE
            ]
            finer = f"; {layers[fine[-1]].name} is finer" if fine else ""
            notes.append(
                f"the map of {layers[here].name} has only {height} x {width} cells, so its heatmap is coarse{finer}"
            )
        return layers[here].name, "; ".join(notes)

    def preprocess(self, faces: Any) -> Array:
        """faces: as everywhere (Face, list of Face, uint8 arrays) -> (N, h, w, c) float32 as the network wants it."""
        from ferviz.faces.crops import as_faces

        return self.input.preprocess([face.pixels for face in as_faces(faces)])

    def logits(self, faces: Any, batch_size: int = BATCH) -> Array:
        """faces -> (N, K) float32, the outputs before softmax or sigmoid. batch_size: faces in one pass."""
        from ferviz.faces.crops import as_faces

        return self._logits(as_faces(faces), batch_size)

    def probabilities(self, faces: Any, batch_size: int = BATCH) -> Array:
        """faces -> (N, K) float32: softmax of the logits, or sigmoid for a network that ends so."""
        return self.probabilities_of(self.logits(faces, batch_size))

    def predict(self, faces: Any, batch_size: int = BATCH) -> list[Prediction]:
        """faces -> one Prediction a face, in order."""
        from ferviz.faces.crops import as_faces

        faces = as_faces(faces)
        values = self.probabilities_of(self._logits(faces, batch_size))
        return [
            Prediction(self.labels[int(row.argmax())], dict(zip(self.labels, map(float, row), strict=True)), face)
            for row, face in zip(values, faces, strict=True)
        ]

    def _logits(self, faces: Sequence[Face], batch_size: int) -> Array:
        # Pictures of any size are prepared a batch at a time: ten thousand large crops never lie in memory at once.
        parts = [
            self.engine.logits(self.input.preprocess([face.pixels for face in faces[start : start + batch_size]]))
            for start in range(0, len(faces), batch_size)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.labels)), np.float32)

    def probabilities_of(self, logits: Array) -> Array:
        """logits (N, K) -> (N, K) float32: softmax of the logits, or sigmoid for a network that ends so."""
        return np.asarray(sigmoid(logits) if self.head == "sigmoid" else softmax(logits), np.float32)


def as_model(model: Any) -> Model:
    """Return `model` if it is one. Raises UsageError for anything else, such as the path of a network that was not loaded yet."""
    if isinstance(model, Model):
        return model
    raise UsageError(
        f"a model is what ferviz.load_model gives, not {type(model).__name__}; call ferviz.load_model first"
    )


def _side(size: int | None) -> float:
    return float("inf") if size is None else size


def _is_map(layer: LayerInfo) -> bool:
    return layer.spatial and len(layer.shape) == 3


def _last_map(layers: Sequence[LayerInfo]) -> int | None:
    """Return the position of the last map that weights made, after what happens to it at its size; None if there is none."""
    inner = [i for i, layer in enumerate(layers) if _is_map(layer) and not _holds_others(layers, i)]
    if not inner:
        return None
    made = max((i for i in inner if layers[i].parameters), default=inner[-1])
    same = [i for i in inner if i >= made and layers[i].shape[:2] == layers[made].shape[:2]]
    # Layers of the same size but behind a change of size (a decoder) belong to another map.
    last = made
    for i in same:
        between = [j for j in inner if last < j < i]
        if any(layers[j].shape[:2] != layers[made].shape[:2] for j in between):
            break
        last = i
    return last


def _made_by(layers: Sequence[LayerInfo], here: int) -> int:
    """Return the position of the first layer of the run of maps that ends at `here` and has its shape."""
    start = here
    while start and (layers[start - 1].shape == layers[here].shape or not _is_map(layers[start - 1])):
        start -= 1
    return start


def _holds_others(layers: Sequence[LayerInfo], position: int) -> bool:
    """A nested network is listed beside its own layers; the layers are what one looks at."""
    prefix = layers[position].name + "/"
    return any(layer.name.startswith(prefix) for layer in layers)
