"""A Model: a network that was read, together with everything that is needed to feed it and to interpret its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ferviz.engines.base import INPUT, Array, Engine, LayerInfo
from ferviz.errors import UnknownNameError, UsageError
from ferviz.faces.face import Face
from ferviz.models import features
from ferviz.models.bundled import is_bundled
from ferviz.models.input_spec import InputSpec
from ferviz.models.prediction import Predictions, check_finite, predictions_of
from ferviz.numerics import sigmoid, softmax

CAUTIONS = (
    "the file does not name its ",
    "the file does not tell the range of values ",
    "the labels contradict ",
    "the scaling contradicts ",
)
"""Beginnings of notes that every answer has to be read with (see `ferviz.models.infer_spec`)."""

BATCH_SIZE = 256
"""Faces in one pass through the network by default."""


@dataclass(frozen=True)
class Model:
    """A network that is ready to predict and to be explained.

    Attributes:
        name: a short name, from the file's name.
        sha256: of the file (of an architecture and its weights: of both; of a folder: of all its files); "" for a network in memory.
        labels: (K,) class names in the order of the outputs.
        input: what the network is fed.
        engine: what executes it.
        notes: what was assumed or upgraded when the network was read, one sentence each.
        origin: the file and the settings that it was loaded with (`ferviz.models.compiled.cache.Origin`); None for a network in memory.
        explainer: what it was taught to tell about itself (`ferviz.models.compiled.explainer.TaughtExplainer`), where its file holds that.
    """

    name: str
    sha256: str
    labels: tuple[str, ...]
    input: InputSpec
    engine: Engine = field(repr=False)
    notes: tuple[str, ...] = ()
    origin: Any = field(default=None, repr=False, compare=False)
    explainer: Any = field(default=None, repr=False, compare=False)

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

    @property
    def file_name(self) -> str | None:
        """The name of the file that it was loaded from; None for the bundled network and for one in memory."""
        path = None if self.origin is None else self.origin.path
        return None if path is None or is_bundled(path) else path.name

    @property
    def cautions(self) -> tuple[str, ...]:
        """Those of the notes that may make every answer wrong, so that they belong into pictures and files: assumed labels, an assumed
        range of values, labels that contradict the sidecar."""
        return tuple(note for note in self.notes if note.startswith(CAUTIONS))

    def layer(self, name: str) -> LayerInfo:
        """Return the layer of a name.

        Args:
            name: the layer's address, "conv3" or "backbone/conv3"; INPUT is the picture itself.

        Raises:
            UnknownNameError: the network has no such layer; the message lists those that it has.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        if name == INPUT:
            return LayerInfo(INPUT, "InputLayer", (self.input.height, self.input.width, self.input.channels), True)
        raise UnknownNameError("layer", name, [layer.name for layer in self.layers], "this model")

    def default_layer(self) -> tuple[str, str]:
        """Return the layer that explanations look at when none is named (see `ferviz.models.features.default_layer`).

        Returns:
            Its name, and one sentence about anything unusual, or "".

        Raises:
            ModelError: the network has no feature map.
        """
        return self._default_layer

    @cached_property
    def _default_layer(self) -> tuple[str, str]:
        # Looked for once: every heatmap asks for it, and the search takes a fifth of the time of a small one.
        return features.default_layer(self.layers, len(self.labels), self.name)

    def preprocess(self, faces: Any) -> Array:
        """Turn faces into the batch that the network takes.

        Args:
            faces: a Face, a list of them, or uint8 arrays (N, H, W) or (N, H, W, 3), as everywhere.

        Returns:
            (N, h, w, c) float32.
        """
        from ferviz.faces.crops import as_faces

        return self.input.preprocess([face.pixels for face in as_faces(faces)])

    def logits(self, faces: Any, batch_size: int = BATCH_SIZE) -> Array:
        """Compute the class scores before softmax or sigmoid.

        Args:
            faces: as for `preprocess`.
            batch_size: faces in one pass through the network.

        Returns:
            (N, K) float32.

        Raises:
            ModelError: the network answers with NaN or infinity for a face.
        """
        from ferviz.faces.crops import as_faces

        return self._logits(as_faces(faces), batch_size)

    def probabilities(self, faces: Any, batch_size: int = BATCH_SIZE) -> Array:
        """Compute the class probabilities.

        Args:
            faces: as for `preprocess`.
            batch_size: faces in one pass through the network.

        Returns:
            (N, K) float32 in 0..1: softmax of the logits, or sigmoid for a network that ends in one.

        Raises:
            ModelError: the network answers with NaN or infinity for a face.
        """
        return self.probabilities_of(self.logits(faces, batch_size))

    def predict(self, faces: Any, batch_size: int = BATCH_SIZE) -> Predictions:
        """Predict the emotion of each face.

        Args:
            faces: as for `preprocess`.
            batch_size: faces in one pass through the network.

        Returns:
            One Prediction a face, in order.

        Raises:
            ModelError: the network answers with NaN or infinity for a face.
        """
        from ferviz.faces.crops import as_faces

        faces = as_faces(faces)
        probabilities = self.probabilities_of(self._logits(faces, batch_size))
        return predictions_of(self.labels, probabilities, faces)

    def probabilities_of(self, logits: Array) -> Array:
        """Turn logits into probabilities.

        Args:
            logits: (N, K).

        Returns:
            (N, K) float32 in 0..1: their softmax, or sigmoid for a network that ends in one.
        """
        return np.asarray(sigmoid(logits) if self.head == "sigmoid" else softmax(logits), np.float32)

    def _logits(self, faces: Sequence[Face], batch_size: int) -> Array:
        # Pictures of any size are prepared a batch at a time: ten thousand large crops never lie in memory at once.
        batches = [
            self.engine.logits(self.input.preprocess([face.pixels for face in faces[start : start + batch_size]]))
            for start in range(0, len(faces), batch_size)
        ]
        logits = np.concatenate(batches) if batches else np.zeros((0, len(self.labels)), np.float32)
        check_finite(logits, self.name)
        return logits


def as_model(model: Any) -> Model:
    """Check that an argument is a Model.

    Args:
        model: what the caller passed.

    Returns:
        The same Model.

    Raises:
        UsageError: it is anything else, such as the path of a network that was not loaded yet.
    """
    if isinstance(model, Model):
        return model
    raise UsageError(
        f"a model is what ferviz.load_model gives, not {type(model).__name__}; call ferviz.load_model first"
    )
